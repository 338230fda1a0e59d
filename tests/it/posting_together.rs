//! Messages that are posted at the same time are written together, and nobody notices: each has its own answer, and
//! only the guilty one its error.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tokio::task::JoinSet;

use crate::{
    problems::assert_problem,
    support::{Answer, Event, Node, World, message, soon, until},
};

/// One writer, so that all but the first wait for it; and a test may take its time.
const ONE_WRITER: [(&str, &str); 2] = [("POST_WRITERS", "1"), ("DATABASE_TIMEOUT", "25s")];

async fn node(world: &World, settings: &[(&str, &str)]) -> Node {
    world.node_with(&[&ONE_WRITER, settings].concat()).await
}

/// Posts under way: what was posted, and its answer.
type Posts = JoinSet<(String, Answer)>;

/// Posts each of these at the same time.
fn post(posts: &mut Posts, node: &Node, contents: &[String]) {
    for content in contents.iter().cloned() {
        let request = node.http.post(format!("{}/message", node.url)).json(&message(&content));
        posts.spawn(async { (content, Answer::of(request).await) });
    }
}

/// Waits until one is told that too many wait; what it had posted. All others are inside the node then.
async fn one_too_many(posts: &mut Posts) -> String {
    let (content, answer) = soon("a post too many", posts.join_next()).await.unwrap().unwrap();
    assert_problem("a post too many", &answer, 503, "");
    assert_eq!(answer.headers["retry-after"], "1");
    content
}

/// Locks the table, after it has done something else.
async fn lock(world: &World, before: &str) -> PgConnection {
    let mut session = world.session().await;
    let lock = format!("begin; {before}; savepoint here; lock table messages in access exclusive mode");
    session.execute(AssertSqlSafe(lock)).await.unwrap();
    session
}

/// Posts that are inside a node and not answered, since somebody has locked the table.
struct Held {
    lock: PgConnection,
    posts: Posts,
    /// What the one had posted that the node took no more.
    refused: String,
}

impl Held {
    /// Posts these to a node with one writer, which lets all but one of them wait: the first is under way, and the
    /// others have gathered.
    async fn new(world: &World, node: &Node, contents: &[String], before: &str) -> Self {
        let (lock, mut posts) = (lock(world, before).await, Posts::new());
        post(&mut posts, node, &contents[..1]);
        until("the first waits in the database", async || !waiting(world).await.is_empty()).await;
        post(&mut posts, node, &contents[1..]);
        let refused = one_too_many(&mut posts).await;
        Self { lock, posts, refused }
    }

    /// Lets go of the table, but not of what was done before.
    async fn unlock(&mut self) {
        self.lock.execute("rollback to savepoint here").await.unwrap();
    }

    /// The answers, when all are there.
    async fn answers(&mut self) -> Vec<(String, Answer)> {
        soon("all answers", std::mem::take(&mut self.posts).join_all()).await
    }

    /// The answers, when whoever holds the lock has committed.
    async fn released(mut self) -> Vec<(String, Answer)> {
        self.unlock().await;
        self.lock.execute("commit").await.unwrap();
        self.answers().await
    }
}

fn contents(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("message {number}")).collect()
}

/// Each message was taken, has its own answer, and is in the table as it was posted; no other is there.
async fn assert_taken(world: &World, answers: &[(String, Answer)]) {
    let mut expected = BTreeSet::new();
    for (content, answer) in answers {
        assert_eq!(answer.status, StatusCode::CREATED, "{content}: {}", answer.body);
        assert_eq!(answer.body["content"], **content);
        assert_eq!(answer.headers["location"], *format!("/message/{}", answer.body["id"]));
        expected.insert((answer.body["id"].as_i64().unwrap(), content.clone()));
    }
    let rows: Vec<(i64, String)> =
        sqlx::query_as("select id, content from messages").fetch_all(&world.pool).await.unwrap();
    assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// How many transactions have written the messages.
async fn transactions(world: &World) -> i64 {
    world.number("select count(distinct xmin::text) from messages").await
}

/// The most messages that one transaction has written.
async fn largest(world: &World) -> i64 {
    world.number("select max(count) from (select count(*) from messages group by xmin::text) transactions").await
}

/// The sessions that wait to write into the table: whoever counts the rooms only reads it, and may wait too.
async fn waiting(world: &World) -> Vec<i32> {
    let waiting = sqlx::query_scalar(
        "select pid from pg_locks join pg_database on pg_database.oid = database
          where datname = current_database() and not granted and mode = 'RowExclusiveLock'",
    );
    waiting.fetch_all(&world.pool).await.unwrap()
}

#[tokio::test]
async fn posts_that_come_together_are_one_transaction_and_each_has_its_own_answer() {
    let world = World::new().await;
    let node = node(&world, &[("POST_WAITING", "60")]).await;
    let mut stream = node.stream("").await;
    let held = Held::new(&world, &node, &contents(61), "").await;
    let answers = held.released().await;
    assert_eq!(answers.len(), 60);
    assert_taken(&world, &answers).await;
    // The first, and all others.
    assert_eq!(transactions(&world).await, 2);
    let told: Vec<String> = stream.take(60).await.iter().map(Event::content).collect();
    let mut rows = answers;
    rows.sort_by_key(|(_, answer)| answer.body["id"].as_i64());
    assert_eq!(told, rows.into_iter().map(|(content, _)| content).collect::<Vec<_>>(), "in the order of their ids");
}

#[tokio::test]
async fn a_group_has_so_many_posts_and_no_more() {
    let world = World::new().await;
    let node = node(&world, &[("POST_WAITING", "40"), ("POST_GROUP", "7")]).await;
    let answers = Held::new(&world, &node, &contents(41), "").await.released().await;
    assert_taken(&world, &answers).await;
    assert_eq!(largest(&world).await, 7);
}

#[tokio::test]
async fn a_group_has_so_many_bytes_and_no_more() {
    let world = World::new().await;
    let node = node(&world, &[("POST_WAITING", "20"), ("POST_GROUP_BYTES", "7KiB")]).await;
    let large: Vec<String> = (10..31).map(|number| number.to_string().repeat(1000)).collect();
    let answers = Held::new(&world, &node, &large, "").await.released().await;
    assert_taken(&world, &answers).await;
    assert_eq!(largest(&world).await, 2);
}

#[tokio::test]
async fn so_many_groups_are_written_at_the_same_time_and_no_more() {
    let world = World::new().await;
    let node = node(&world, &[("POST_WAITING", "33"), ("POST_WRITERS", "3")]).await;
    let (lock, mut posts) = (lock(&world, "").await, Posts::new());
    for number in 1..=3 {
        post(&mut posts, &node, &[format!("first {number}")]);
        until("one more is at work", async || waiting(&world).await.len() == number).await;
    }
    post(&mut posts, &node, &contents(31));
    let refused = one_too_many(&mut posts).await;
    assert_eq!(waiting(&world).await.len(), 3);
    let answers = Held { lock, posts, refused }.released().await;
    assert_taken(&world, &answers).await;
    // The first three, and all others.
    assert_eq!(transactions(&world).await, 4);
}

#[tokio::test]
async fn so_many_bytes_wait_and_no_more() {
    let world = World::new().await;
    let node = node(&world, &[("POST_WAITING_BYTES", "64KiB")]).await;
    let large: Vec<String> = (0..7).map(|number| number.to_string().repeat(10_000)).collect();
    let answers = Held::new(&world, &node, &large, "").await.released().await;
    assert_taken(&world, &answers).await;
    // What is larger than that by itself is not refused for it.
    node.say(message(&"x".repeat(100_000))).await;
}

#[tokio::test]
async fn a_post_that_comes_alone_is_a_transaction_of_its_own() {
    let (world, node) = World::with_node().await;
    for content in contents(5) {
        node.say(message(&content)).await;
    }
    assert_eq!(transactions(&world).await, 5);
}

/// Tries a group that has messages which `refusal` refuses: they get this status, all others are taken.
async fn assert_only_the_guilty_fail(refusal: &str, status: StatusCode) {
    let world = World::migrated().await;
    // A sequence counts what was rolled back too.
    world
        .sql(&format!(
            "create sequence tries;
             create function refuse() returns trigger language plpgsql as $$
             begin
                 perform nextval('tries');
                 {refusal}
                 return new;
             end $$;
             create trigger refuse before insert on messages for each row execute function refuse()"
        ))
        .await;
    let node = node(&world, &[("POST_WAITING", "20")]).await;
    let mut posted = contents(18);
    // Of the two one may be the post too many.
    posted.extend(["bad".to_owned(), "bad".to_owned()]);
    posted.push("the last".to_owned());
    let answers = Held::new(&world, &node, &posted, "").await.released().await;
    let (bad, good): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(content, _)| content == "bad");
    assert_taken(&world, &good).await;
    assert!(!bad.is_empty() && bad.iter().all(|(_, answer)| answer.status == status), "{bad:?}");
    let tries = world.number("select last_value from tries").await;
    assert!(tries > 20, "they were tried together first: {tries}");
}

#[tokio::test]
async fn a_row_that_breaks_a_rule_is_refused_and_no_other() {
    let rule = "if new.content = 'bad' then raise check_violation; end if;";
    assert_only_the_guilty_fail(rule, StatusCode::UNPROCESSABLE_ENTITY).await;
}

#[tokio::test]
async fn a_row_that_a_trigger_fails_for_is_a_failure_and_no_other() {
    let rule = "if new.content = 'bad' then raise 'no'; end if;";
    assert_only_the_guilty_fail(rule, StatusCode::INTERNAL_SERVER_ERROR).await;
}

#[tokio::test]
async fn a_row_that_a_trigger_drops_is_a_failure_and_no_other() {
    let world = World::migrated().await;
    world
        .sql(
            "create function dropped() returns trigger language plpgsql as 'begin return null; end';
             create trigger dropped before insert on messages for each row when (new.content like '%1%')
                 execute function dropped()",
        )
        .await;
    let node = node(&world, &[("POST_WAITING", "40")]).await;
    let answers = Held::new(&world, &node, &contents(41), "").await.released().await;
    let (dropped, kept): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(content, _)| content.contains('1'));
    assert_taken(&world, &kept).await;
    assert!(dropped.iter().all(|(_, answer)| answer.status == StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(transactions(&world).await, 2, "what was written was not tried again");
}

#[tokio::test]
async fn ids_that_others_have_chosen_are_nobodys_trouble_in_a_group_either() {
    let world = World::migrated().await;
    let node = node(&world, &[("POST_WAITING", "30"), ("POST_WRITERS", "3")]).await;
    let chosen = "insert into messages (id, content, sender_id)
                  select n, 'x', gen_random_uuid() from generate_series(1, 50) n";
    let answers = Held::new(&world, &node, &contents(31), chosen).await.released().await;
    world.sql("delete from messages where id <= 50").await;
    assert_taken(&world, &answers).await;
}

#[tokio::test]
async fn who_waits_for_a_lock_waits_alone() {
    let world = World::migrated().await;
    world.sql("create unique index on messages (content)").await;
    let node = node(&world, &[("POST_WAITING", "20"), ("POST_PATIENCE", "50ms")]).await;
    let mut posted = contents(18);
    posted.extend(["taken".to_owned(), "taken".to_owned()]);
    posted.push("the last".to_owned());
    let taken = "insert into messages (content, sender_id) values ('taken', gen_random_uuid())";
    let mut held = Held::new(&world, &node, &posted, taken).await;
    held.unlock().await;
    // Whoever has inserted `taken` has neither committed nor rolled back.
    let others = posted.iter().filter(|content| **content != "taken" && **content != held.refused).count();
    let mut answers = Vec::new();
    while answers.len() < others {
        answers.push(soon("the others are answered", held.posts.join_next()).await.unwrap().unwrap());
    }
    assert_taken(&world, &answers).await;
    node.say(message("the writer is free")).await;
    held.lock.execute("commit").await.unwrap();
    for (content, answer) in held.answers().await {
        assert_eq!(content, "taken");
        assert_problem("a content that is taken", &answer, 422, "body");
    }
}

#[tokio::test]
async fn posts_whose_transaction_is_killed_are_told_so_and_not_written_twice() {
    let world = World::new().await;
    let node = node(&world, &[("POST_WAITING", "20")]).await;
    let mut held = Held::new(&world, &node, &contents(21), "").await;
    let mut killed = Vec::new();
    // The first one, and all others.
    for _ in 0..2 {
        until("a group waits for the table", async || waiting(&world).await.iter().any(|pid| !killed.contains(pid)))
            .await;
        killed = waiting(&world).await;
        assert_eq!(killed.len(), 1);
        world.sql(&format!("select pg_terminate_backend({})", killed[0])).await;
    }
    // Nobody is tried again, or it would wait for the lock still.
    let answers = held.answers().await;
    assert_eq!(answers.len(), 20);
    for (content, answer) in answers {
        assert_problem(&content, &answer, 503, "");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    held.released().await;
    node.say(message("again")).await;
    assert_eq!(world.number("select count(*) from messages").await, 1);
}

#[tokio::test]
async fn who_goes_away_takes_nothing_from_the_others() {
    let world = World::new().await;
    let node = node(&world, &[("POST_WAITING", "40")]).await;
    let (mut lock, mut gone, mut stayed) = (lock(&world, "").await, Posts::new(), Posts::new());
    // Also the first one, whose transaction is under way.
    post(&mut gone, &node, &vec!["gone".to_owned(); 20]);
    until("the first waits in the database", async || !waiting(&world).await.is_empty()).await;
    post(&mut stayed, &node, &contents(20));
    gone.shutdown().await;
    lock.execute("commit").await.unwrap();
    let answers = soon("all answers", stayed.join_all()).await;
    world.sql("delete from messages where content = 'gone'").await;
    assert_taken(&world, &answers).await;
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_writes_what_has_gathered() {
    let world = World::new().await;
    let mut node = node(&world, &[("POST_WAITING", "20"), ("DRAIN", "50ms")]).await;
    let mut stream = node.stream("").await;
    let held = Held::new(&world, &node, &contents(21), "").await;
    node.signal("TERM");
    assert_eq!(stream.next().await.kind(), "bye");
    let answers = held.released().await;
    assert_eq!(answers.len(), 20);
    assert_taken(&world, &answers).await;
    assert!(soon("the end", node.process.wait()).await.unwrap().success());
}
