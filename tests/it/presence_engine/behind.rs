//! However many come and go, and however slow who watches: little is read, little is kept, and what is told is right.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rowcast::presence::{Options, What};

use super::house::{House, PATIENT, joined, left, state};
use crate::support::until;

#[tokio::test]
async fn a_watcher_that_is_too_far_behind_is_told_anew_who_is_there() {
    let house = House::new().await;
    let node = house.node(Options { buffer: 4, ..PATIENT }).await;
    let (mut fast, mut slow, mut slower) = (node.watch("lobby"), node.watch("lobby"), node.watch("lobby"));
    for watcher in [&mut fast, &mut slow, &mut slower] {
        watcher.is_told(state(&[])).await;
    }
    let mut here = vec![node.seen("lobby", "a", &mut fast).await];
    slow.is_told(joined("a", 1)).await;
    for user in ["b", "c", "d", "e"] {
        here.push(node.seen("lobby", user, &mut fast).await);
    }
    slower.is_told(state(&["a", "b", "c", "d", "e"])).await;
    slower.is_told_nothing();
    // As much as is kept is told one by one.
    for (count, user) in (2..).zip(["b", "c", "d", "e"]) {
        slow.is_told(joined(user, count)).await;
    }
    here.remove(2).leave();
    for watcher in [&mut fast, &mut slow, &mut slower] {
        watcher.is_told(left("c", 4)).await;
    }
}

#[tokio::test]
async fn more_changes_at_once_than_are_kept_are_told_as_who_is_there() {
    let house = House::new().await;
    let [one, two] = house.nodes(Options { buffer: 4, ..PATIENT }).await;
    let mut watcher = one.watch("lobby");
    watcher.is_told(state(&[])).await;
    // Nothing else runs meanwhile: Redis knows of all at once.
    let names: Vec<String> = (0..5).map(|n| n.to_string()).collect();
    let here: Vec<_> = names.iter().map(|name| two.presence.enter("lobby", name)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    watcher.is_told(state(&names)).await;
    here.into_iter().skip(1).for_each(rowcast::presence::Here::leave);
    // They go together, and so has each the number after all of them.
    for user in ["1", "2", "3", "4"] {
        watcher.is_told(left(user, 1)).await;
    }
}

#[tokio::test]
async fn where_there_are_many_only_how_many_is_told_once_a_second_at_most() {
    let house = House::new().await;
    let node = house.node(Options { listed: 2, ..PATIENT }).await;
    let mut watcher = node.watch("lobby");
    watcher.is_told(state(&[])).await;
    let _ann = node.seen("lobby", "ann", &mut watcher).await;
    let bob = node.seen("lobby", "bob", &mut watcher).await;
    let eve = node.presence.enter("lobby", "eve");
    watcher.is_told(What::State { count: 3, users: None }).await;
    let first = Instant::now();
    let zoe = node.presence.enter("lobby", "zoe");
    watcher.is_told(What::State { count: 4, users: None }).await;
    assert!(first.elapsed() > Duration::from_millis(900), "{:?}", first.elapsed());
    // A watcher that comes now is told the same.
    node.watch("lobby").is_told(What::State { count: 4, users: None }).await;
    [zoe, eve].into_iter().for_each(rowcast::presence::Here::leave);
    watcher.is_told(state(&["ann", "bob"])).await;
    bob.leave();
    watcher.is_told(left("bob", 1)).await;
}

#[tokio::test]
async fn many_changes_cost_few_readings_and_who_is_back_at_once_is_not_mentioned() {
    let house = House::with_own_redis().await;
    let [one, two] = house.nodes(Options { pace: Duration::from_millis(200), ..PATIENT }).await;
    let mut watcher = one.watch("lobby");
    watcher.is_told(state(&[])).await;
    let _ann = one.seen("lobby", "ann", &mut watcher).await;
    let (before, begun) = (readings(&house).await, Instant::now());
    for _ in 0..200 {
        two.presence.enter("lobby", "bob").leave();
        let bob = two.presence.enter("lobby", "bob");
        two.told().await;
        bob.leave();
        two.told().await;
    }
    let _eve = two.presence.enter("lobby", "eve");
    watcher.sees(&["ann", "eve"]).await;
    let (read, most) = (readings(&house).await - before, begun.elapsed().as_millis() as u64 / 200 + 2);
    assert!(read <= most, "{read} readings, at most {most}");
}

/// How often a room was read.
async fn readings(house: &House) -> u64 {
    let figures: String = house.ask(&["INFO", "commandstats"]).await;
    let line = figures.lines().find_map(|line| line.strip_prefix("cmdstat_hlen:calls=")).unwrap();
    line.split(',').next().unwrap().parse().unwrap()
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[tokio::test]
async fn a_thread_without_a_runtime_may_watch_and_be_there() {
    let house = House::new().await;
    let [one, two] = house.nodes(PATIENT).await;
    let (mut watch, bob) = (one.presence.watch("lobby"), one.presence.enter("lobby", "bob"));
    let mut watcher = two.watch("lobby");
    watcher.sees(&["bob"]).await;
    let waiting = thread::spawn(move || {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match watch.poll_next(&Context::from_waker(&waker)) {
                // It is told one by one what comes after it has asked first.
                Poll::Ready(told) if [state(&["ann", "bob"]), joined("ann", 2)].contains(&told.what) => break,
                Poll::Ready(_) => {}
                Poll::Pending => thread::park_timeout(Duration::from_secs(60)),
            }
        }
        bob.leave();
    });
    let _ann = two.presence.enter("lobby", "ann");
    watcher.sees(&["ann"]).await;
    until("the watcher is gone", async || waiting.is_finished() && one.presence.stats().watchers == 0).await;
}
