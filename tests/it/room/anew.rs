//! Where the log no longer has what the counts lack, that is noticed at once: rooms are counted anew.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Executor, migrate::Migrator};

use super::*;
use crate::support::Log;

/// A node that counts when it begins to lead, and then never more, and never trims.
const IDLE: [(&str, &str); 2] = [("COUNT_EVERY", "1day"), ("TRIM_EVERY", "1day")];

/// What a leader of the version before does, which knows nothing of counts: it trims all but the last tick.
const TRIM: &str = "update feed.state set floor_position = t.first_position + t.count - 1, floor_bytes = t.bytes_after
       from (select * from feed.tick order by tick desc offset 1 limit 1) t;
     delete from feed.log l using feed.tick t, feed.state s,
            lateral feed.changes_of(t.since, t.upto, t.first_id, t.last_id, t.sliced) gone
      where t.first_position + t.count - 1 <= s.floor_position and l.xid = gone.xid and l.id = gone.id;
     delete from feed.tick t using feed.state s where t.first_position + t.count - 1 <= s.floor_position";

/// Messages, each in a tick of its own.
async fn say(node: &Node, room: &str, count: usize) {
    let mut stream = node.stream("").await;
    for n in 0..count {
        node.say(message_in(room, &n.to_string())).await;
        stream.next().await;
    }
}

/// How often all rooms were counted.
fn counts(log: &Log) -> usize {
    log.text().matches("counting the messages of all rooms").count()
}

/// A node whose log tells when all rooms are counted.
async fn logged(world: &World, settings: &[(&str, &str)]) -> (Node, Log) {
    Node::start_logged(world, &[&[("LOG", "info")], settings].concat()).await
}

#[tokio::test]
async fn what_a_leader_of_the_version_before_has_trimmed_is_counted_anew() {
    let world = World::new().await;
    let mut old = world.node_with(&IDLE).await;
    folded(&world).await;
    say(&old, "a", 5).await;
    world.sql(&fill("b", 3)).await;
    assert_eq!(rooms(&page(&old, "").await), [("a", 5), ("b", 3)]);
    assert!(counted(&world).await, "what was not folded is in the log");
    say(&old, "a", 2).await;
    world.sql(TRIM).await;
    assert!(!counted(&world).await && world.number("select count(*) from feed.log").await == 1);
    assert_eq!(rooms(&page(&old, "").await), [("a", 7), ("b", 3)]);
    assert_eq!(
        (rooms(&page(&old, "prefix=b").await), rooms(&page(&old, "cursor=a&limit=1").await)),
        (vec![("b", 3)], vec![("b", 3)])
    );
    old.process.kill().await.unwrap();
    let (node, log) = logged(&world, &[("COUNT_EVERY", "10ms")]).await;
    folded(&world).await;
    say(&node, "c", 2).await;
    folded(&world).await;
    assert_eq!((rooms(&page(&node, "").await), counts(&log)), (vec![("a", 7), ("b", 3), ("c", 2)], 1));
}

#[tokio::test]
async fn what_is_trimmed_was_counted_before() {
    let world = World::new().await;
    let settings = [("RETENTION_CHANGES", "3"), ("TRIM_EVERY", "1ms"), ("COUNT_EVERY", "1day")];
    let (node, log) = logged(&world, &settings).await;
    let floor = "select floor_position from feed.state";
    say(&node, "a", 30).await;
    until("the log is trimmed", async || world.number(floor).await == 27).await;
    // Somebody else counts, and takes long.
    let mut session = world.session().await;
    let mut counting = session.begin().await.unwrap();
    counting.execute("select from feed.counted for update").await.unwrap();
    say(&node, "a", 60).await;
    let position = world.number("select position from feed.counted").await;
    assert!(world.number(floor).await <= position);
    counting.commit().await.unwrap();
    until("the log is trimmed", async || world.number(floor).await == 87).await;
    assert_eq!((rooms(&page(&node, "").await), counts(&log)), (vec![("a", 90)], 1));
}

#[tokio::test]
async fn the_log_is_trimmed_although_rooms_cannot_be_counted() {
    let world = World::new().await;
    let (node, log) =
        logged(&world, &[("RETENTION_CHANGES", "3"), ("TRIM_EVERY", "5ms"), ("COUNT_EVERY", "5ms")]).await;
    say(&node, "a", 10).await;
    folded(&world).await;
    world.sql("alter table feed.room rename to room_away").await;
    say(&node, "a", 10).await;
    until("the log is trimmed", async || world.number("select floor_position from feed.state").await == 17).await;
    log.line(&["WARN", "the log is trimmed, though the rooms could not be counted"]).await;
    world.sql("alter table feed.room_away rename to room").await;
    folded(&world).await;
    assert_eq!((rooms(&page(&node, "").await), counts(&log)), (vec![("a", 20)], 2));
}

#[tokio::test]
async fn a_restored_database_is_counted_anew() {
    let world = World::new().await;
    let mut node = world.node().await;
    say(&node, "a", 5).await;
    folded(&world).await;
    node.process.kill().await.unwrap();
    // As in a dump that was restored elsewhere: transaction ids mean something else.
    world.sql("update feed.tick set upto = '4000000000:4000000000:'; update feed.counted set upto = '4000000000:4000000000:'").await;
    world.sql(&fill("a", 1)).await;
    assert!(!counted(&world).await && wrong(&world.pool).await.is_empty());
    let (node, log) = logged(&world, &[("COUNT_EVERY", "10ms")]).await;
    folded(&world).await;
    say(&node, "b", 2).await;
    folded(&world).await;
    assert_eq!((rooms(&page(&node, "").await), counts(&log)), (vec![("a", 6), ("b", 2)], 1));
}

#[tokio::test]
async fn a_new_generation_is_counted_anew() {
    let world = World::new().await;
    let (node, log) = logged(&world, &[("COUNT_EVERY", "10ms")]).await;
    say(&node, "a", 5).await;
    folded(&world).await;
    // As after the promotion of a standby, which may lack what was counted.
    world.sql("update feed.generation set timeline = 99; update feed.room set messages = 7").await;
    world.sql("select pg_terminate_backend(leader_pid) from feed.state").await;
    until("another generation", async || world.number("select max(generation)::bigint from feed.tick").await == 2)
        .await;
    folded(&world).await;
    assert_eq!((rooms(&page(&node, "").await), counts(&log)), (vec![("a", 5)], 2));
}

#[tokio::test]
async fn rooms_of_messages_that_were_there_before_are_counted() {
    let world = World::new().await;
    let all = Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")).await.unwrap();
    let before = all.migrations.iter().filter(|migration| migration.version < 5).cloned().collect::<Vec<_>>();
    let before = Migrator { migrations: before.into(), ..Migrator::DEFAULT };
    before.run(&world.pool).await.unwrap();
    world
        .sql(&[fill("a", 50), fill("b", 3), "delete from messages where room = 'a' and id <= 10;".to_owned()].concat())
        .await;
    // The migration waits for no writer, and forgets none.
    let mut session = world.session().await;
    let mut writing = session.begin().await.unwrap();
    writing.execute(AssertSqlSafe(fill("c", 4))).await.unwrap();
    let node = world.node_with(&[("COUNT_EVERY", "10ms")]).await;
    assert_eq!(rooms(&page(&node, "").await), [("a", 40), ("b", 3)]);
    folded(&world).await;
    assert_eq!(rooms(&page(&node, "").await), [("a", 40), ("b", 3)]);
    writing.commit().await.unwrap();
    assert_eq!(rooms(&page(&node, "").await), [("a", 40), ("b", 3), ("c", 4)]);
    folded(&world).await;
    assert_eq!(wrong(&world.pool).await, [] as [String; 0]);
}
