//! Large rows and large statements: the right changes, in bounded memory, and nobody else waits for them.

use sqlx::Executor;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{Node, World, message, message_in, soon, until};

const MEBIBYTE: usize = 1 << 20;

/// Text of this many bytes that does not compress.
fn noise(bytes: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(bytes).collect()
}

#[tokio::test]
async fn a_mebibyte_of_content_is_streamed_and_read_as_it_was_written() {
    let (_world, node) = World::with_node().await;
    let mut stream = node.stream("").await;
    let content = noise(MEBIBYTE);
    let id = node.say(message(&content)).await;
    assert!(stream.next().await.content() == content);
    let read = node.get(&format!("/message/{id}")).await;
    assert!(read.body["content"] == content.as_str());
}

#[tokio::test]
async fn a_mebibyte_of_content_is_replayed_from_the_log_as_it_was_streamed() {
    let world = World::new().await;
    let node = world.node_with(&[("RING_CHANGES", "1")]).await;
    let mut live = node.stream("").await;
    node.say(message(&noise(MEBIBYTE))).await;
    node.say(message("small")).await;
    let mut back = node.open("", Some("1-0")).await;
    back.next().await;
    assert!(live.take(2).await == back.take(2).await);
}

#[tokio::test]
async fn content_that_was_replaced_before_it_was_read_is_left_out_and_the_next_change_has_it() {
    let world = World::new().await;
    let node = world.node_with(&[("RING_CHANGES", "1")]).await;
    let mut stream = node.stream("").await;
    // One transaction: when the relay reads the first change, the second one has been made.
    let mut session = world.session().await;
    let (old, new) = (noise(300_000), noise(300_001));
    session.execute("begin").await.unwrap();
    sqlx::query("insert into messages (content, sender_id) values ($1, gen_random_uuid())")
        .bind(&old)
        .execute(&mut session)
        .await
        .unwrap();
    sqlx::query("update messages set content = $1").bind(&new).execute(&mut session).await.unwrap();
    session.execute("commit").await.unwrap();
    let first = stream.next().await.data();
    assert_eq!((first["data"]["content"].is_null(), &first["data"]["content_omitted"]), (true, &true.into()));
    assert!(stream.next().await.content() == new, "never the wrong text under a change");
}

#[tokio::test]
async fn content_above_the_bound_of_events_must_be_read() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_EVENT_CONTENT", "300KB")]).await;
    let mut stream = node.stream("").await;
    let id = node.say(message(&noise(300_001))).await;
    let event = stream.next().await.data();
    assert_eq!((&event["data"]["id"], &event["data"]["content_omitted"]), (&id.into(), &true.into()));
    node.say(message(&noise(300_000))).await;
    assert_eq!(stream.next().await.content().len(), 300_000);
}

#[tokio::test]
async fn twenty_thousand_rows_in_a_statement_come_in_order_and_disturb_no_other_room() {
    let world = World::new().await;
    // The ring is smaller than the statement: who follows it reads the log.
    let node = world.node_with(&[("TICK_CHANGES", "500"), ("RING_CHANGES", "2000")]).await;
    world.sql("insert into messages (content, sender_id, room) select n::text, gen_random_uuid(), 'bulk' from generate_series(1, 20000) n").await;
    let (mut all, mut other) = (node.stream("").await, node.stream("?room=other").await);
    // The insertion may still be on its way to this node.
    let begun = all.last_event_id.rsplit_once('-').unwrap().1.parse::<i64>().unwrap();
    world.sql("update messages set content = content || '!'; delete from messages").await;
    node.say(message_in("other", "undisturbed")).await;
    for position in begun + 1..=60_001 {
        assert_eq!(all.next().await.position(), position);
    }
    assert_eq!(other.next().await.content(), "undisturbed");
    let bounded: i64 =
        sqlx::query_scalar("select max(count)::bigint from feed.tick").fetch_one(&world.pool).await.unwrap();
    assert_eq!(bounded, 500, "a tick is a bounded piece of it");
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_up_nobody_and_is_closed() {
    let world = World::new().await;
    let settings = [("WRITE_TIMEOUT", "500ms"), ("RING_BYTES", "2MiB"), ("SEND_BUFFER", "16KiB")];
    let node = world.node_with(&settings).await;
    let mut deaf = TcpStream::connect(node.url.strip_prefix("http://").unwrap()).await.unwrap();
    deaf.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    until("it is subscribed", async || node.subscribers().await == 1).await;
    let mut keen = node.stream("").await;
    let content = noise(MEBIBYTE / 2);
    for _ in 0..60 {
        node.say(message(&content)).await;
        assert_eq!(keen.next().await.content().len(), content.len());
    }
    until("it is closed", async || node.subscribers().await == 1).await;
    soon("the other goes on", keen_goes_on(&node, keen)).await;
}

async fn keen_goes_on(node: &Node, mut keen: crate::support::Events) {
    node.say(message("still here")).await;
    assert_eq!(keen.next().await.content(), "still here");
}

#[tokio::test]
async fn who_was_away_during_a_large_statement_reads_all_of_it_from_the_log() {
    let (world, node) = World::with_node().await;
    let mut live = node.stream("").await;
    world
        .sql("insert into messages (content, sender_id) select n, gen_random_uuid() from generate_series(1, 3000) n")
        .await;
    // Larger than one reading of the log may be.
    world
        .sql("insert into messages (content, sender_id) select repeat(n::text, 250000), gen_random_uuid() from generate_series(10, 35) n")
        .await;
    let events = live.take(3026).await;
    let late = world.node().await;
    let mut back = late.open("", Some("1-0")).await;
    assert_eq!(back.next().await.kind(), "connected");
    assert!(back.take(3026).await == events);
}
