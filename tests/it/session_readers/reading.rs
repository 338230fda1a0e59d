//! Readers come at any time, with any cursor, and at any pace.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all};
use rowcast::reply::Cursor;
use serde_json::json;

use super::hall::{Hall, Reading, options};
use crate::support::until;

/// A tail that holds a few chunks, and pages of a few more.
fn narrow() -> rowcast::session::Options {
    options(|options| (options.tail_bytes, options.page_bytes) = (2000, 400))
}

#[tokio::test]
async fn who_comes_before_the_first_chunk_has_all_of_them_live_on_any_node() {
    // The bell alone tells.
    let hall = Hall::with(options(|options| options.poll = Duration::from_secs(3600))).await;
    let mut producer = hall.open().await;
    let mut readers = [hall.read(0, producer.id, None).await, hall.read(1, producer.id, None).await];
    for (reader, node) in readers.iter_mut().zip(&hall.nodes) {
        let connected = reader.next().await;
        assert_eq!(connected.name, "connected");
        assert_eq!((&connected.data["head"], &connected.data["state"]), (&json!(-1), &json!("created")));
        assert_eq!(connected.data["node_id"], json!(node.node()));
        assert!((1000..=3000).contains(&reader.retries[0]), "{:?}", reader.retries);
    }
    for number in 0..20 {
        producer.say("a\r\nb\u{2028}🦀").await;
        for reader in &mut readers {
            assert_eq!(reader.next().await.data["chunk_id"], json!(number));
        }
    }
    // What comes while the log is read is read, too.
    producer.say_many(300).await;
    join_all(readers.iter_mut().map(|reader| reader.reach(319))).await;
    assert!(readers.iter().all(|reader| reader.text == producer.text && reader.retries.len() == 1));
}

#[tokio::test]
async fn where_no_bell_is_heard_the_log_is_looked_at_now_and_then() {
    let hall = Hall::new().await;
    let mut producer = hall.open().await;
    // It carries no bells, since it does not run.
    let deaf = hall.node(&hall.world.database_url, options(|options| options.poll = Duration::from_millis(100)));
    let found = deaf.find(producer.id).await.unwrap().unwrap();
    let mut reader = Reading::of(deaf.follow(found, None, None).await.unwrap());
    for number in 0..5 {
        producer.say_many(1).await;
        reader.reach(number).await;
    }
    assert_eq!(reader.text, producer.text);
}

#[tokio::test]
async fn who_reloads_the_page_has_it_all_from_the_beginning_and_then_what_comes() {
    let hall = Hall::new().await;
    let mut producer = hall.open().await;
    let mut first = hall.read(1, producer.id, None).await;
    producer.say_many(3).await;
    first.reach(2).await;
    drop(first);
    let mut again = hall.read(1, producer.id, None).await;
    let connected = again.next().await;
    assert_eq!((&connected.data["head"], &connected.data["state"]), (&json!(2), &json!("streaming")));
    again.reach(2).await;
    producer.say_many(3).await;
    again.reach(5).await;
    assert_eq!(again.text, producer.text);
}

#[tokio::test]
async fn who_comes_back_on_another_node_goes_on_after_the_last_chunk_that_it_has() {
    let hall = Hall::new().await;
    let mut producer = hall.open().await;
    producer.say_many(10).await;
    let mut reader = hall.read(0, producer.id, Some(Cursor::Chunk(6))).await;
    assert_eq!(reader.next().await.name, "connected");
    assert_eq!(reader.next().await.id.as_deref(), Some("7"));
    reader.reach(9).await;
    let mut reader = hall.read(1, producer.id, reader.cursor()).await;
    producer.say_many(2).await;
    reader.reach(11).await;
    assert_eq!(reader.text, "chunk 10 \nchunk 11 \n");
    // It is not over, so this is what Redis has forgotten.
    let mut reader = hall.read(1, producer.id, Some(Cursor::End)).await;
    reader.reach(11).await;
    assert_eq!(reader.text, producer.text);
}

#[tokio::test]
async fn a_cursor_beyond_the_head_waits_for_what_comes_after_it() {
    let hall = Hall::new().await;
    let mut producer = hall.open().await;
    producer.say_many(3).await;
    let mut reader = hall.read(1, producer.id, Some(Cursor::Chunk(5))).await;
    assert_eq!(reader.next().await.data["head"], json!(2));
    producer.say_many(5).await;
    assert_eq!(reader.next().await.id.as_deref(), Some("6"));
    assert_eq!(reader.next().await.id.as_deref(), Some("7"));
}

#[tokio::test]
async fn who_is_behind_the_tail_reads_the_log_page_by_page() {
    let hall = Hall::with(narrow()).await;
    let mut producer = hall.open().await;
    producer.say_many(300).await;
    let mut near = hall.read(1, producer.id, Some(Cursor::Chunk(298))).await;
    let mut far = hall.read(1, producer.id, None).await;
    far.reach(150).await;
    producer.say_many(100).await;
    tokio::join!(far.reach(399), near.reach(399));
    assert_eq!(far.text, producer.text);
    assert!(producer.text.ends_with(&near.text) && near.text.starts_with("chunk 299 "));
}

#[tokio::test]
async fn a_slow_reader_holds_up_nobody_and_loses_nothing() {
    let hall = Hall::with(narrow()).await;
    let mut producer = hall.open().await;
    let (mut slow, mut fast) = (hall.read(0, producer.id, None).await, hall.read(0, producer.id, None).await);
    slow.next().await;
    for number in 0..100 {
        producer.say_many(1).await;
        fast.reach(number).await;
    }
    for number in (0..100).step_by(10) {
        slow.reach(number).await;
        producer.say_many(1).await;
    }
    tokio::join!(slow.reach(109), fast.reach(109));
    assert_eq!((&slow.text, &fast.text), (&producer.text, &producer.text));
}

#[tokio::test]
async fn readers_of_a_session_on_a_node_share_each_reading_of_its_log() {
    const READERS: usize = 30;
    const CHUNKS: u64 = 40;
    let hall = Hall::with_own_redis(options(|_| {})).await;
    let mut producer = hall.open().await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(hall.read(1, producer.id, None).await);
    }
    for number in 0..CHUNKS {
        producer.say_many(1).await;
        join_all(readers.iter_mut().map(|reader| reader.reach(number))).await;
    }
    let stats: String = redis::from_redis_value(hall.ask("INFO commandstats").await.unwrap()).unwrap();
    let calls = stats.split("cmdstat_xrange:calls=").nth(1).unwrap().split(',').next().unwrap();
    let calls: u64 = calls.parse().unwrap();
    assert!(calls >= CHUNKS, "each chunk was read alone: {calls}");
    // A bell may come while the log is read, and now and then it is read without one.
    assert!(calls < 3 * CHUNKS, "{calls} readings of {CHUNKS} chunks for {READERS} readers");
}

#[tokio::test]
async fn a_bell_that_rings_faster_than_the_log_is_read_costs_few_readings() {
    let hall = Hall::with_own_redis(options(|_| {})).await;
    let mut producer = hall.open().await;
    let mut reader = hall.read(1, producer.id, None).await;
    producer.say_many(1).await;
    reader.reach(0).await;
    let bell = hall.key(producer.id, ":bell");
    let ring = redis::Script::new("for _ = 1, 5000 do redis.call('PUBLISH', ARGV[1], '') end");
    ring.arg(bell).invoke_async::<()>(&mut hall.redis().await).await.unwrap();
    producer.say_many(1).await;
    reader.reach(1).await;
    let stats: String = redis::from_redis_value(hall.ask("INFO commandstats").await.unwrap()).unwrap();
    let calls: u64 = stats.split("cmdstat_xrange:calls=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert!(calls < 2500, "{calls} readings");
}

#[tokio::test]
async fn nodes_note_how_many_read_there_as_long_as_they_do() {
    let hall = Hall::new().await;
    let producer = hall.open().await;
    let noted = async |expected: [u64; 2]| {
        let names = [hall.nodes[0].node(), hall.nodes[1].node()];
        until("the readers are noted", async || {
            let readers = hall.session(producer.id).await.readers;
            let of = |name| readers.iter().filter(|(node, _)| node == name).map(|(_, count)| count).sum::<u64>();
            names.map(of) == expected
        })
        .await;
    };
    noted([0, 0]).await;
    let one = hall.read(0, producer.id, None).await;
    let (two, three) = (hall.read(1, producer.id, None).await, hall.read(1, producer.id, None).await);
    noted([1, 2]).await;
    drop(two);
    noted([1, 1]).await;
    drop(one);
    noted([0, 1]).await;
    drop(three);
    noted([0, 0]).await;
    let key = hall.key(producer.id, ":readers");
    until("nothing is noted", async || hall.ask(&format!("EXISTS {key}")).await == Ok(redis::Value::Int(0))).await;
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_without_a_runtime_may_read_be_it_at_the_head_or_behind() {
    let hall = Hall::with(narrow()).await;
    let mut producer = hall.open().await;
    producer.say_many(200).await;
    let id = producer.id;
    let mut stream = hall.read(1, id, None).await.into_stream();
    let (out, read) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match stream.poll_next_unpin(&mut Context::from_waker(&waker)) {
                Poll::Ready(Some(Ok(bytes))) => out.send(bytes).unwrap(),
                Poll::Ready(None) => return,
                Poll::Pending => thread::park_timeout(Duration::from_secs(60)),
            }
        }
    });
    producer.say_many(20).await;
    producer.finish().await;
    until("the stream is read", async || reader.is_finished()).await;
    let mut whole = Reading::of(rowcast::session::Followed::Events(futures_util::stream::empty().boxed()));
    read.into_iter().for_each(|bytes| whole.feed(&bytes));
    assert!(producer.text.starts_with(&whole.text) && !whole.text.is_empty());
    assert_eq!(whole.last().await.name, "message_complete");
}
