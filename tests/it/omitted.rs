//! What an event leaves out of a row: content that is too large for it, and only that. It says so, and never tells a
//! content that the row did not have.

use crate::support::{Event, World, message, until};

/// The most bytes of content that are copied into the log, unless a writer says otherwise.
const INLINE: usize = 262_144;

/// What the feed tells of these statements, when nothing has read the log before all of them are done.
async fn told_afterwards(statements: &str) -> Vec<Event> {
    let world = World::migrated().await;
    world.sql(statements).await;
    let changes = world.number("select count(*) from feed.log").await;
    let node = world.node().await;
    let mut stream = node.open("", Some("1-0")).await;
    assert_eq!(stream.next().await.kind(), "connected");
    stream.take(changes as usize).await
}

fn insert(bytes: usize) -> String {
    format!("insert into messages (content, sender_id) values (repeat('a', {bytes}), gen_random_uuid());")
}

/// The length of the content that each event has; none where it is left out, and says so.
fn lengths(events: &[Event]) -> Vec<Option<usize>> {
    let length = |event: &Event| {
        let data = event.data();
        let content = data["data"]["content"].as_str().map(str::len);
        assert_eq!(data["data"].get("content_omitted").is_some(), content.is_none(), "it says so, or not");
        content
    };
    events.iter().map(length).collect()
}

#[tokio::test]
async fn content_in_the_log_outlives_its_row_and_larger_content_does_not() {
    let change = "update messages set content = 'b'; delete from messages;";
    let events = told_afterwards(&(insert(INLINE) + change + &insert(INLINE + 1) + change)).await;
    let small = [Some(INLINE), Some(1), Some(1)];
    assert_eq!(lengths(&events), [small.as_slice(), &[None, Some(1), Some(1)]].concat());
}

#[tokio::test]
async fn large_content_is_told_as_long_as_the_row_has_it() {
    let other = "update messages set file = 'a.txt' where id = 1;";
    let events = told_afterwards(&(insert(INLINE + 1) + &insert(INLINE + 1) + other)).await;
    // The first event of the changed row is of an earlier version of it: the last one brings the content.
    assert_eq!(lengths(&events), [None, Some(INLINE + 1), Some(INLINE + 1)]);
}

#[tokio::test]
async fn a_deletion_does_not_bring_back_large_content() {
    let events = told_afterwards(&(insert(INLINE + 1) + "delete from messages")).await;
    assert_eq!(lengths(&events), [None, None]);
}

#[tokio::test]
async fn a_writer_may_set_what_goes_into_the_log() {
    let change = "update messages set content = 'b';";
    let events = told_afterwards(&format!("set feed.inline_bytes = 10; {} {} {change}", insert(10), insert(11))).await;
    assert_eq!(lengths(&events), [Some(10), None, Some(1), Some(1)]);
}

#[tokio::test]
async fn an_event_has_no_more_content_than_the_server_is_set_to_put_into_one() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_EVENT_CONTENT", "1KiB")]).await;
    until("it leads", async || node.get("/health").await.body["relay"]["leading"] == true).await;
    let mut stream = node.stream("").await;
    for length in [1024, 1025] {
        node.say(message(&"a".repeat(length))).await;
    }
    assert_eq!(lengths(&stream.take(2).await), [Some(1024), None]);
}
