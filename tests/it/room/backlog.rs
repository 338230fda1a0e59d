//! What was not folded yet, however much it is, is summed for who asks; and neither asking nor folding is in anybody's
//! way.

use sqlx::{AssertSqlSafe, Connection, Executor};

use super::*;

/// Changes that nobody has folded.
const CHANGES: usize = 200_000;

#[tokio::test]
async fn a_large_backlog_is_summed_at_once_and_folded_in_one_go() {
    let world = World::migrated().await;
    let node = world.node_with(&[("COUNT_EVERY", "1day"), ("TRIM_EVERY", "1day")]).await;
    folded(&world).await;
    // All but the last statement in transactions of their own, over many ticks.
    for _ in 0..10 {
        world.sql(&fill("small", 100)).await;
    }
    world.sql(&fill("large", CHANGES)).await;
    world.sql("delete from messages where room = 'large' and id % 2 = 0").await;
    let told = [("large", CHANGES as i64 / 2), ("small", 1000)];
    assert_eq!(rooms(&page(&node, "").await), told);
    assert_eq!(world.number("select count(*) from feed.room").await, 0, "nothing was folded yet");
    let positions = "select first_position + count - 1 from feed.tick order by tick desc limit 1";
    let all = (CHANGES + CHANGES / 2 + 1000) as i64;
    until("all has its position", async || world.number(positions).await == all).await;
    drop(node);
    let node = world.node_with(&[("COUNT_EVERY", "10ms")]).await;
    until("it is folded", async || world.number("select count(*) from feed.room").await == 2).await;
    assert_eq!(rooms(&page(&node, "").await), told);
    folded(&world).await;
}

#[tokio::test]
async fn neither_writers_nor_readers_wait_for_who_counts() {
    let (world, node) = World::with_node().await;
    node.say(message_in("a", "before")).await;
    folded(&world).await;
    // Somebody folds, and takes very long.
    let mut session = world.session().await;
    let mut counting = session.begin().await.unwrap();
    counting.execute("select from feed.counted for update").await.unwrap();
    counting.execute("update feed.counted set upto = upto; update feed.room set messages = 99").await.unwrap();
    for n in 0..10 {
        node.say(message_in("a", &n.to_string())).await;
    }
    assert_eq!(rooms(&page(&node, "").await), [("a", 11)]);
    counting.rollback().await.unwrap();
    // A writer touches the table of the counts as little as it waits for it.
    let mut counting = session.begin().await.unwrap();
    counting.execute("lock table feed.room, feed.counted in access exclusive mode").await.unwrap();
    for n in 0..10 {
        node.say(message_in("a", &n.to_string())).await;
    }
    world
        .sql("delete from messages where id < 5; update messages set room = 'b' where id < 8; truncate messages")
        .await;
    counting.rollback().await.unwrap();
    assert_eq!(rooms(&page(&node, "").await), []);
}

#[tokio::test]
async fn who_counts_waits_for_no_writer() {
    let world = World::new().await;
    let node = world.node_with(&[("COUNT_EVERY", "10ms"), ("TRIM_EVERY", "1day")]).await;
    let mut session = world.session().await;
    let mut writing = session.begin().await.unwrap();
    writing.execute(AssertSqlSafe(fill("slow", 3))).await.unwrap();
    node.say(message_in("a", "x")).await;
    folded(&world).await;
    // A lock on the table of messages, which all writers wait for, does not concern it.
    writing.execute("lock table messages in share row exclusive mode").await.unwrap();
    writing.execute(AssertSqlSafe(fill("slow", 3))).await.unwrap();
    assert_eq!(rooms(&page(&node, "").await), [("a", 1)]);
    writing.commit().await.unwrap();
    folded(&world).await;
    assert_eq!(rooms(&page(&node, "").await), [("a", 1), ("slow", 6)]);
}
