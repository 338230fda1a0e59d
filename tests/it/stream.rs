//! `GET /stream` as bytes on a connection: what comes first, what comes in silence, for whom, and for how many.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use futures_util::{StreamExt, future};
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::Instant,
};

use crate::support::{
    Event, World, message, message_in,
    raw::{ask, read_until},
    soon, until,
};

/// Reads a body until its text ends with `end` and holds `last`.
async fn read_to(response: reqwest::Response, end: &str, last: &str) -> String {
    let (mut bytes, mut read) = (response.bytes_stream(), Vec::new());
    soon("the end of the text", async {
        while !(read.ends_with(end.as_bytes()) && String::from_utf8_lossy(&read).contains(last)) {
            read.extend_from_slice(&bytes.next().await.expect("more").unwrap());
        }
    })
    .await;
    String::from_utf8(read).unwrap()
}

fn contents(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::content).collect()
}

#[tokio::test]
async fn a_stream_begins_with_its_headers_when_to_come_back_and_where_it_is() {
    let (_world, node) = World::with_node().await;
    let response = node.http.get(format!("{}/stream", node.url)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(response.headers()[name], value);
    }
    assert!(response.headers().get("content-length").is_none());
    let text = read_to(response, "\n\n", "connected").await;
    let (retry, connected) = text.split_once("\n\n").unwrap();
    let milliseconds: u64 = retry.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!((1000..=3000).contains(&milliseconds), "half to one and a half times 2 s");
    let data = r#"{"type":"connected","message":"Connected to message stream","event_id":"1-0","resumed":false}"#;
    assert_eq!(connected, format!("id: 1-0\ndata: {data}\n\n"));
}

#[tokio::test]
async fn an_event_is_an_id_and_one_line_of_data() {
    let (_world, node) = World::with_node().await;
    let response = node.http.get(format!("{}/stream", node.url)).send().await.unwrap();
    let id = node.say(message("one\ntwo")).await;
    let text = read_to(response, "\n\n", "new_message").await;
    let event = text.split_inclusive("\n\n").nth(2).unwrap();
    let lines: Vec<&str> = event.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "id: 1-1"));
    let begin = format!(
        r#"data: {{"type":"new_message","data":{{"operation":"INSERT","id":{id},"room":"lobby","content":"one\ntwo","#
    );
    assert!(lines[1].starts_with(&begin), "{}", lines[1]);
}

#[tokio::test]
async fn clients_that_reconnect_are_told_different_times() {
    let world = World::new().await;
    let node = world.node_with(&[("RETRY", "60s")]).await;
    let streams = future::join_all((0..20).map(|_| node.stream(""))).await;
    let told: BTreeSet<u64> = streams.iter().map(|stream| stream.retry.unwrap()).collect();
    assert!(told.iter().all(|span| (30_000..=90_000).contains(span)), "{told:?}");
    assert!(told.len() > 1, "{told:?}");
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive() {
    let world = World::new().await;
    let node = world.node_with(&[("KEEP_ALIVE", "50ms")]).await;
    let mut stream = node.stream("").await;
    assert_eq!(stream.comments, 0);
    for _ in 0..3 {
        stream.comment().await;
    }
    node.say(message("after silence")).await;
    assert_eq!(stream.next().await.content(), "after silence");
}

#[tokio::test]
async fn a_busy_stream_needs_no_keep_alive() {
    const SILENCE: Duration = Duration::from_millis(500);
    let world = World::new().await;
    let node = world.node_with(&[("KEEP_ALIVE", "500ms")]).await;
    let mut stream = node.stream("").await;
    let (started, mut longest) = (Instant::now(), Duration::ZERO);
    while started.elapsed() < 4 * SILENCE {
        let before = Instant::now();
        node.say(message("chatter")).await;
        stream.next().await;
        longest = longest.max(before.elapsed());
    }
    // On a machine that stood still for so long, there was silence indeed.
    assert!(stream.comments == 0 || longest >= SILENCE, "{} comments; at most {longest:?} of silence", stream.comments);
}

#[tokio::test]
async fn who_follows_a_quiet_room_is_moved_on_with_the_others() {
    let world = World::new().await;
    let node = world.node_with(&[("KEEP_ALIVE", "50ms")]).await;
    let (mut quiet, mut loud) = (node.stream("?room=quiet").await, node.stream("?room=loud").await);
    for content in ["a", "b", "c"] {
        node.say(message_in("loud", content)).await;
    }
    assert_eq!(contents(&loud.take(3).await), ["a", "b", "c"]);
    while quiet.last_event_id != "1-3" {
        quiet.comment().await;
    }
    node.say(message_in("quiet", "d")).await;
    let event = quiet.next().await;
    assert_eq!((event.content().as_str(), event.id.as_str()), ("d", "1-4"));
}

#[tokio::test]
async fn a_stream_of_rooms_has_their_changes_and_no_others() {
    let (world, node) = World::with_node().await;
    let mut all = node.stream("").await;
    let mut one = node.stream("?room=a").await;
    let mut two = node.stream("?room=c&room=a&room=c&room=c").await;
    for (room, content) in [("a", "1"), ("b", "2"), ("c", "3"), ("A", "4"), ("a", "5"), ("ab", "6"), ("c", "7")] {
        node.say(message_in(room, content)).await;
    }
    world.sql("update messages set content = content || '!' where room in ('a', 'b'); delete from messages where room = 'c'").await;
    world.sql("update messages set room = 'b' where content = '1!'").await;
    world.sql("truncate messages").await;
    // The message that moves to another room leaves the old one, and comes to the new one.
    let moved = ["1", "2", "3", "4", "5", "6", "7", "1!", "2!", "5!", "3", "7", "1!", "1!"];
    assert_eq!(contents(&all.take(14).await), moved);
    assert_eq!(contents(&one.take(5).await), ["1", "5", "1!", "5!", "1!"]);
    assert_eq!(contents(&two.take(9).await), ["1", "3", "5", "7", "1!", "5!", "3", "7", "1!"]);
    for stream in [&mut all, &mut one, &mut two] {
        assert_eq!(stream.next().await.kind(), "truncated");
    }
}

#[tokio::test]
async fn beyond_the_most_streams_the_next_is_sent_away_and_may_come_back() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_STREAMS", "2")]).await;
    let (first, _second) = (node.stream("").await, node.stream("").await);
    // An EventSource would close for good on any status but 200.
    let mut third = node.open("", Some("1-0")).await;
    assert_eq!(soon("the end", third.try_next()).await, None);
    assert!(third.retry.is_some_and(|span| span > 0));
    drop(first);
    until("a place is free", async || node.subscribers().await == 1).await;
    let mut third = node.stream("").await;
    node.say(message("there is room")).await;
    assert_eq!(third.next().await.content(), "there is room");
}

#[tokio::test]
async fn who_goes_away_leaves_nothing_behind() {
    let (_world, node) = World::with_node().await;
    let streams = future::join_all((0..20).map(|n| {
        let query = if n % 2 == 0 { String::new() } else { format!("?room=r{n}&room=lobby") };
        let node = &node;
        async move { node.stream(&query).await }
    }));
    let streams = streams.await;
    assert_eq!(node.subscribers().await, 20);
    drop(streams);
    until("nobody is subscribed", async || node.subscribers().await == 0).await;
}

#[tokio::test]
async fn hundreds_of_subscribers_get_the_same_bytes() {
    let (_world, node) = World::with_node().await;
    let open = |_| node.http.get(format!("{}/stream", node.url)).send();
    let responses = future::join_all((0..300).map(open)).await;
    for n in 0..30 {
        node.say(message(&format!("message {n} 🦀"))).await;
    }
    let mut last = message("last");
    last["file"] = json!("the end");
    node.say(last).await;
    let read = responses.into_iter().map(async |response| {
        let text = read_to(response.unwrap(), "\n\n", "the end").await;
        // `retry:` is everyone's own.
        text.split_once("\n\n").unwrap().1.to_owned()
    });
    let texts: BTreeSet<String> = future::join_all(read).await.into_iter().collect();
    assert_eq!(texts.len(), 1);
    assert_eq!(texts.first().unwrap().matches("new_message").count(), 31);
}

#[tokio::test]
async fn an_old_client_reads_the_stream_without_chunks() {
    let (_world, node) = World::with_node().await;
    let mut socket = ask(&node, "GET /stream HTTP/1.0\r\n\r\n").await;
    let text = read_until(&mut socket, "resumed\":false}\n\n").await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200") && !head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert!(body.starts_with("retry: "), "{body}");
    node.say(message("for the old")).await;
    let text = read_until(&mut socket, "\n\n").await;
    assert!(text.starts_with("id: 1-1\ndata: ") && text.contains("for the old"), "{text}");
}

#[tokio::test]
async fn a_client_that_wants_no_second_request_gets_the_stream() {
    let (_world, node) = World::with_node().await;
    let mut socket = ask(&node, "GET /stream HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await;
    let text = read_until(&mut socket, "resumed\":false}\n\n").await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    node.say(message("still there")).await;
    read_until(&mut socket, "still there").await;
    drop(socket);
    until("it is gone", async || node.subscribers().await == 0).await;
}

#[tokio::test]
async fn asking_for_the_head_of_a_stream_takes_no_place() {
    let (_world, node) = World::with_node().await;
    let answer = node.http.head(format!("{}/stream", node.url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    until("nobody is subscribed", async || node.subscribers().await == 0).await;
}

#[tokio::test]
async fn a_client_of_http_2_reads_the_stream_and_goes() {
    let (_world, node) = World::with_node().await;
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-sN", "--http2-prior-knowledge", &format!("{}/stream", node.url)]);
    let mut curl = curl.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    let mut line = async |begin: &'static str| {
        while !soon("a line", lines.next_line()).await.unwrap().expect("the stream goes on").starts_with(begin) {}
    };
    line("data: {\"type\":\"connected\"").await;
    node.say(message("over one connection")).await;
    line("data: {\"type\":\"new_message\"").await;
    curl.kill().await.unwrap();
    until("it is gone", async || node.subscribers().await == 0).await;
}
