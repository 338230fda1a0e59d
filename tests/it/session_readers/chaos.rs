//! Whatever becomes of the connections to Redis, and of its last second, each reader has each chunk once.

use std::time::Duration;

use futures_util::future::join_all;
use rowcast::{
    metrics::METRICS,
    reply::{Batch, Cursor},
    session::Followed,
};
use serde_json::json;
use uuid::Uuid;

use super::hall::{Hall, Producer, Reading, options};
use crate::support::{soon, until};

/// Reads a session to its end, leaving now and then and coming back on any node where it left off; its text.
async fn restless(hall: &Hall, id: Uuid, mut patience: u64) -> (String, serde_json::Value) {
    let (mut text, mut cursor) = (String::new(), None);
    loop {
        let node = &hall.nodes[fastrand::usize(..2)];
        let found = soon("the session is found", async {
            loop {
                match node.find(id).await {
                    Ok(found) => break found.expect("it is there"),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        })
        .await;
        let Followed::Events(stream) = node.follow(found, cursor, None).await.unwrap() else { panic!("not seen yet") };
        let mut reader = Reading::of(Followed::Events(stream));
        reader.next = match cursor {
            Some(Cursor::Chunk(seen)) => Some(seen + 1),
            _ => Some(0),
        };
        patience += fastrand::u64(5..40);
        let told = loop {
            let told = reader.next().await;
            let left = reader.next.is_some_and(|next| next >= patience);
            if told.id.as_deref() == Some("end") || left {
                break told;
            }
        };
        text.push_str(&reader.text);
        if told.id.as_deref() == Some("end") {
            assert_eq!(told.name, "message_complete", "{told:?}");
            return (text, told.data);
        }
        cursor = reader.next.filter(|next| *next > 0).map(|next| Cursor::Chunk(next - 1));
    }
}

/// Writes a reply of so many chunks, not too fast; its text.
async fn write(mut producer: Producer, chunks: u64) -> String {
    for _ in 0..chunks {
        producer.say_many(1).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..12))).await;
    }
    // The last chunks may be thrown away at once; clients take the message then.
    tokio::time::sleep(Duration::from_millis(50)).await;
    producer.finish().await;
    producer.text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reader_has_the_very_text_though_all_connections_are_killed_again_and_again() {
    let narrow = options(|options| (options.tail_bytes, options.page_bytes) = (3000, 600));
    let hall = Hall::with_own_redis(narrow).await;
    let producers = [hall.open().await, hall.open().await, hall.open().await];
    let ids: Vec<Uuid> = producers.iter().map(|producer| producer.id).collect();
    let readers = join_all((0..18).map(|number| restless(&hall, ids[number % 3], number as u64 * 7)));
    let kill = async {
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            for kind in ["pubsub", "normal"] {
                hall.ask(&format!("CLIENT KILL TYPE {kind} SKIPME yes")).await.unwrap();
            }
        }
    };
    let counted = || (METRICS.sessions.bell_reconnects.get(), METRICS.sessions.pages.get());
    let before = counted();
    let (texts, read, ()) = tokio::join!(join_all(producers.map(|producer| write(producer, 250))), readers, kill);
    let after = counted();
    assert!(after.0 > before.0 && after.1 > before.1, "{before:?} {after:?}");
    for (number, (text, told)) in read.iter().enumerate() {
        let whole = &texts[number % 3];
        assert_eq!(told["message"]["content"], json!(whole));
        // Where the end came before the last chunks were read, the message has them.
        assert!(whole.starts_with(text.as_str()), "reader {number}");
        assert!(text.len() > whole.len() / 2, "reader {number} has {} of {}", text.len(), whole.len());
    }
    until("no bell is listened to", async || hall.bells().await == 0).await;
}

#[tokio::test]
async fn where_redis_has_lost_its_last_second_nobody_is_told_a_chunk_twice() {
    let hall = Hall::with(options(|options| options.poll = Duration::from_millis(100))).await;
    let mut producer = hall.open().await;
    let mut readers = [hall.read(0, producer.id, None).await, hall.read(1, producer.id, None).await];
    producer.say_many(10).await;
    for reader in &mut readers {
        reader.reach(9).await;
    }
    // Redis comes back with seven of ten.
    let (session, log) = (hall.key(producer.id, ""), hall.key(producer.id, ":log"));
    let back = redis::Script::new(
        "redis.call('XDEL', KEYS[2], '8-0', '9-0', '10-0')
         redis.call('XSETID', KEYS[2], '7-0')
         redis.call('HSET', KEYS[1], 'count', 7, 'top', 6)",
    );
    back.key(&session).key(&log).invoke_async::<()>(&mut hall.redis().await).await.unwrap();
    // A node that has looked since has no more than Redis has: who asks it for the last chunk it had waits.
    for node in 0..2 {
        until("the node goes back", async || {
            let mut reader = hall.read(node, producer.id, Some(Cursor::Chunk(8))).await;
            assert_eq!(reader.next().await.data["head"], json!(6));
            tokio::time::timeout(Duration::from_millis(50), reader.try_next()).await.is_err()
        })
        .await;
    }
    let ahead = hall.read(1, producer.id, Some(Cursor::Chunk(8))).await;
    let late = hall.read(1, producer.id, None).await;
    let lost = (7..10).map(|number| (number, format!("chunk {number} \n"))).collect();
    producer.bring(&Batch { chunks: lost, ..Batch::default() }).await;
    producer.say_many(3).await;
    let mut all: Vec<Reading> = readers.into_iter().chain([ahead, late]).collect();
    join_all(all.iter_mut().map(|reader| reader.reach(12))).await;
    assert_eq!(all[2].text, "chunk 9 \nchunk 10 \nchunk 11 \nchunk 12 \n");
    for reader in [&all[0], &all[1], &all[3]] {
        assert_eq!(reader.text, producer.text);
    }
}

#[tokio::test]
async fn while_redis_is_silent_readers_are_told_that_they_live_and_then_go_on() {
    silence(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn who_is_behind_goes_on_as_soon_as_redis_answers() {
    silence(Duration::from_secs(3600)).await;
}

/// Redis is silent for a while, longer than anybody waits for it.
async fn silence(keep_alive: Duration) {
    let quick = options(|options| (options.keep_alive, options.tail_bytes) = (keep_alive, 1000));
    let hall = Hall::with_own_redis(quick).await;
    let mut producer = hall.open().await;
    producer.say_many(100).await;
    let mut head = hall.read(1, producer.id, Some(Cursor::Chunk(98))).await;
    let mut behind = hall.read(1, producer.id, None).await;
    head.reach(99).await;
    behind.next().await;
    hall.ask("CLIENT PAUSE 6000 ALL").await.unwrap();
    for reader in [&mut head, &mut behind] {
        // Both are polled, and it takes longer than a reading may.
        let ping = async { while reader.any().await.unwrap().name != "ping" {} };
        let came = tokio::time::timeout(Duration::from_millis(2500), ping).await.is_ok();
        assert_eq!(came, keep_alive < Duration::from_secs(1));
    }
    assert_eq!(behind.text, "", "Redis was silent all the time");
    behind.reach(99).await;
    producer.say_many(5).await;
    tokio::join!(head.reach(104), behind.reach(104));
    assert_eq!(behind.text, producer.text);
}
