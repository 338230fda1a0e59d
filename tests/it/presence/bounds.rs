//! The bounds of presence: of rooms with many users only the number is told, who reads slowly is told a state instead of
//! all that it missed, and a stream gives back what it holds.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::{QUICK, Reader, being, quick, until_there, watching};
use crate::support::{
    Node, World,
    raw::{address, ask, read_until},
    soon, until,
};

#[tokio::test]
async fn of_a_room_with_more_users_than_are_listed_only_the_number_is_told() {
    let world = World::new().await;
    let node = world.node_with(&[&QUICK[..], &[("PRESENCE_MAX_LISTED", "3")]].concat()).await;
    let mut reader = Reader::open(&node, &watching(&["a"])).await;
    let mut streams = Vec::new();
    for number in 1..=3 {
        streams.push(node.stream(&being(number, &["a"])).await);
    }
    reader.until("a", &[1, 2, 3]).await;
    for number in 4..=6 {
        streams.push(node.stream(&being(number, &["a"])).await);
    }
    let state = counted(&mut reader, 6).await;
    assert_eq!(state["data"], serde_json::json!({ "room": "a", "count": 6, "users": null }));
    until_there(&node, "a", &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]).await;
    let mut late = node.stream(&watching(&["a"])).await;
    assert_eq!(late.next().await.data(), state, "who comes later is told the same");
    streams.drain(..4);
    // They are few again, and all are told.
    let state = soon("a state", async {
        loop {
            let event = reader.stream.next().await;
            assert_eq!(event.kind(), "presence", "what was not told cannot change");
            if event.data()["data"]["users"].is_array() {
                return event;
            }
        }
    })
    .await;
    reader.take(&state);
    reader.until("a", &[5, 6]).await;
}

/// Reads states until one tells this number.
async fn counted(reader: &mut Reader, count: u64) -> Value {
    loop {
        let event = reader.stream.next().await.data();
        assert_eq!((&event["type"], &event["data"]["users"]), (&"presence".into(), &Value::Null), "{event}");
        if event["data"]["count"] == count {
            return event;
        }
    }
}

/// A client that has asked for a stream, and takes little.
async fn slow(node: &Node, query: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(address(node).parse().unwrap()).await.unwrap();
    socket.write_all(format!("GET /stream{query} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).await.unwrap();
    socket
}

#[tokio::test]
async fn who_reads_slowly_is_told_a_state_in_the_place_of_what_it_missed() {
    /// More than sockets and the node keep for one who does not read.
    const CHANGES: usize = 1000;
    let world = World::new().await;
    let settings = [("SEND_BUFFER", "4KiB"), ("PRESENCE_GRACE", "100ms"), ("PRESENCE_PACE", "1ms")];
    let node = world.node_with(&[&QUICK[2..], &settings].concat()).await;
    let mut deaf = slow(&node, &watching(&["a"])).await;
    let text = read_until(&mut deaf, "\"users\":[]}}\n\n").await;
    assert!(text.contains("\"connected\""));
    let mut reader = Reader::open(&node, &watching(&["a"])).await;
    let reading = async {
        for _ in 0..CHANGES {
            reader.next().await;
        }
    };
    let come_and_go = stream::iter(1..).map(async |number| drop(node.stream(&being(number, &["a"])).await));
    tokio::select! {
        () = reading => {}
        () = come_and_go.buffer_unordered(20).for_each(|()| std::future::ready(())) => {}
    }
    let _last = node.stream(&being(999_999, &["a"])).await;
    reader.until("a", &[999_999]).await;
    // It goes on with what its socket held, and then with how it is now.
    let (mut text, mut piece) = (Vec::new(), [0; 1000]);
    let last = format!("{}\"", super::user(999_999));
    while memchr::memmem::find(&text, last.as_bytes()).is_none() || !text.ends_with(b"\n\n") {
        let count = soon("more", deaf.read(&mut piece)).await.unwrap();
        assert!(count > 0);
        text.extend_from_slice(&piece[..count]);
    }
    let text = String::from_utf8(text).unwrap();
    let events: Vec<Value> =
        text.split("\n\n").filter_map(|event| serde_json::from_str(event.strip_prefix("data: ")?).ok()).collect();
    assert!(events.len() < CHANGES / 2, "{}", events.len());
    assert!(events.iter().any(|event| event["type"] == "presence"), "it was told a state");
}

#[tokio::test]
async fn a_stream_with_presence_takes_a_place_and_gives_it_back() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let settings = [("MAX_STREAMS_PER_USER", "2"), ("WRITERS", writers)];
        let node = world.node_with(&[&QUICK[..], &settings].concat()).await;
        let status = async |path: String| node.http.get(format!("{}{path}", node.url)).send().await.unwrap().status();
        let mut one = Reader::open(&node, &being(1, &["a"])).await;
        one.until("a", &[1]).await;
        let other = node.stream(&watching(&["a", "b"])).await;
        let third = format!("/stream{}", being(2, &["a"]));
        assert_eq!(status(third.clone()).await, StatusCode::TOO_MANY_REQUESTS);
        // What is refused for its presence takes no place.
        drop(other);
        for _ in 0..5 {
            assert_eq!(status("/stream?presence=true".to_owned()).await, StatusCode::UNPROCESSABLE_ENTITY);
        }
        until("there is a place again", async || status(third.clone()).await == StatusCode::OK).await;
        drop(one);
        until_there(&node, "a", &[]).await;
        let mut both = None;
        until("both places are free", async || {
            let query = watching(&["a"]);
            let open = || node.http.get(format!("{}/stream{query}", node.url)).send();
            let (one, two) = (open().await.unwrap(), open().await.unwrap());
            let have = one.status() == StatusCode::OK && two.status() == StatusCode::OK;
            both = have.then_some([one, two]);
            have
        })
        .await;
        drop(both);
    }
}

#[tokio::test]
async fn a_stream_that_the_node_has_no_room_for_is_nowhere() {
    let world = World::new().await;
    let node = world.node_with(&[&QUICK[..], &[("MAX_STREAMS", "1"), ("LOG", "error")]].concat()).await;
    let mut watches = Reader::open(&node, &watching(&["a"])).await;
    assert_eq!(watches.next().await, "a = ");
    let mut sent_away = node.open(&being(1, &["a"]), None).await;
    assert_eq!(soon("the end", sent_away.try_next()).await, None);
    until_there(&node, "a", &[]).await;
}

#[tokio::test]
async fn a_stream_with_presence_costs_little_more_than_one_without() {
    const COUNT: usize = 1000;
    let (_world, node) = quick().await;
    let open = async |from: usize, count: usize| {
        let mut sockets = Vec::with_capacity(count);
        for number in from..from + count {
            // In rooms of ten, each is told of few.
            let query = being(number as u64, &[&format!("r{}", number / 10)]);
            let mut socket = ask(&node, format!("GET /stream{query} HTTP/1.1\r\nHost: here\r\n\r\n")).await;
            read_until(&mut socket, "\"presence\"").await;
            sockets.push(socket);
        }
        sockets
    };
    // What the first ones make the program take, is not taken again.
    let _warm = open(0, 200).await;
    let before = node.memory("VmRSS");
    let _sockets = open(1000, COUNT).await;
    let each = (node.memory("VmRSS") - before) as f64 / COUNT as f64;
    assert!(each < 4.0, "{each} KiB");
}

#[tokio::test]
async fn a_node_ends_at_once_although_some_are_there() {
    let world = World::new().await;
    let mut node = world.node_with(&[&QUICK[..], &[("DRAIN", "100ms")]].concat()).await;
    let mut reader = Reader::open(&node, &being(1, &["a"])).await;
    reader.until("a", &[1]).await;
    let since = tokio::time::Instant::now();
    node.signal("TERM");
    while soon("the stream ends", reader.stream.try_next()).await.is_some() {}
    assert!(soon("the node ends", node.process.wait()).await.unwrap().success());
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}
