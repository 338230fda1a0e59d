//! The log lets go of the past, whole ticks at a time, and says so to who comes too late.

use sqlx::{Connection, Executor};

use crate::support::{Event, Node, World, message, until};

/// The last 20 changes are kept, and trimming is always at work.
const SETTINGS: [(&str, &str); 4] =
    [("RETENTION_CHANGES", "20"), ("TRIM_EVERY", "20ms"), ("TRIM_TICKS", "3"), ("RING_CHANGES", "5")];

/// A node that has seen `count` messages, each in a tick of its own, and has trimmed all it may.
async fn trimmed(settings: &[(&str, &str)], count: usize) -> (World, Node, Vec<Event>) {
    let world = World::new().await;
    let node = world.node_with(settings).await;
    let mut stream = node.stream("").await;
    let mut events = Vec::new();
    for number in 0..count {
        node.say(message(&number.to_string())).await;
        events.push(stream.next().await);
    }
    until("the log is trimmed", async || floor(&world).await == count as i64 - 20 && leftovers(&world).await == (0, 0))
        .await;
    (world, node, events)
}

async fn floor(world: &World) -> i64 {
    sqlx::query_scalar("select floor_position from feed.state").fetch_one(&world.pool).await.unwrap()
}

/// Ticks below the floor, and changes that no tick holds.
async fn leftovers(world: &World) -> (i64, i64) {
    sqlx::query_as(
        "select (select count(*) from feed.tick, feed.state where first_position + count - 1 <= floor_position),
                (select count(*) - (select sum(count) from feed.tick) from feed.log)",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn who_is_above_the_floor_gets_the_same_events_as_before() {
    let (_world, node, events) = trimmed(&SETTINGS, 50).await;
    for after in 30..50 {
        let mut stream = node.open("", Some(&format!("1-{after}"))).await;
        assert_eq!(stream.next().await.data()["resumed"], true);
        assert_eq!(stream.take(50 - after).await, events[after..]);
    }
}

#[tokio::test]
async fn who_is_below_the_floor_is_told_and_goes_on_from_the_head() {
    let (_world, node, _) = trimmed(&SETTINGS, 50).await;
    for late in ["1-0", "1-29"] {
        let mut stream = node.open("", Some(late)).await;
        let connected = stream.next().await;
        assert_eq!((connected.data()["resumed"].as_bool(), connected.id.as_str()), (Some(false), ""));
        let reset = stream.next().await.data();
        assert_eq!([&reset["type"], &reset["reason"], &reset["head"]], ["reset", "expired", "1-50"]);
        assert_eq!(reset["reread"], "/message");
    }
    assert_eq!(node.get("/health").await.body["hub"]["resets"], 2);
}

#[tokio::test]
async fn what_is_old_enough_goes_and_the_last_tick_stays() {
    let settings = [("RETENTION", "1ms"), ("TRIM_EVERY", "20ms")];
    let world = World::new().await;
    let node = world.node_with(&settings).await;
    let mut stream = node.stream("").await;
    for _ in 0..10 {
        node.say(message("old")).await;
        stream.next().await;
    }
    until("all but the last tick is gone", async || floor(&world).await == 9 && leftovers(&world).await == (0, 0))
        .await;
    node.say(message("new")).await;
    assert_eq!(stream.next().await.id, "1-11", "the feed goes on where it was");
}

#[tokio::test]
async fn half_a_tick_is_never_taken_away() {
    let world = World::new().await;
    let mut node = world.node_with(&[("TICK_CHANGES", "10")]).await;
    let mut stream = node.stream("").await;
    world
        .sql(
            "insert into messages (content, sender_id) select n::text, gen_random_uuid() from generate_series(1, 60) n",
        )
        .await;
    let events = stream.take(60).await;
    // Trimming begins once all is told.
    node.process.kill().await.unwrap();
    let node = world.node_with(&[("RETENTION_CHANGES", "25"), ("TRIM_EVERY", "20ms")]).await;
    // 35 changes are too many; three whole ticks have 30 of them.
    until("the log is trimmed", async || floor(&world).await == 30 && leftovers(&world).await == (0, 0)).await;
    let mut back = node.open("?room=lobby", Some("1-30")).await;
    assert_eq!(back.next().await.data()["resumed"], true);
    assert_eq!(back.take(30).await, events[30..]);
}

#[tokio::test]
async fn the_past_is_refused_before_it_is_taken_away() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    let mut stream = node.stream("").await;
    node.say(message("held")).await;
    stream.next().await;
    let mut session = world.session().await;
    let mut holding = session.begin().await.unwrap();
    holding.execute("select * from feed.log for update").await.unwrap();
    for _ in 0..30 {
        node.say(message("more")).await;
        stream.next().await;
    }
    until("the floor is raised", async || floor(&world).await > 0).await;
    assert_eq!(world.number("select count(*) from feed.log").await, 31, "all of it is still there");
    let mut late = node.open("", Some("1-0")).await;
    assert_eq!(late.take(2).await[1].data()["reason"], "expired");
    holding.commit().await.unwrap();
    until("the log is trimmed", async || floor(&world).await == 11 && leftovers(&world).await == (0, 0)).await;
}

#[tokio::test]
async fn a_change_that_was_committed_late_stays_as_long_as_its_neighbours() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    let mut stream = node.stream("").await;
    let mut session = world.session().await;
    let mut late = session.begin().await.unwrap();
    late.execute("insert into messages (content, sender_id) values ('late', gen_random_uuid())").await.unwrap();
    let mut events = Vec::new();
    for number in 0..50 {
        node.say(message(&number.to_string())).await;
        events.push(stream.next().await);
    }
    until("older ones than it are trimmed", async || floor(&world).await == 30 && leftovers(&world).await == (0, 0))
        .await;
    late.commit().await.unwrap();
    events.push(stream.next().await);
    assert_eq!(events[50].content(), "late");
    for number in 0..19 {
        node.say(message(&number.to_string())).await;
        events.push(stream.next().await);
    }
    until("it is the oldest", async || floor(&world).await == 50 && leftovers(&world).await == (0, 0)).await;
    let mut back = node.open("", Some("1-50")).await;
    assert_eq!(back.take(21).await[1..], events[50..]);
    node.say(message("one too many")).await;
    until("it is gone", async || floor(&world).await == 51 && leftovers(&world).await == (0, 0)).await;
    assert_eq!(world.number("select count(*) from feed.log where content = 'late'").await, 0);
}

#[tokio::test]
async fn the_log_is_bounded_in_bytes_and_says_what_it_holds() {
    let world = World::new().await;
    let node = world.node_with(&[("RETENTION_BYTES", "100KiB"), ("TRIM_EVERY", "20ms")]).await;
    let mut stream = node.stream("").await;
    for _ in 0..30 {
        node.say(message(&"x".repeat(10_000))).await;
        stream.next().await;
    }
    // Each takes its content and 200 bytes: eleven of them are more than 100 KiB, ten are less.
    until("the log is trimmed", async || floor(&world).await == 19 && leftovers(&world).await == (0, 0)).await;
    let log = node.get("/health").await.body["log"].clone();
    assert_eq!([&log["floor"], &log["changes"], &log["bytes"]], [19, 11, 11 * 10_200]);
    assert!(log["oldest_seconds"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn content_that_is_not_in_the_log_takes_no_bytes_of_it() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    node.say(message(&"x".repeat(300_000))).await;
    assert_eq!(stream.next().await.content().len(), 300_000);
    assert_eq!(node.get("/health").await.body["log"]["bytes"], 200);
    drop(world);
}
