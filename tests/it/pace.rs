//! Crowds are let in, and brought to the head, at a pace: those who are there must not wait for them. A pace can only
//! be kept or broken by going too fast, so a slow machine fails none of this.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{Node, World, message};

#[tokio::test]
async fn who_comes_back_is_brought_to_the_head_at_a_pace_and_nobody_waits_for_it() {
    let world = World::new().await;
    let node = world.node_with(&[("RESUME_RATE", "256KiB"), ("WRITE_BYTES", "16KiB")]).await;
    let mut live = node.stream("").await;
    world
        .sql("insert into messages (content, sender_id) select repeat('x', 500), gen_random_uuid() from generate_series(1, 1000)")
        .await;
    let events = live.take(1000).await;
    let bytes: usize = events.iter().map(|event| event.text.len()).sum();

    let begun = Instant::now();
    let mut back = node.open("", Some("1-0")).await;
    assert_eq!(back.next().await.data()["resumed"], true);
    node.say(message("now")).await;
    assert_eq!(live.next().await.content(), "now");
    assert!(back.take(1000).await == events);
    // The first write is free, the last one is not waited for.
    let least = (bytes - 2 * (16 << 10)) as f64 / f64::from(256 << 10);
    assert!(begun.elapsed().as_secs_f64() > least, "{:?}, not {least} s", begun.elapsed());
    assert_eq!(back.next().await.content(), "now");
    node.say(message("then")).await;
    assert_eq!(back.next().await.content(), "then", "it is at the head now, and no longer held back");
}

#[tokio::test]
async fn who_lacks_little_has_it_at_once() {
    let world = World::new().await;
    // So slow that a second write would take an hour.
    let node = world.node_with(&[("RESUME_RATE", "1B")]).await;
    for number in 0..3 {
        node.say(message(&number.to_string())).await;
    }
    let mut back = node.open("", Some("1-0")).await;
    assert_eq!(back.take(4).await[3].content(), "2");
}

#[tokio::test]
async fn connections_are_let_in_at_a_pace() {
    let world = World::new().await;
    let node = world.node_with(&[("ACCEPT_RATE", "20")]).await;
    let begun = Instant::now();
    for _ in 0..20 {
        // A client of its own connects anew.
        let once = reqwest::get(format!("{}/health/live", node.url)).await.unwrap();
        assert_eq!(once.status(), 200);
    }
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
    drop::<Node>(node);
}
