//! The program's commands, as people and orchestrators run them: what they print, how they end, and what stops them.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    process::{ExitStatus, Output, Stdio},
};

use reqwest::{Client, StatusCode};
use sqlx::Executor;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::support::{Answer, Event, Events, Node, World, message, soon, until};

async fn run(command: &mut Command) -> Output {
    soon("the program ends", command.kill_on_drop(true).output()).await.unwrap()
}

fn migrate(world: &World) -> Command {
    let mut command = Node::command("migrate");
    command.env("DATABASE_URL", &world.database_url).env("REDIS_URL", &world.redis_url);
    command
}

/// Waits until a process has ended by itself.
async fn end(process: &mut Child) -> ExitStatus {
    soon("the program ends", process.wait()).await.unwrap()
}

#[tokio::test]
async fn migrating_may_be_done_again_and_by_several_at_once() {
    let world = World::new().await;
    let (mut one, mut two, mut three) = (migrate(&world), migrate(&world), migrate(&world));
    let (one, two, three) = tokio::join!(run(&mut one), run(&mut two), run(&mut three));
    for output in [one, two, three, run(&mut migrate(&world)).await] {
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
    world.sql("insert into messages (content, sender_id) values ('x', gen_random_uuid())").await;
    let logged: i64 = sqlx::query_scalar("select count(*) from feed.log").fetch_one(&world.pool).await.unwrap();
    assert_eq!(logged, 1);
}

#[tokio::test]
async fn several_nodes_may_start_at_once_on_an_empty_database() {
    let world = World::new().await;
    let (one, two) = tokio::join!(world.node(), world.node());
    let mut stream = two.stream("").await;
    one.say(message("all is there")).await;
    assert_eq!(stream.next().await.content(), "all is there");
}

#[tokio::test]
async fn a_health_check_tells_by_its_exit_status_whether_a_node_is_ready() {
    let (_world, node) = World::with_node().await;
    until("the node is ready", async || node.get("/health/ready").await.status == StatusCode::OK).await;
    let well = run(Node::command("healthcheck").args(["--url", &node.url])).await;
    assert_eq!(well.status.code(), Some(0), "{well:?}");
    assert!(well.stdout.starts_with(b"{\"ok\":true"));
    let by_variable = run(Node::command("healthcheck").env("ROWCAST_URL", format!("{}/", node.url))).await;
    assert_eq!(by_variable.status.code(), Some(0), "{by_variable:?}");
    let nobody = run(Node::command("healthcheck").args(["--url", "http://127.0.0.1:1"])).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8(nobody.stderr).unwrap().starts_with("rowcast: http://127.0.0.1:1 does not answer"));
    let no_address = run(Node::command("healthcheck").args(["--url", "nowhere"])).await;
    assert!(!no_address.status.success() && !no_address.stderr.is_empty());
}

#[tokio::test]
async fn the_document_does_not_depend_on_what_the_environment_says() {
    let plain = run(&mut Node::command("openapi")).await;
    let odd = run(Node::command("openapi").env("PORT", "nonsense").env("DATABASE_URL", "nonsense")).await;
    assert!(plain.status.success() && odd.status.success(), "{odd:?}");
    assert_eq!(plain.stdout, odd.stdout);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_panic() {
    let mut process = Node::command("openapi").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(process.stdout.take());
    let mut said = String::new();
    process.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    assert_ne!(end(&mut process).await.code(), Some(101), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[tokio::test]
async fn a_node_prints_one_line_and_ends_well_when_it_is_told_to() {
    let world = World::new().await;
    let mut command = Node::command("serve");
    command.env("DATABASE_URL", &world.database_url).env("REDIS_URL", &world.redis_url);
    command
        .env("REDIS_PREFIX", &world.prefix)
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        .env("LOG", "trace")
        .env("DRAIN", "50ms");
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = soon("a line", lines.next_line()).await.unwrap().unwrap();
    assert!(line.starts_with("listening on http://127.0.0.1:"), "{line}");
    signal(&process, "TERM");
    assert_eq!(soon("the end", lines.next_line()).await.unwrap(), None);
    assert_eq!(end(&mut process).await.code(), Some(0));
}

fn signal(process: &Child, signal: &str) {
    let id = process.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
}

/// A request that waits in the database until the returned session lets it go.
async fn waiting_request(world: &World, node: &Node) -> (sqlx::PgConnection, tokio::task::JoinHandle<Answer>) {
    let mut locks = world.session().await;
    locks.execute("begin; lock table messages in access exclusive mode").await.unwrap();
    let request = node.http.post(format!("{}/message", node.url)).json(&message("under way"));
    let answer = tokio::spawn(Answer::of(request));
    until("the request waits in the database", async || {
        let waiting = sqlx::query_scalar(
            "select exists (select from pg_locks join pg_database on pg_database.oid = database
                            where datname = current_database() and not granted)",
        );
        waiting.fetch_one(&world.pool).await.unwrap()
    })
    .await;
    (locks, answer)
}

#[tokio::test]
async fn told_to_stop_a_node_says_bye_answers_what_is_under_way_and_ends() {
    for name in ["TERM", "INT"] {
        let world = World::new().await;
        let mut node = world.node_with(&[("DRAIN", "200ms"), ("DATABASE_TIMEOUT", "20s")]).await;
        let mut streams = [node.stream("").await, node.stream("?room=quiet").await, node.stream("").await];
        let (mut locks, answer) = waiting_request(&world, &node).await;
        node.signal(name);
        for stream in &mut streams {
            let bye = stream.next().await;
            assert_eq!((bye.kind().as_str(), bye.id.as_str()), ("bye", "1-0"));
            assert_eq!(soon("the end", stream.try_next()).await, None);
        }
        locks.execute("rollback").await.unwrap();
        assert_eq!(answer.await.unwrap().status, StatusCode::CREATED);
        assert_eq!(end(&mut node.process).await.code(), Some(0));
    }
}

#[tokio::test]
async fn who_was_sent_away_misses_nothing_on_another_node() {
    let world = World::new().await;
    let (one, two) = (world.node_with(&[("DRAIN", "200ms")]).await, world.node().await);
    let mut stream = one.stream("").await;
    one.say(message("before")).await;
    assert_eq!(stream.next().await.content(), "before");
    one.signal("TERM");
    two.say(message("meanwhile")).await;
    let mut seen = Vec::new();
    while let Some(event) = soon("an event or the end", stream.try_next()).await {
        seen.push(event);
    }
    assert_eq!(seen.pop().unwrap().kind(), "bye");
    let mut again = two.open("", Some(&stream.last_event_id)).await;
    assert_eq!(again.next().await.data()["resumed"], true);
    if seen.is_empty() {
        seen.push(again.next().await);
    }
    assert_eq!(seen.iter().map(Event::content).collect::<Vec<_>>(), ["meanwhile"]);
}

/// A node that was told to stop and takes longer over it than any test waits, and its streams; the first one has been
/// sent away.
async fn draining(world: &World) -> (Node, Vec<Events>) {
    let node = world.node_with(&[("DRAIN", "1h")]).await;
    let mut streams = Vec::new();
    // Streams are sent away in as many parts.
    for _ in 0..16 {
        streams.push(node.stream("").await);
    }
    node.signal("TERM");
    assert_eq!(streams[0].next().await.kind(), "bye");
    (node, streams)
}

#[tokio::test]
async fn the_second_signal_ends_a_node_at_once() {
    let world = World::new().await;
    let (mut node, _streams) = draining(&world).await;
    node.signal("TERM");
    assert_eq!(end(&mut node.process).await.code(), Some(130));
}

#[tokio::test]
async fn a_node_that_still_waits_for_its_database_can_be_told_to_stop() {
    let mut command = Node::command("serve");
    command.env("DATABASE_URL", "postgres://127.0.0.1:1/db").env("REDIS_URL", "redis://127.0.0.1:1");
    command.env("HOST", "127.0.0.1").env("PORT", "0").env("DATABASE_WAIT", "1h").env("LOG", "rowcast=info");
    let mut process = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let line = soon("a line of the log", log.next_line()).await.unwrap().unwrap();
    assert!(line.contains("waiting for PostgreSQL"), "{line}");
    signal(&process, "TERM");
    assert!(end(&mut process).await.code().is_some());
}

/// A running `rowcast dev`, and the lines that it prints.
struct Dev {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    database_url: String,
}

impl Dev {
    fn command(dir: &TempDir) -> Command {
        let mut command = Node::command("dev");
        command
            .arg("--dir")
            .arg(dir.path())
            .env("PORT", "0")
            .env("HOST", "127.0.0.1")
            .env("LOG", "warn")
            .env("DRAIN", "50ms");
        // To find the servers' programs.
        command.env("PATH", std::env::var_os("PATH").unwrap()).kill_on_drop(true);
        command
    }

    async fn start(dir: &TempDir) -> Self {
        let mut process = Self::command(dir).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        while said.last().is_none_or(|line: &String| !line.starts_with("Ctrl-C")) {
            said.push(soon("the next line", lines.next_line()).await.unwrap().expect("it starts"));
        }
        let after = |begin: &str| said.iter().find_map(|line| line.strip_prefix(begin)).unwrap().to_owned();
        let (url, database_url) = (after("listening on "), after("  database  psql "));
        assert!(after("  redis     redis-cli -u ").starts_with("redis://"));
        assert_eq!(after("  console   "), after("  docs      ").trim_end_matches("docs"));
        assert!(after("  docs      ").ends_with("/docs") && after("  stream    ").starts_with("curl -N http://"));
        Self { process, lines, url, database_url }
    }

    /// Ctrl-C: it ends well, says nothing more, and its servers are gone.
    async fn stop(mut self) {
        signal(&self.process, "INT");
        assert_eq!(end(&mut self.process).await.code(), Some(0));
        assert_eq!(self.lines.next_line().await.unwrap(), None);
        let address = self.database_url.split(['@', '/']).find(|part| part.starts_with("127.0.0.1:")).unwrap();
        assert!(std::net::TcpStream::connect(address).is_err(), "PostgreSQL is gone");
    }
}

fn directory() -> TempDir {
    // An unprivileged account may enter, lest the data go elsewhere when the tests run as root.
    tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap()
}

#[tokio::test]
async fn dev_starts_everything_stops_everything_and_keeps_the_data() {
    let dir = directory();
    let dev = Dev::start(&dir).await;
    let posted = Answer::of(Client::new().post(format!("{}/message", dev.url)).json(&message("stays"))).await;
    assert_eq!(posted.status, StatusCode::CREATED);
    let docs = Answer::of(Client::new().get(format!("{}/docs", dev.url))).await;
    assert_eq!(docs.status, StatusCode::OK);

    let second = run(&mut Dev::command(&dir)).await;
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!((second.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("rowcast: ") && said.contains("in use by another rowcast"), "{said}");
    let live = Answer::of(Client::new().get(format!("{}/health/live", dev.url))).await;
    assert_eq!(live.status, StatusCode::OK);
    dev.stop().await;

    let dev = Dev::start(&dir).await;
    let page = Answer::of(Client::new().get(format!("{}/message", dev.url))).await;
    assert_eq!(page.body["messages"][0], posted.body);
    dev.stop().await;
}
