//! Those on a node that dies without a word are gone in the stated time, and told once on every other node.

use std::time::Instant;

use rowcast::presence::Options;

use super::house::{HASTY, House, joined, left, state};

#[tokio::test]
async fn those_on_a_node_that_dies_without_a_word_are_gone_in_time_and_told_once_on_every_other_node() {
    let house = House::new().await;
    let [one, two, three] = house.nodes(HASTY).await;
    let mut watchers = [two.watch("lobby"), three.watch("lobby")];
    for watcher in &mut watchers {
        watcher.is_told(state(&[])).await;
    }
    let _ann = one.presence.enter("lobby", "ann");
    for watcher in &mut watchers {
        watcher.is_told(joined("ann", 1)).await;
    }
    let _bob = one.presence.enter("lobby", "bob");
    let _there = two.presence.enter("lobby", "bob");
    for watcher in &mut watchers {
        watcher.is_told(joined("bob", 2)).await;
    }
    two.told().await;
    one.die().await;
    let died = Instant::now();
    let ttl = HASTY.ttl;
    for watcher in &mut watchers {
        watcher.is_told(left("ann", 1)).await;
    }
    let took = died.elapsed();
    // What it told last may have been a beat old; and this machine may be busy.
    assert!(took >= ttl / 2 && took < ttl + HASTY.sweep + HASTY.pace + ttl, "{took:?}");
    let _eve = two.presence.enter("lobby", "eve");
    for watcher in &mut watchers {
        watcher.is_told(joined("eve", 2)).await;
        assert_eq!(watcher.names(), ["bob", "eve"]);
    }
}

#[tokio::test]
async fn as_long_as_a_node_lives_nobody_on_it_is_missed() {
    let house = House::new().await;
    let [one, two] = house.nodes(HASTY).await;
    let mut watcher = two.watch("lobby");
    watcher.is_told(state(&[])).await;
    let _ann = one.seen("lobby", "ann", &mut watcher).await;
    // One after the other, each only for a moment: longer in all than anybody is believed of whom nothing is heard.
    let begun = Instant::now();
    while begun.elapsed() < HASTY.ttl * 3 {
        drop(two.seen("lobby", "bob", &mut watcher).await);
        watcher.is_told(left("bob", 1)).await;
    }
}

#[tokio::test]
async fn where_the_last_node_has_died_the_next_one_finds_nobody() {
    let house = House::new().await;
    let one = house.node(Options { ttl: std::time::Duration::from_millis(300), ..HASTY }).await;
    let _ann = one.presence.enter("lobby", "ann");
    one.told().await;
    one.die().await;
    house.forgotten("lobby").await;
    let two = house.node(HASTY).await;
    two.watch("lobby").is_told(state(&[])).await;
    assert!(two.list("lobby").await.is_empty());
}
