//! Clients that take their time, meaning well or not: each phase of a connection has its bound.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use socket2::{SockFilter, SockRef};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::support::{
    Node, World, message,
    raw::{LIVE, STREAM, ask, connect, read_until, to_end},
    soon, until,
};

const SECOND: Duration = Duration::from_secs(1);

/// What a client of HTTP/2 begins with, and settings that say nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn who_does_not_come_to_the_end_of_a_request_is_closed_after_the_head_timeout() {
    let world = World::new().await;
    let node = world.node_with(&[("HEAD_TIMEOUT", "1s"), ("IDLE_TIMEOUT", "1h")]).await;
    for begun in [&b""[..], b"GE", b"GET /health/live HTTP/1.1\r\nHost: he", b"PRI * HTTP/2.0\r\n\r\nSM", PREFACE] {
        let (said, lasted) = to_end(ask(&node, begun).await).await;
        assert!((SECOND..10 * SECOND).contains(&lasted), "{} lasted {lasted:?}", String::from_utf8_lossy(begun));
        assert!(!said.contains("200 OK"), "{said}");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_prolong_it() {
    let world = World::new().await;
    let node = world.node_with(&[("HEAD_TIMEOUT", "1s"), ("IDLE_TIMEOUT", "1h")]).await;
    let mut socket = ask(&node, "GET /health/live HTTP/1.1\r\n").await;
    let since = Instant::now();
    soon("it is closed", async {
        let mut timer = tokio::time::interval(Duration::from_millis(50));
        while socket.write_all(b"x").await.is_ok() {
            timer.tick().await;
        }
    })
    .await;
    assert!((SECOND..10 * SECOND).contains(&since.elapsed()), "{:?}", since.elapsed());
}

#[tokio::test]
async fn each_further_head_has_the_same_time_from_its_first_byte() {
    let world = World::new().await;
    let node = world.node_with(&[("HEAD_TIMEOUT", "1s"), ("IDLE_TIMEOUT", "1h")]).await;
    let mut socket = ask(&node, LIVE).await;
    read_until(&mut socket, "}").await;
    // Longer than a head may take: nothing has begun.
    assert!(tokio::time::timeout(2 * SECOND, socket.read_u8()).await.is_err(), "it is not closed between requests");
    socket.write_all(b"GET /hea").await.unwrap();
    let (said, lasted) = to_end(socket).await;
    assert!((SECOND..10 * SECOND).contains(&lasted) && said.is_empty(), "{lasted:?} {said}");
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_the_idle_timeout() {
    let world = World::new().await;
    let node = world.node_with(&[("HEAD_TIMEOUT", "1h"), ("IDLE_TIMEOUT", "1s")]).await;
    let mut socket = ask(&node, LIVE).await;
    read_until(&mut socket, "}").await;
    let (said, lasted) = to_end(socket).await;
    assert!(lasted < 10 * SECOND && said.is_empty(), "{lasted:?} {said}");
}

/// A client of HTTP/2 on a connection of its own, which ends as told.
async fn http2(node: &Node) -> (SendRequest<Empty<Bytes>>, impl Future<Output = hyper::Result<()>> + use<>) {
    let io = TokioIo::new(connect(node).await);
    http2::handshake(TokioExecutor::new(), io).await.unwrap()
}

fn get(node: &Node, path: &str) -> hyper::Request<Empty<Bytes>> {
    hyper::Request::get(format!("{}{path}", node.url)).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_connection_of_http2_is_closed_when_it_is_idle_and_not_while_it_streams() {
    let world = World::new().await;
    let node = world.node_with(&[("IDLE_TIMEOUT", "1s"), ("HEAD_TIMEOUT", "1s")]).await;
    let (mut requests, connection) = http2(&node).await;
    let connection = tokio::spawn(connection);
    let mut stream = requests.send_request(get(&node, "/stream")).await.unwrap().into_body();
    let since = Instant::now();
    let longer = tokio::time::timeout(4 * SECOND, async {
        while let Some(frame) = stream.frame().await {
            frame.unwrap();
        }
    });
    assert!(longer.await.is_err(), "the stream has ended after {:?}", since.elapsed());
    let answer = requests.send_request(get(&node, "/health/live")).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let since = Instant::now();
    drop(stream);
    soon("it is closed", connection).await.unwrap().unwrap();
    assert!(since.elapsed() < 10 * SECOND, "{:?}", since.elapsed());
}

/// What asks for a stream in HTTP/2: a frame of header fields, the first two from the table that both ends know.
const STREAM_OF_HTTP2: &[u8] = b"\0\0\x11\x01\x05\0\0\0\x01\x82\x86\x04\x07/stream\x41\x04here";

#[tokio::test]
async fn a_peer_of_http2_that_no_longer_answers_is_let_go_although_its_kernel_does() {
    let world = World::new().await;
    let node = world.node_with(&[("WRITE_TIMEOUT", "1s"), ("KEEP_ALIVE", "1h")]).await;
    let (mut requests, connection) = http2(&node).await;
    tokio::spawn(connection);
    let answering = requests.send_request(get(&node, "/stream")).await.unwrap();
    // Reads what comes, and answers no ping.
    let mut silent = ask(&node, [PREFACE, STREAM_OF_HTTP2].concat()).await;
    until("both are there", async || node.subscribers().await == 2).await;
    let since = Instant::now();
    soon("it is closed", async { while silent.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {} }).await;
    assert!((SECOND..10 * SECOND).contains(&since.elapsed()), "{:?}", since.elapsed());
    until("one is there", async || node.subscribers().await == 1).await;
    drop(answering);
}

#[tokio::test]
async fn a_silent_stream_whose_client_has_lost_its_network_is_let_go() {
    let world = World::new().await;
    for writers in ["0", "1"] {
        let node = world.node_with(&[("WRITE_TIMEOUT", "1s"), ("KEEP_ALIVE", "1h"), ("WRITERS", writers)]).await;
        let mut socket = ask(&node, STREAM).await;
        read_until(&mut socket, "resumed\":false}\n\n").await;
        // A packet filter that takes nothing.
        SockRef::from(&socket).attach_filter(&[SockFilter::new(6, 0, 0, 0)]).unwrap();
        until("it is gone", async || node.subscribers().await == 0).await;
    }
}

async fn slow_post(node: &Node, announced: usize) -> TcpStream {
    let head = "POST /message HTTP/1.1\r\nHost: here\r\nContent-Type: application/json";
    ask(node, format!("{head}\r\nContent-Length: {announced}\r\n\r\n{{\"content\":")).await
}

fn problem(said: &str) -> Value {
    serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_problem_and_the_end_of_the_connection() {
    let world = World::new().await;
    let node = world.node_with(&[("BODY_TIMEOUT", "1s")]).await;
    let (said, lasted) = to_end(slow_post(&node, 1000).await).await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    assert_eq!(problem(&said)["type"], "urn:rowcast:problem:slow");
    assert!((SECOND..10 * SECOND).contains(&lasted), "{lasted:?}");
    // Who is not slow is not concerned.
    node.say(message("in time")).await;
}

#[tokio::test]
async fn a_body_that_is_too_large_and_does_not_come_ends_too() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_CONTENT", "1KiB"), ("BODY_TIMEOUT", "1s")]).await;
    let mut socket = slow_post(&node, 1 << 30).await;
    socket.write_all(&[b'x'; 32 << 10]).await.unwrap();
    let (said, lasted) = to_end(socket).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(lasted < 20 * SECOND, "{lasted:?}");
}

#[tokio::test]
async fn a_head_that_is_too_long_or_has_too_many_fields_is_answered_and_the_connection_ends() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_HEAD", "8KiB")]).await;
    let fields = |count: usize| (0..count).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    let long = format!("x: {}\r\n", "y".repeat(9 << 10));
    for more in [long.as_str(), &fields(200)] {
        let socket = ask(&node, format!("GET /health/live HTTP/1.1\r\nHost: here\r\n{more}\r\n")).await;
        let (said, _) = to_end(socket).await;
        assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
    }
    let allowed =
        format!("GET /health/live HTTP/1.1\r\nHost: here\r\n{}x: {}\r\n\r\n", fields(50), "y".repeat(6 << 10));
    read_until(&mut ask(&node, allowed).await, "HTTP/1.1 200 OK").await;

    let (mut requests, connection) = http2(&node).await;
    tokio::spawn(connection);
    let mut request = get(&node, "/health/live");
    request.headers_mut().insert("x", "y".repeat(9 << 10).parse().unwrap());
    let refused = requests.send_request(request).await;
    assert!(refused.as_ref().is_ok_and(|answer| answer.status() == 431) || refused.is_err(), "{refused:?}");
    assert_eq!(requests.send_request(get(&node, "/health/live")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_client_of_http2_has_only_so_many_requests_at_once() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_HTTP2_STREAMS", "2")]).await;
    let (mut requests, connection) = http2(&node).await;
    tokio::spawn(connection);
    let one = requests.send_request(get(&node, "/stream")).await.unwrap();
    let two = requests.send_request(get(&node, "/stream")).await.unwrap();
    let mut third = std::pin::pin!(requests.send_request(get(&node, "/health/live")));
    assert!(tokio::time::timeout(SECOND, third.as_mut()).await.is_err(), "it has to wait");
    drop(one);
    assert_eq!(soon("its turn", third).await.unwrap().status(), 200);
    drop(two);
}

#[tokio::test]
async fn a_client_of_http2_that_takes_its_requests_back_again_and_again_is_sent_away() {
    let (_world, node) = World::with_node().await;
    let mut asked_and_taken_back = PREFACE.to_vec();
    for stream in (1..2001_u32).step_by(2).map(u32::to_be_bytes) {
        let request = [b"\0\0\x11\x01\x05", &stream[..], &STREAM_OF_HTTP2[9..]].concat();
        asked_and_taken_back.extend([request, [b"\0\0\x04\x03\0", &stream[..], b"\0\0\0\x08"].concat()].concat());
    }
    let (_, lasted) = to_end(ask(&node, asked_and_taken_back).await).await;
    assert!(lasted < 5 * SECOND, "it is not closed for its silence: {lasted:?}");
    assert_eq!(node.get("/health/live").await.status, 200);
}
