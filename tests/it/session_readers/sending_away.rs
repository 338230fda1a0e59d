//! Readers are sent away when their time is up or the node goes away, and are refused where there are too many.

use std::time::Duration;

use futures_util::future::join_all;
use rowcast::session::{NotFollowed, Sessions};
use tokio::time::Instant;

use super::hall::{Hall, Reading, options};
use crate::support::{soon, until};

#[tokio::test]
async fn whose_time_is_up_is_told_to_come_back_and_nothing_else() {
    let hall = Hall::new().await;
    let mut producer = hall.open().await;
    let start = Instant::now();
    let mut stays = hall.read(1, producer.id, None).await;
    let late = start + Duration::from_secs(3600);
    let _late = hall.follow(1, producer.id, None, Some(late)).await.unwrap();
    let mut readers = Vec::new();
    for span in [700, 300] {
        let due = start + Duration::from_millis(span);
        readers.push((due, Reading::of(hall.follow(1, producer.id, None, Some(due)).await.unwrap())));
    }
    for (due, reader) in &mut readers {
        assert_eq!(reader.last().await.name, "connected");
        let late = Instant::now().checked_duration_since(*due).expect("not earlier");
        assert!(late < Duration::from_secs(2) && reader.retries.len() == 2, "{late:?} {:?}", reader.retries);
    }
    producer.say_many(1).await;
    stays.reach(0).await;
}

#[tokio::test]
async fn a_node_that_goes_away_sends_its_readers_away_one_after_another() {
    const WINDOW: Duration = Duration::from_millis(1600);
    let hall = Hall::new().await;
    let producers = [hall.open().await, hall.open().await];
    let mut readers = Vec::new();
    for number in 0..40 {
        readers.push(hall.read(1, producers[number % 2].id, None).await);
    }
    let start = Instant::now();
    let ends = join_all(readers.iter_mut().map(async |reader| {
        assert_eq!(reader.last().await.name, "connected");
        assert_eq!(reader.retries.len(), 2);
        start.elapsed()
    }));
    let ((), ends) = tokio::join!(hall.nodes[1].close(WINDOW), ends);
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    assert!(*last - *first > WINDOW / 2 && *last < WINDOW + Duration::from_secs(1), "{first:?} to {last:?}");
    // Who comes now is told to come back; at the other node it may stay.
    let mut late = hall.read(1, producers[0].id, None).await;
    assert_eq!((late.end().await, late.retries.len()), (None, 1));
    assert_eq!(hall.read(0, producers[0].id, None).await.next().await.name, "connected");
}

#[tokio::test]
async fn a_node_has_no_more_readers_than_it_may_have() {
    let hall = Hall::with(options(|options| options.readers = 2)).await;
    let producer = hall.open().await;
    let one = hall.read(1, producer.id, None).await;
    let _two = hall.read(1, hall.open().await.id, None).await;
    let refused = hall.follow(1, producer.id, None, None).await;
    assert!(matches!(refused, Err(NotFollowed::Full)));
    drop(one);
    hall.read(1, producer.id, None).await.next().await;
}

#[tokio::test]
async fn a_silent_stream_is_told_that_it_lives() {
    let hall = Hall::with(options(|options| options.keep_alive = Duration::from_millis(300))).await;
    let mut producer = hall.open().await;
    producer.say_many(1).await;
    let mut reader = hall.read(1, producer.id, None).await;
    reader.reach(0).await;
    let start = Instant::now();
    for _ in 0..3 {
        let ping = soon("a ping", reader.any()).await.unwrap();
        assert_eq!((ping.name.as_str(), ping.id), ("ping", None));
    }
    assert!(start.elapsed() > Duration::from_millis(600), "no more often than that");
    producer.say_many(1).await;
    reader.reach(1).await;
}

#[tokio::test]
async fn readers_that_leave_at_any_moment_leave_nothing_behind() {
    let hall = Hall::with_own_redis(options(|_| {})).await;
    let mut producers = [hall.open().await, hall.open().await, hall.open().await];
    for _ in 0..20 {
        let mut readers = Vec::new();
        for number in 0..6 {
            let producer = &mut producers[fastrand::usize(..3)];
            let mut reader = hall.read(number % 2, producer.id, None).await;
            if fastrand::bool() {
                reader.next().await;
            }
            readers.push(reader);
            producer.say_many(1).await;
            if fastrand::bool() {
                readers.swap_remove(fastrand::usize(..readers.len()));
            }
        }
    }
    leaves_nothing(&hall).await;
    // And who comes then finds all of it.
    let mut reader = hall.read(1, producers[0].id, None).await;
    if producers[0].next > 0 {
        reader.reach(producers[0].next - 1).await;
    }
    assert_eq!(reader.text, producers[0].text);
}

/// Waits until no bell is listened to, and no reader noted.
async fn leaves_nothing(hall: &Hall) {
    until("no bell is listened to", async || hall.bells().await == 0).await;
    until("no reader is noted", async || {
        hall.ask(&format!("KEYS {}*:readers", hall.world.prefix)).await == Ok(redis::Value::Array(Vec::new()))
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_was_never_read_leaves_nothing_behind() {
    let hall = Hall::with_own_redis(options(|_| {})).await;
    let producer = hall.open().await;
    let node: &Sessions = &hall.nodes[1];
    let found = node.find(producer.id).await.unwrap().unwrap();
    for _ in 0..50 {
        drop(node.follow(found.clone(), None, None).await.unwrap());
    }
    leaves_nothing(&hall).await;
}
