//! Transactions that stay open while others commit, are folded and are trimmed: what they wrote is counted when it is
//! there, once.

use sqlx::{AssertSqlSafe, Connection, Executor};

use super::*;
use crate::support::Node;

/// The last 5 changes are kept, and all is folded at once.
const SETTINGS: [(&str, &str); 3] = [("COUNT_EVERY", "5ms"), ("TRIM_EVERY", "5ms"), ("RETENTION_CHANGES", "5")];

/// Messages of others, each in a tick of its own, most of them folded and trimmed when this returns.
async fn others(world: &World, node: &Node, count: usize) {
    let mut stream = node.stream("?room=others").await;
    for n in 0..count {
        node.say(message_in("others", &n.to_string())).await;
        stream.next().await;
    }
    folded(world).await;
    // Two of them may be in one tick, and ticks stay whole.
    let kept = "select t.first_position + t.count - 1 - s.floor_position
        from feed.state s, (select * from feed.tick order by tick desc limit 1) t";
    until("the log is trimmed", async || world.number(kept).await <= 8).await;
}

#[tokio::test]
async fn what_is_committed_late_is_counted_then() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    world.sql(&fill("a", 4)).await;
    folded(&world).await;
    let mut session = world.session().await;
    let mut late = session.begin().await.unwrap();
    late.execute(AssertSqlSafe(format!("{} delete from messages where id <= 3;", fill("late", 7)))).await.unwrap();
    others(&world, &node, 20).await;
    assert_eq!(rooms(&page(&node, "").await), [("a", 4), ("others", 20)]);
    late.commit().await.unwrap();
    assert_eq!(rooms(&page(&node, "").await), [("a", 1), ("late", 7), ("others", 20)]);
    others(&world, &node, 20).await;
    assert_eq!(rooms(&page(&node, "").await), [("a", 1), ("late", 7), ("others", 40)]);
    assert_eq!(world.number("select sum(messages)::bigint from feed.room").await, 48, "and it is folded");
}

#[tokio::test]
async fn what_is_rolled_back_late_was_never_there() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    let mut session = world.session().await;
    let mut late = session.begin().await.unwrap();
    late.execute(AssertSqlSafe(fill("late", 7))).await.unwrap();
    others(&world, &node, 20).await;
    late.rollback().await.unwrap();
    others(&world, &node, 1).await;
    assert_eq!(rooms(&page(&node, "").await), [("others", 21)]);
}

#[tokio::test]
async fn what_was_prepared_is_counted_when_it_is_committed() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    // Its name is one of the whole server.
    let prepare = format!("prepare transaction '{}late'", world.prefix);
    world.sql(&format!("begin; set local feed.notify = off; {} {prepare}", fill("late", 7))).await;
    others(&world, &node, 20).await;
    assert_eq!(rooms(&page(&node, "").await), [("others", 20)]);
    world.sql(&prepare.replace("prepare transaction", "commit prepared")).await;
    for _ in 0..2 {
        assert_eq!(rooms(&page(&node, "").await)[0], ("late", 7));
        others(&world, &node, 20).await;
    }
}

#[tokio::test]
async fn a_truncation_empties_all_rooms_but_not_what_its_own_transaction_adds_after_it() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    for counted in [false, true] {
        world.sql(&[fill("a", 4), fill("b", 4)].concat()).await;
        if counted {
            folded(&world).await;
        }
        // The transaction has its number before others that it truncates.
        let mut session = world.session().await;
        let mut truncating = session.begin().await.unwrap();
        truncating.execute("select pg_current_xact_id()").await.unwrap();
        world.sql(&fill("c", 4)).await;
        let statements = [
            fill("a", 1),
            "truncate messages;".to_owned(),
            fill("a", 2),
            "delete from messages where content = '1';".to_owned(),
        ];
        truncating.execute(AssertSqlSafe(statements.concat())).await.unwrap();
        truncating.commit().await.unwrap();
        assert_eq!(rooms(&page(&node, "").await), [("a", 1)]);
        others(&world, &node, 9).await;
        assert_eq!(rooms(&page(&node, "").await), [("a", 1), ("others", 9)]);
        world.sql("truncate messages").await;
        assert_eq!(rooms(&page(&node, "").await), []);
    }
}
