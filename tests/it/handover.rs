//! A stream of plain HTTP/1.1 leaves the HTTP library: nothing that a client can see differs, but its price.

use std::{net::Shutdown, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::Instant,
};

use crate::support::{
    Node, World, message,
    raw::{LIVE, STREAM, address, ask, read_until},
    soon, until,
};

/// How streams are written, with the setting that makes it so.
const WRITERS: [&str; 3] = ["0", "1", "4"];

#[tokio::test]
async fn a_stream_is_handed_over_where_there_are_writers() {
    let world = World::new().await;
    for writers in WRITERS {
        let node = world.node_with(&[("WRITERS", writers)]).await;
        let mut socket = ask(&node, STREAM).await;
        let text = read_until(&mut socket, "resumed\":false}\n\n").await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (head, handed) = (head.to_lowercase(), writers != "0");
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: text/event-stream") && head.contains("\r\ndate: "), "{head}");
        assert_eq!(head.contains("\r\nconnection: close"), handed, "{head}");
        assert_eq!(head.contains("\r\ntransfer-encoding: chunked"), !handed, "{head}");
        assert_eq!(body.starts_with("retry: "), handed, "{body}");
    }
}

#[tokio::test]
async fn a_connection_that_served_other_requests_becomes_a_stream() {
    let (_world, node) = World::with_node().await;
    let mut socket = ask(&node, LIVE).await;
    read_until(&mut socket, "}").await;
    socket.write_all(STREAM.as_bytes()).await.unwrap();
    let text = read_until(&mut socket, "resumed\":false}\n\n").await;
    assert!(text.contains("\r\nconnection: close"), "{text}");
    node.say(message("on the same connection")).await;
    read_until(&mut socket, "on the same connection").await;
}

#[tokio::test]
async fn who_asks_for_a_stream_before_it_has_read_the_answer_before_gets_both_whole() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_PAGE", "16MiB")]).await;
    let large = "large ".repeat(150_000);
    for _ in 0..8 {
        node.say(message(&large)).await;
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut socket = socket.connect(address(&node).parse().unwrap()).await.unwrap();
    let both = format!("GET /message?limit=8 HTTP/1.1\r\nHost: here\r\n\r\n{STREAM}");
    socket.write_all(both.as_bytes()).await.unwrap();
    let text = read_until(&mut socket, "resumed\":false}\n\n").await;
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(text.matches(&large).count(), 8);
    node.say(message("behind all that")).await;
    read_until(&mut socket, "behind all that").await;
}

#[tokio::test]
async fn whatever_a_client_sends_into_its_stream_is_thrown_away() {
    let (_world, node) = World::with_node().await;
    let mut socket = ask(&node, format!("{STREAM}GET /health HTTP/1.1\r\n\r\n")).await;
    read_until(&mut socket, "resumed\":false}\n\n").await;
    // More than the buffers of both ends hold: someone reads it.
    let junk = vec![b'x'; 1 << 20];
    for _ in 0..16 {
        soon("the junk is taken", socket.write_all(&junk)).await.unwrap();
    }
    node.say(message("after the junk")).await;
    let text = read_until(&mut socket, "after the junk").await;
    assert!(!text.contains("HTTP/1.1"), "{text}");
}

#[tokio::test]
async fn who_hangs_up_or_only_stops_sending_is_let_go() {
    let (_world, node) = World::with_node().await;
    let (mut one, mut other) = (ask(&node, STREAM).await, ask(&node, STREAM).await);
    read_until(&mut one, "resumed\":false}\n\n").await;
    read_until(&mut other, "resumed\":false}\n\n").await;
    drop(one);
    until("one is gone", async || node.subscribers().await == 1).await;
    SockRef::from(&other).shutdown(Shutdown::Write).unwrap();
    until("the other is gone", async || node.subscribers().await == 0).await;
}

#[tokio::test]
async fn who_takes_nothing_is_closed_after_the_write_timeout_and_not_before() {
    let world = World::new().await;
    for writers in WRITERS {
        let node = world.node_with(&[("WRITERS", writers), ("WRITE_TIMEOUT", "2s"), ("SEND_BUFFER", "8KiB")]).await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut socket = socket.connect(address(&node).parse().unwrap()).await.unwrap();
        socket.write_all(STREAM.as_bytes()).await.unwrap();
        until("it is there", async || node.subscribers().await == 1).await;
        let mut reader = node.stream("").await;
        let since = Instant::now();
        let large = "nobody reads it ".repeat(4000);
        // Who reads is not concerned.
        for _ in 0..20 {
            node.say(message(&large)).await;
            assert_eq!(reader.next().await.content(), large);
        }
        until("it is closed", async || node.subscribers().await == 1).await;
        assert!(since.elapsed() >= Duration::from_secs(2), "closed after {:?}", since.elapsed());
    }
}

#[tokio::test]
async fn a_slow_reader_gets_every_byte() {
    let world = World::new().await;
    let node = world.node_with(&[("SEND_BUFFER", "8KiB")]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(address(&node).parse().unwrap()).await.unwrap();
    socket.write_all(STREAM.as_bytes()).await.unwrap();
    until("it is there", async || node.subscribers().await == 1).await;
    let text = "much to read ".repeat(2000);
    for number in 0..40 {
        node.say(message(&format!("{number} {text}"))).await;
    }
    let (mut read, mut piece) = (Vec::new(), [0; 1000]);
    while memchr::memmem::find(&read, b"\nid: 1-40\n").is_none() || !read.ends_with(b"\n\n") {
        let count = soon("more", socket.read(&mut piece)).await.unwrap();
        assert!(count > 0);
        read.extend_from_slice(&piece[..count]);
    }
    let read = String::from_utf8(read).unwrap();
    for number in 0..40 {
        assert_eq!(read.matches(&format!("\"content\":\"{number} {text}\"")).count(), 1, "{number}");
    }
}

#[tokio::test]
async fn an_idle_stream_costs_about_a_kibibyte() {
    let (_world, node) = World::with_node().await;
    // What the first ones make the program take, is not taken again.
    let mut sockets = streams(&node, 200).await;
    let before = node.memory("VmRSS");
    sockets.append(&mut streams(&node, 2000).await);
    let each = (node.memory("VmRSS") - before) as f64 / 2000.0;
    assert!(each < 2.0, "{each} KiB");
}

async fn streams(node: &Node, count: usize) -> Vec<TcpStream> {
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let mut socket = ask(node, STREAM).await;
        read_until(&mut socket, "resumed\":false}\n\n").await;
        sockets.push(socket);
    }
    sockets
}

#[tokio::test]
async fn a_node_ends_although_someone_reads_nothing() {
    let world = World::new().await;
    let mut node = world.node_with(&[("DRAIN", "200ms"), ("WRITE_TIMEOUT", "60s"), ("SEND_BUFFER", "8KiB")]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(address(&node).parse().unwrap()).await.unwrap();
    deaf.write_all(STREAM.as_bytes()).await.unwrap();
    let mut reader = ask(&node, STREAM).await;
    until("both are there", async || node.subscribers().await == 2).await;
    let large = "nobody reads it ".repeat(4000);
    for _ in 0..20 {
        node.say(message(&large)).await;
    }
    read_until(&mut reader, "\nid: 1-20\n").await;
    let reading = tokio::spawn(async move {
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.map(|_| String::from_utf8(rest).unwrap())
    });
    node.signal("TERM");
    let status = tokio::time::timeout(Duration::from_secs(30), node.process.wait()).await;
    assert!(status.expect("it ends").unwrap().success());
    let text = soon("the end", reading).await.unwrap().expect("the stream ends as it should");
    assert!(text.ends_with("\n\n") && text.contains("\"type\":\"bye\""), "it was sent away");
}

#[tokio::test]
async fn a_node_whose_streams_have_all_ended_ends_without_waiting_for_more() {
    let world = World::new().await;
    for writers in WRITERS {
        let mut node = world.node_with(&[("DRAIN", "200ms"), ("WRITERS", writers)]).await;
        let mut reader = ask(&node, STREAM).await;
        read_until(&mut reader, "resumed\":false}\n\n").await;
        node.signal("TERM");
        read_until(&mut reader, "\"type\":\"bye\"").await;
        let since = Instant::now();
        assert!(soon("the end", node.process.wait()).await.unwrap().success());
        // Whoever reads nothing would have as long.
        assert!(since.elapsed() < Duration::from_secs(5), "ended after {:?}", since.elapsed());
    }
}
