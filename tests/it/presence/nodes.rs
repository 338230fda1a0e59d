//! Several nodes: who is on one is there on all, and goes with it only if it is not somewhere else in time.

use std::time::Duration;

use tokio::time::Instant;

use super::{QUICK, Reader, being, until_there, watching};
use crate::support::{World, soon};

#[tokio::test]
async fn who_is_on_another_node_is_there() {
    let world = World::new().await;
    let (here, there) = (world.node_with(&QUICK).await, world.node_with(&QUICK).await);
    let mut other = Reader::open(&here, &being(1, &["a"])).await;
    other.until("a", &[1]).await;
    let mut far = Reader::open(&there, &being(2, &["a"])).await;
    assert_eq!(other.next().await, "a +2");
    far.until("a", &[1, 2]).await;
    // A user with a connection on each is one user.
    let second = there.stream(&being(1, &["a"])).await;
    until_there(&here, "a", &[(1, 2), (2, 1)]).await;
    until_there(&there, "a", &[(1, 2), (2, 1)]).await;
    drop(second);
    until_there(&there, "a", &[(1, 1), (2, 1)]).await;
    drop(far);
    assert_eq!(other.next().await, "a -2");
}

#[tokio::test]
async fn the_users_of_a_killed_node_leave_in_time_and_each_is_told_once_on_every_other() {
    let world = World::new().await;
    let nodes = [world.node_with(&QUICK).await, world.node_with(&QUICK).await];
    let mut killed = world.node_with(&QUICK).await;
    let mut others = [
        Reader::open(&nodes[0], &being(9, &["a"])).await,
        Reader::open(&nodes[0], &watching(&["a"])).await,
        Reader::open(&nodes[1], &watching(&["a"])).await,
    ];
    let mut streams = Vec::new();
    for number in 1..=5 {
        streams.push(killed.stream(&being(number, &["a"])).await);
    }
    // One of them is somewhere else, too, and stays.
    let _stays = nodes[1].stream(&being(5, &["a"])).await;
    until_there(&nodes[1], "a", &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (9, 1)]).await;
    for other in &mut others {
        other.until("a", &[1, 2, 3, 4, 5, 9]).await;
    }
    let since = Instant::now();
    killed.process.kill().await.unwrap();
    for other in &mut others {
        let mut told = other.until("a", &[5, 9]).await;
        told.sort();
        assert_eq!(told, ["a -1", "a -2", "a -3", "a -4"]);
    }
    // They were entered anew at most a third of it before; a busy machine takes its time.
    let ttl = Duration::from_secs(3);
    assert!((ttl / 2..4 * ttl).contains(&since.elapsed()), "{:?}", since.elapsed());
    let _next = nodes[0].stream(&being(6, &["a"])).await;
    for other in &mut others {
        assert_eq!(other.next().await, "a +6", "and nothing else, since each was told once");
    }
    until_there(&nodes[0], "a", &[(5, 1), (6, 1), (9, 1)]).await;
}

#[tokio::test]
async fn a_node_that_drains_hands_its_users_over_and_nobody_is_told() {
    let world = World::new().await;
    // As long as it takes to come back, on the busiest machine.
    let settings = [("PRESENCE_GRACE", "10s"), ("PRESENCE_SWEEP", "100ms"), ("DRAIN", "500ms")];
    let stays = world.node_with(&settings).await;
    let mut goes = world.node_with(&settings).await;
    let mut other = Reader::open(&stays, &watching(&["a"])).await;
    let mut streams = Vec::new();
    for number in 1..=5 {
        streams.push(goes.stream(&being(number, &["a"])).await);
    }
    other.until("a", &[1, 2, 3, 4, 5]).await;
    goes.signal("TERM");
    let since = Instant::now();
    let mut back = Vec::new();
    for (number, mut stream) in (1..).zip(streams) {
        while soon("the stream ends", stream.try_next()).await.is_some() {}
        back.push(stays.stream(&being(number, &["a"])).await);
    }
    assert!(soon("the node ends", goes.process.wait()).await.unwrap().success());
    // Before those could have left whom the node took with it.
    let fence = stays.stream(&being(6, &["a"])).await;
    assert_eq!(other.next().await, "a +6");
    drop(fence);
    assert_eq!(other.next().await, "a -6");
    assert!(since.elapsed() > Duration::from_secs(10));
    until_there(&stays, "a", &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]).await;
}
