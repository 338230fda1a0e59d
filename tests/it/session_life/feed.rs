//! Who reads sessions is no affair of who reads the feed.

use std::fmt::Write;

use futures_util::future::join_all;
use serde_json::Value;

use super::reader::Stream;
use crate::{
    session::{append, batch, last_batch, opened},
    support::{Event, Figures, SENDER, World, soon},
};

const READERS: usize = 50;
const MESSAGES: usize = 1000;
const CHUNKS: u64 = 40;

#[tokio::test]
async fn the_feed_has_each_change_once_beside_readers_of_sessions_who_hear_nothing_of_it() {
    let (world, node) = World::with_node().await;
    let mut feed = node.stream("").await;
    let mut sessions: Vec<Value> = Vec::new();
    for _ in 0..5 {
        sessions.push(opened(&node).await);
    }
    let mut readers = Vec::new();
    for number in 0..READERS {
        readers.push(Stream::of(&node, &sessions[number % 5]).await);
    }
    let rows = async {
        for begin in (0..MESSAGES).step_by(100) {
            let mut insert = String::from("insert into messages (content, sender_id) values ");
            for number in begin..begin + 100 {
                let comma = if number > begin { ", " } else { "" };
                write!(insert, "{comma}('row {number}', '{SENDER}')").unwrap();
            }
            world.sql(&insert).await;
        }
    };
    let chunks = async {
        for number in 0..CHUNKS {
            for session in &sessions {
                append(&node, session, &batch(&[(number, "a word ")])).await;
            }
        }
    };
    let read = join_all(readers.iter_mut().map(|reader| reader.reach(CHUNKS - 1)));
    let all = Box::pin(async { tokio::join!(feed.take(MESSAGES), rows, chunks, read) });
    let (changes, ..) = soon("all of it", all).await;
    let contents: Vec<_> = changes.iter().map(Event::content).collect();
    assert_eq!(contents, (0..MESSAGES).map(|number| format!("row {number}")).collect::<Vec<_>>());
    let positions: Vec<_> = changes.iter().map(Event::position).collect();
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1]), "each once, in order");
    // What they read is read once for all of them, and not when somebody else's row is written.
    let reads = Figures::of(&node).await.one("rowcast_session_reads_total");
    assert!(reads < (CHUNKS * 5 * 3) as f64, "{reads} readings");
    // Their ends are changes of the feed like any other, each told once.
    for session in &sessions {
        append(&node, session, &last_batch(&[], CHUNKS - 1)).await;
    }
    for reader in &mut readers {
        assert_eq!(reader.rest().await.len(), 1);
    }
    let mut ended: Vec<_> = feed.take(5).await.iter().map(|event| event.data()["data"]["session_id"].clone()).collect();
    let mut ids: Vec<_> = sessions.iter().map(|session| session["id"].clone()).collect();
    ended.sort_by_key(Value::to_string);
    ids.sort_by_key(Value::to_string);
    assert_eq!(ended, ids);
}
