//! Writers ring for a relay that sleeps, and only then: a bell in every transaction would let one commit at a time.

use sqlx::{Connection, Executor, postgres::PgListener};

use crate::support::{Node, World, message, soon, until};

/// One transaction for each kind of change; four changes.
const CHANGES: [&str; 4] = [
    "insert into messages (content, sender_id) values ('written', gen_random_uuid())",
    "update messages set content = 'changed' where content = 'written'",
    "delete from messages where content = 'changed'",
    "truncate messages",
];

/// What writers look at: 1 while the relay is awake.
async fn flag(world: &World) -> i64 {
    world.number("select last_value::bigint from feed.awake").await
}

/// Hears the bell beside the relay.
async fn bell(world: &World) -> PgListener {
    let mut bell = PgListener::connect(&world.database_url).await.unwrap();
    bell.listen("feed_wake").await.unwrap();
    bell
}

/// Whether nobody has rung since `bell` was heard last: rings come in order, and the test's own is the first.
async fn is_silent(world: &World, bell: &mut PgListener) -> bool {
    world.sql("notify feed_wake, 'by the test'").await;
    soon("the test's ring", bell.recv()).await.unwrap().payload() == "by the test"
}

/// Stops the node at a moment when its relay sleeps, so that it sleeps on.
async fn stop_asleep(world: &World, node: &Node) {
    let working = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'rowcast relay' and state <> 'idle'";
    until("the relay sleeps", async || {
        node.signal("STOP");
        let asleep = world.number(working).await == 0 && flag(world).await == 0;
        if !asleep {
            node.signal("CONT");
        }
        asleep
    })
    .await;
}

#[tokio::test]
async fn a_writer_rings_while_the_relay_sleeps() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    node.say(message("the relay has been awake")).await;
    stream.next().await;
    let mut bell = bell(&world).await;
    stop_asleep(&world, &node).await;
    for change in CHANGES {
        world.sql(change).await;
        assert_eq!(soon("a ring", bell.recv()).await.unwrap().payload(), "", "nothing of a row travels in a ring");
    }
    node.signal("CONT");
    stream.take(CHANGES.len()).await;
}

#[tokio::test]
async fn a_writer_does_not_ring_while_the_relay_is_awake() {
    let world = World::new().await;
    let node = world.node_with(&[("RELAY_LINGER", "1h")]).await;
    let mut stream = node.stream("").await;
    until("the relay is awake", async || flag(&world).await == 1).await;
    let mut bell = bell(&world).await;
    for change in CHANGES {
        world.sql(change).await;
    }
    stream.take(CHANGES.len()).await;
    assert!(is_silent(&world, &mut bell).await);
}

#[tokio::test]
async fn a_statement_that_changes_nothing_rings_for_nobody() {
    let world = World::migrated().await;
    let mut bell = bell(&world).await;
    assert_eq!(flag(&world).await, 0);
    world
        .sql("update messages set content = 'x'; delete from messages; insert into messages select * from messages")
        .await;
    assert!(is_silent(&world, &mut bell).await);
}

#[tokio::test]
async fn the_relay_does_not_sleep_while_a_writer_may_have_seen_it_awake() {
    let world = World::new().await;
    let node = world.node_with(&[("RELAY_LINGER", "500ms")]).await;
    let mut stream = node.stream("").await;
    let mut writer = world.session().await;
    world.sql(CHANGES[0]).await;
    stream.next().await;
    let mut open = writer.begin().await.unwrap();
    open.execute(CHANGES[0]).await.unwrap();
    assert_eq!(flag(&world).await, 1, "the writer has seen it awake");
    // Two signs of life, a second apart, are longer than it lingers.
    let seen = "select extract(epoch from leader_seen)::bigint from feed.state";
    let begun = world.number(seen).await;
    until("the relay would sleep now", async || world.number(seen).await > begun + 2).await;
    // It goes down for a moment, to look, and gets up again.
    until("it is awake", async || flag(&world).await == 1).await;
    open.commit().await.unwrap();
    assert_eq!(stream.next().await.content(), "written");
}

#[tokio::test]
async fn what_nobody_has_rung_for_is_found_all_the_same() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    let mut bell = bell(&world).await;
    stop_asleep(&world, &node).await;
    world.sql(&format!("set feed.notify = 'off'; {}", CHANGES[0])).await;
    assert!(is_silent(&world, &mut bell).await);
    node.signal("CONT");
    assert_eq!(stream.next().await.content(), "written");
}

#[tokio::test]
async fn only_the_leader_listens_to_the_bell() {
    let (world, _one) = World::with_node().await;
    let _two = world.node().await;
    let listening = "select count(*) from pg_stat_activity
        where datname = current_database() and query ilike 'listen%feed_wake%'";
    until("the leader listens", async || world.number(listening).await > 0).await;
    until("the relay sleeps", async || flag(&world).await == 0).await;
    assert_eq!(world.number(listening).await, 1);
}
