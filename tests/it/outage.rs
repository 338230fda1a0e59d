//! PostgreSQL goes away under a running node: requests are told so in time, streams are not broken, and it heals.

use std::{fs, fs::Permissions, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use reqwest::{Method, StatusCode};
use rowcast::dev::{Options, Services};
use serde_json::json;
use sqlx::Executor;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    problems::assert_problem,
    support::{Answer, Events, Figures, Node, World, message, soon, until},
};

/// A request may wait a second for the database, and then has its answer.
const SETTINGS: [(&str, &str); 1] = [("DATABASE_TIMEOUT", "1s")];

/// Much longer than a request may wait, much shorter than for ever.
const IN_TIME: Duration = Duration::from_secs(8);

/// A world whose PostgreSQL is nobody else's.
struct Own {
    world: World,
    services: Services,
    dir: TempDir,
}

impl Own {
    async fn new() -> Self {
        // An unprivileged account may enter, lest the data go elsewhere when the tests run as root.
        let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let services = start(dir.path()).await;
        let mut world = World::new().await;
        world.database_url = services.database_url().to_owned();
        world.pool = sqlx::PgPool::connect_lazy(&world.database_url).unwrap();
        Self { world, services, dir }
    }

    /// Lets the database server hang until the returned value is dropped.
    async fn hang(&self) -> Hanging {
        let mut session = self.world.session().await;
        let file = fs::read_to_string(self.dir.path().join("postgres/data/postmaster.pid")).unwrap();
        let postmaster = file.lines().next().unwrap().to_owned();
        // First the one that accepts connections: after that no process is added.
        let mut hanging = Hanging(vec![postmaster]);
        hanging.signal("STOP");
        let processes = sqlx::query_scalar("select pid::text from pg_stat_activity").fetch_all(&mut session);
        hanging.0.extend(processes.await.unwrap());
        hanging.signal("STOP");
        hanging
    }
}

/// The processes of a server that hangs. It could not be stopped at the end of a test that fails, so it goes on then.
struct Hanging(Vec<String>);

impl Hanging {
    fn signal(&self, signal: &str) {
        assert!(std::process::Command::new("kill").args(["-s", signal]).args(&self.0).status().unwrap().success());
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

async fn start(dir: &Path) -> Services {
    let options = Options { postgres_settings: vec![("fsync".into(), "off".into())], ..Options::default() };
    Services::start_with(dir, options).await.unwrap()
}

/// Every call on messages and rooms is refused for now.
async fn assert_unavailable(node: &Node) {
    let calls = [
        (Method::POST, "/message", Some(message("lost"))),
        (Method::GET, "/message", None),
        (Method::GET, "/message/1", None),
        (Method::PATCH, "/message/1", Some(json!({ "content": "lost" }))),
        (Method::DELETE, "/message/1", None),
        (Method::GET, "/room", None),
    ];
    for (method, path, body) in calls {
        let asked = Instant::now();
        let answer = node.send(method.clone(), path, body.as_ref()).await;
        assert_problem(&format!("{method} {path}"), &answer, 503, "");
        assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        assert!(asked.elapsed() < IN_TIME, "{method} {path} took {:?}", asked.elapsed());
    }
}

/// The node is alive and says that it may take no traffic, and why.
async fn assert_not_ready(node: &Node) {
    assert_eq!(node.get("/health/live").await.status, StatusCode::OK);
    let ready = node.get("/health/ready").await;
    assert_eq!((ready.status, &ready.body["ok"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    assert!(ready.body["reasons"].to_string().contains("postgres"), "{}", ready.body);
    let mut check = Node::command("healthcheck");
    let checked = soon("a verdict", check.args(["--url", &node.url]).output()).await.unwrap();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let report = node.get("/health").await;
    assert_eq!((report.status, &report.body["postgres"]["ok"]), (StatusCode::OK, &json!(false)));
}

/// A stream that was open all the time, one that is opened now and one that resumes: none is answered with an error.
async fn assert_streams_are_kept(node: &Node) {
    assert_eq!(node.stream("").await.last_event_id, "1-1");
    let mut resumed = node.open("", Some("1-0")).await;
    // The ring has what it asks for. Where only the log had it, the stream would end at once, with a `retry:`.
    if let Some(event) = soon("an event or the end", resumed.try_next()).await {
        assert_eq!(event.kind(), "connected");
    }
    assert!(resumed.retry.is_some());
}

async fn assert_well_again(node: &Node, stream: &mut Events) {
    until("the node is ready again", async || node.get("/health/ready").await.status == StatusCode::OK).await;
    until("a message is taken again", async || {
        node.post("/message", &message("again")).await.status == StatusCode::CREATED
    })
    .await;
    assert_eq!(stream.next().await.content(), "again");
    assert_eq!(node.get("/message?limit=1").await.body["messages"][0]["content"], "again");
}

#[tokio::test]
async fn without_postgres_requests_are_told_to_come_back_and_then_all_works() {
    let Own { world, services, dir } = Own::new().await;
    let node = world.node_with(&SETTINGS).await;
    let mut stream = node.stream("").await;
    node.say(message("before")).await;
    assert_eq!(stream.next().await.content(), "before");

    services.stop().await;
    assert_unavailable(&node).await;
    assert_not_ready(&node).await;
    assert_streams_are_kept(&node).await;

    let services = start(dir.path()).await;
    assert_eq!(services.database_url(), world.database_url);
    assert_well_again(&node, &mut stream).await;
    services.stop().await;
}

#[tokio::test]
async fn a_postgres_that_hangs_is_as_good_as_gone() {
    let own = Own::new().await;
    let node = own.world.node_with(&SETTINGS).await;
    let mut stream = node.stream("").await;
    node.say(message("before")).await;
    assert_eq!(stream.next().await.content(), "before");

    let hanging = own.hang().await;
    assert_unavailable(&node).await;
    assert_not_ready(&node).await;
    assert_streams_are_kept(&node).await;

    drop(hanging);
    assert_well_again(&node, &mut stream).await;
    own.services.stop().await;
}

#[tokio::test]
async fn while_postgres_hangs_the_metrics_tell_what_is_known_and_in_time() {
    let own = Own::new().await;
    let node = own.world.node_with(&SETTINGS).await;
    let mut stream = node.stream("").await;
    node.say(message("before")).await;
    assert_eq!(stream.next().await.content(), "before");
    assert_eq!(Figures::of(&node).await.one("rowcast_log_changes"), 1.0);

    let hanging = own.hang().await;
    for _ in 0..3 {
        let asked = Instant::now();
        let figures = Figures::of(&node).await;
        // A second for PostgreSQL, and some for a busy machine.
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        assert_eq!((figures.one("rowcast_ready"), figures.one("rowcast_streams")), (0.0, 1.0));
        assert_eq!(figures.get("rowcast_stale", &[("stage", "postgres")]), Some(1.0));
        assert_eq!((figures.one("rowcast_ring_changes"), figures.get("rowcast_log_changes", &[])), (1.0, None));
    }
    drop(hanging);
    own.services.stop().await;
}

#[tokio::test]
async fn a_request_under_way_when_postgres_hangs_is_answered_in_time() {
    let own = Own::new().await;
    let node = own.world.node_with(&[("DATABASE_TIMEOUT", "3s")]).await;
    let mut locks = own.world.session().await;
    locks.execute("begin; lock table messages in access exclusive mode").await.unwrap();
    let request = node.http.post(format!("{}/message", node.url)).json(&message("waits"));
    let answer = tokio::spawn(Answer::of(request));
    until("the request waits in the database", async || {
        let waiting = sqlx::query_scalar("select exists (select from pg_locks where not granted)");
        waiting.fetch_one(&own.world.pool).await.unwrap()
    })
    .await;

    let hanging = own.hang().await;
    let answer = tokio::time::timeout(IN_TIME, answer).await.expect("an answer in time").unwrap();
    assert_problem("a request under way", &answer, 503, "");
    drop(hanging);
    own.services.stop().await;
}
