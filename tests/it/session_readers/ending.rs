//! How a session ended is told once to each reader, to those that are there and to those that come later.

use std::time::Duration;

use rowcast::{
    message::NewMessage,
    reply::{Cursor, Reason},
    session::{Followed, Found},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::hall::{Hall, Producer, Reading, Told, options};
use crate::support::{Link, SENDER, World, until};

/// How it is told to one who comes when it is over: in one event.
async fn told_later(hall: &Hall, id: Uuid) -> Told {
    let mut told = Vec::new();
    for cursor in [None, Some(Cursor::Chunk(0)), Some(Cursor::Chunk(999))] {
        let mut reader = hall.read(1, id, cursor).await;
        told.push(reader.next().await);
        assert_eq!((reader.end().await, reader.retries.len()), (None, 1));
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
    let seen = hall.follow(1, id, Some(Cursor::End), None).await.unwrap();
    assert!(matches!(seen, Followed::Seen));
    told.remove(0)
}

/// A session that is followed on both nodes, and has five chunks.
async fn followed(hall: &Hall) -> (Producer, [Reading; 2]) {
    let mut producer = hall.open().await;
    let mut readers = [hall.read(0, producer.id, None).await, hall.read(1, producer.id, None).await];
    producer.say_many(5).await;
    for reader in &mut readers {
        reader.reach(4).await;
    }
    (producer, readers)
}

/// What those are told last who were there, the same for all.
async fn told_last(readers: &mut [Reading; 2]) -> Told {
    let told = [readers[0].last().await, readers[1].last().await];
    assert_eq!(told[0], told[1]);
    told[0].clone()
}

#[tokio::test]
async fn what_is_complete_is_a_message_for_ever() {
    let hall = Hall::new().await;
    let (producer, mut readers) = followed(&hall).await;
    producer.finish().await;
    let told = told_last(&mut readers).await;
    let id = hall.world.number("select id from messages").await;
    assert_eq!(told.name, "message_complete");
    assert_eq!((&told.data["message_id"], &told.data["chunk_count"]), (&json!(id), &json!(5)));
    assert_eq!((&told.data["token_count"], &told.data["session_id"]), (&json!(7), &json!(producer.id)));
    assert_eq!(told.data["message"]["content"], json!(producer.text));
    assert_eq!(told_later(&hall, producer.id).await, told);
    // Redis forgets it, and PostgreSQL does not.
    hall.ask(&format!("DEL {}", hall.key(producer.id, ""))).await.unwrap();
    let late = told_later(&hall, producer.id).await;
    assert_eq!((late.name.as_str(), &late.data["message"]), ("message_complete", &told.data["message"]));
    assert_eq!((&late.data["chunk_count"], &late.data["token_count"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_message_that_is_gone_or_elsewhere_is_not_told() {
    let hall = Hall::new().await;
    let (producer, mut readers) = followed(&hall).await;
    producer.finish().await;
    let id = told_last(&mut readers).await.data["message_id"].clone();
    for change in ["update messages set room = 'secret'", "delete from messages"] {
        hall.world.sql(change).await;
        let told = told_later(&hall, producer.id).await;
        assert_eq!((told.name.as_str(), &told.data["message"]), ("message_complete", &Value::Null));
        assert_eq!(told.data["message_id"], id);
    }
}

#[tokio::test]
async fn all_chunks_come_before_the_end_even_where_they_come_together() {
    let hall = Hall::new().await;
    let mut producer = hall.open().await;
    let mut reader = hall.read(1, producer.id, None).await;
    reader.next().await;
    // Another reader of the same node sees what the first has not taken: all of it is there, and the end.
    let mut other = hall.read(1, producer.id, None).await;
    producer.say_many(3).await;
    other.reach(2).await;
    producer.finish().await;
    other.last().await;
    assert_eq!(reader.last().await.name, "message_complete");
    assert_eq!(reader.text, producer.text);
}

#[tokio::test]
async fn a_failure_is_told_with_its_reason() {
    let hall = Hall::new().await;
    let (producer, mut readers) = followed(&hall).await;
    hall.nodes[0].fail(producer.id, Reason::UpstreamError, "overloaded_error").await.unwrap();
    let told = told_last(&mut readers).await;
    let expected = json!({
        "session_id": producer.id, "reason": "upstream_error", "head": 4, "missing": [], "kind": "overloaded_error"
    });
    assert_eq!((told.name.as_str(), &told.data), ("session_failed", &expected));
    assert_eq!(told_later(&hall, producer.id).await, told);
}

#[tokio::test]
async fn a_cancellation_is_told_with_what_was_kept() {
    let hall = Hall::new().await;
    for keep in [true, false] {
        let (producer, mut readers) = followed(&hall).await;
        hall.nodes[0].cancel(producer.id, "ann", keep).await.unwrap();
        let told = told_last(&mut readers).await;
        assert_eq!((told.name.as_str(), &told.data["by"]), ("session_cancelled", &json!("ann")));
        let kept = if keep { json!(producer.text) } else { Value::Null };
        assert_eq!((&told.data["message"]["content"], told.data["message_id"].is_i64()), (&kept, keep));
        assert_eq!(told_later(&hall, producer.id).await, told);
    }
}

#[tokio::test]
async fn while_postgres_is_away_readers_wait_for_the_end() {
    let hall = Hall::with(options(|_| {})).await;
    let wire = Link::to(&hall.world.database_url).await;
    let quick = options(|options| {
        (options.keep_alive, options.poll) = (Duration::from_millis(200), Duration::from_millis(200));
    });
    let node = hall.node(wire.url(), quick);
    let stop = tokio_util::sync::CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(node.clone().run(stop));
    let mut producer = hall.open().await;
    let found = || async { node.find(producer.id).await.unwrap().unwrap() };
    let mut there = Reading::of(node.follow(found().await, None, None).await.unwrap());
    producer.say_many(2).await;
    there.reach(1).await;
    wire.cut();
    producer.finish().await;
    until("it is complete", async || hall.session(producer.id).await.state.is_over()).await;
    let known = Found::Known(hall.session(producer.id).await.into());
    let mut late = Reading::of(node.follow(known, None, None).await.unwrap());
    for reader in [&mut there, &mut late] {
        for _ in 0..2 {
            assert_eq!(crate::support::soon("a ping", reader.any()).await.unwrap().name, "ping");
        }
    }
    wire.mend();
    for reader in [&mut there, &mut late] {
        assert_eq!(reader.last().await.data["message"]["content"], json!(producer.text));
    }
    assert_eq!((late.text.as_str(), late.retries.len()), ("", 1));
}

/// A session that is followed, and Redis forgets everything.
async fn forgotten(before: impl AsyncFnOnce(&World, Uuid)) -> (Producer, Told) {
    let hall = Hall::with_own_redis(options(|options| options.poll = Duration::from_millis(200))).await;
    let (producer, mut readers) = followed(&hall).await;
    before(&hall.world, producer.id).await;
    hall.ask("FLUSHALL").await.unwrap();
    let told = told_last(&mut readers).await;
    (producer, told)
}

#[tokio::test]
async fn where_redis_is_emptied_an_open_session_has_expired() {
    let (producer, told) = forgotten(async |_, _| {}).await;
    let expected = json!({ "session_id": producer.id, "reason": "expired", "head": 4, "missing": [] });
    assert_eq!((told.name.as_str(), told.data), ("session_failed", expected));
}

#[tokio::test]
async fn where_redis_is_emptied_a_session_that_is_written_is_complete() {
    let (producer, told) = forgotten(async |world, id| {
        let links = rowcast::config::Links::to(&world.database_url, &world.redis_url).unwrap();
        let settings = rowcast::config::Settings::defaults().unwrap();
        let store = rowcast::store::Store::new(settings.store(&links));
        let (content, sender_id) = ("whole".to_owned(), SENDER.parse().unwrap());
        let new = NewMessage { content, file: None, sender_id, room: "lobby".to_owned() };
        store.add_reply(id, &new).await.unwrap();
    })
    .await;
    assert_eq!((told.name.as_str(), &told.data["message"]["content"]), ("message_complete", &json!("whole")));
    assert_eq!(told.data["session_id"], json!(producer.id));
}
