//! In whatever order connections come and go while Redis is being told: it is told the last word of each.

use tokio::time::advance;

use super::*;

const TTL: Duration = Duration::from_secs(30);

/// What is told: the room, and each connection with how long it is there.
fn told(batch: &Batch) -> (&str, Vec<(u64, u64)>) {
    (&batch.room, batch.entries.iter().map(|entry| (entry.connection, entry.keep.as_secs())).collect())
}

#[tokio::test(start_paused = true)]
async fn of_a_connection_it_is_told_in_order_and_what_is_late_counts_from_its_end() {
    let mut registry = Registry::default();
    let (room, ann) = registry.enter("a", "ann");
    let (_, bob) = registry.enter("a", "bob");
    let coming = registry.take(TTL).unwrap();
    assert_eq!(told(&coming), ("a", vec![(ann, 30), (bob, 30)]));
    let until = |seconds| Instant::now() + Duration::from_secs(seconds);
    registry.go(&room, ann, until(0));
    registry.go(&room, bob, until(5));
    // It has gone already, and does not go later.
    registry.go(&room, ann, until(9));
    assert!(registry.take(TTL).is_none(), "something of the room is under way");
    assert_eq!(registry.sizes(), (0, 2));
    registry.done(coming, true);
    advance(Duration::from_secs(2)).await;
    let going = registry.take(TTL).unwrap();
    assert_eq!(told(&going), ("a", vec![(ann, 0), (bob, 3)]));
    // Nobody knows whether that was heard.
    registry.done(going, false);
    advance(Duration::from_secs(4)).await;
    let again = registry.take(TTL).unwrap();
    assert_eq!(told(&again), ("a", vec![(ann, 0), (bob, 0)]));
    registry.done(again, true);
    assert!(registry.take(TTL).is_none() && registry.rooms.is_empty(), "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn who_comes_and_goes_before_anything_is_told_leaves_nothing() {
    let mut registry = Registry::default();
    let (room, ann) = registry.enter("a", "ann");
    registry.go(&room, ann, Instant::now());
    assert!(registry.take(TTL).is_none() && registry.rooms.is_empty());
}

#[tokio::test(start_paused = true)]
async fn rooms_take_turns_and_no_batch_is_too_large() {
    let mut registry = Registry::default();
    for _ in 0..TOGETHER + 1 {
        registry.enter("a", "ann");
    }
    registry.enter("b", "bob");
    let (first, second) = (registry.take(TTL).unwrap(), registry.take(TTL).unwrap());
    assert_eq!((&*first.room, first.entries.len(), &*second.room), ("a", TOGETHER, "b"));
    assert!(registry.take(TTL).is_none());
    registry.done(first, true);
    registry.done(second, true);
    let rest = registry.take(TTL).unwrap();
    assert_eq!(told(&rest), ("a", vec![(TOGETHER as u64 + 1, 30)]));
    registry.done(rest, true);
    assert_eq!(registry.sizes(), (TOGETHER + 2, 0));
}

#[tokio::test(start_paused = true)]
async fn with_all_beats_it_is_told_again_of_all_who_are_here() {
    let mut registry = Registry::default();
    for room in 0..100 {
        registry.enter(&room.to_string(), "ann");
    }
    let tell = |registry: &mut Registry| {
        std::iter::from_fn(|| registry.take(TTL).map(|batch| registry.done(batch, true))).count()
    };
    assert_eq!(tell(&mut registry), 100);
    let beats: Vec<usize> = (0..PARTS)
        .map(|part| {
            registry.beat(part);
            tell(&mut registry)
        })
        .collect();
    assert_eq!(beats.iter().sum::<usize>(), 100);
    assert!(beats.iter().all(|rooms| *rooms < 50), "not all at once: {beats:?}");
}

#[tokio::test(start_paused = true)]
async fn when_all_go_what_is_under_way_is_told_again() {
    let mut registry = Registry::default();
    let (_, ann) = registry.enter("a", "ann");
    let lost = registry.take(TTL).unwrap();
    registry.enter("a", "bob");
    registry.go_all(Instant::now() + Duration::from_secs(5));
    drop(lost);
    let last = registry.take(TTL).unwrap();
    assert_eq!(told(&last), ("a", vec![(ann, 5)]), "of bob nobody has known");
    registry.done(last, true);
    assert!(registry.take(TTL).is_none() && registry.rooms.is_empty());
}
