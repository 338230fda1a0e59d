//! A session's stream over everything that carries it: its end ends the answer, who takes nothing is closed, and who
//! leaves is noticed.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::{Client, StatusCode, Version};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpSocket};

use super::reader::{Stream, ask};
use crate::{
    session::{append, at, batch, last_batch, opened},
    support::{
        Figures, Node, World,
        raw::{self, address, connect, read_until, to_end},
        soon, until,
    },
    tls::Authority,
};

/// How many readers' streams have ended for this reason.
async fn ended(node: &Node, reason: &str) -> f64 {
    Figures::of(node).await.get("rowcast_session_readers_ended_total", &[("reason", reason)]).unwrap()
}

/// One stream that is there from the beginning and one that comes when it is over both end, and are counted so.
async fn its_end_ends_the_answer(node: &Node, version: Version) {
    let session = opened(node).await;
    let answer = ask(node, &session, "").await;
    assert_eq!(answer.version(), version);
    let mut stream = Stream::from(answer);
    append(node, &session, &batch(&[(0, "to "), (1, "the ")])).await;
    stream.reach(1).await;
    append(node, &session, &last_batch(&[(2, "end")], 2)).await;
    assert_eq!(stream.rest().await.last().unwrap().name, "message_complete");
    assert_eq!(Stream::of(node, &session).await.rest().await.len(), 1);
    assert_eq!(ask(node, &session, "end").await.status(), StatusCode::NO_CONTENT);
    until("their ends are counted", async || ended(node, "over").await == 2.0).await;
    assert_eq!(ended(node, "client").await, 0.0);
}

/// A client that leaves is counted as such, once.
async fn leaving_is_noticed(node: &Node) {
    let session = opened(node).await;
    let (mut leaves, mut stays) = (Stream::of(node, &session).await, Stream::of(node, &session).await);
    append(node, &session, &batch(&[(0, "a")])).await;
    leaves.reach(0).await;
    drop(leaves);
    until("it is gone", async || ended(node, "client").await == 1.0).await;
    append(node, &session, &batch(&[(1, "b")])).await;
    stays.reach(1).await;
    assert_eq!(Figures::of(node).await.one("rowcast_session_readers"), 1.0);
}

#[tokio::test]
async fn over_plain_http_whoever_writes_it() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let node = world.node_with(&[("WRITERS", writers)]).await;
        its_end_ends_the_answer(&node, Version::HTTP_11).await;
        leaving_is_noticed(&node).await;
    }
}

#[tokio::test]
async fn over_http2_without_tls() {
    let (_world, mut node) = World::with_node().await;
    node.http = Client::builder().http2_prior_knowledge().build().unwrap();
    its_end_ends_the_answer(&node, Version::HTTP_2).await;
    leaving_is_noticed(&node).await;
}

#[tokio::test]
async fn over_tls() {
    let (world, authority) = (World::new().await, Authority::new());
    let node = authority.node(&world, &[]).await;
    its_end_ends_the_answer(&node, Version::HTTP_2).await;
    leaving_is_noticed(&node).await;
}

#[tokio::test]
async fn the_connection_of_a_stream_that_is_over_is_closed_or_free_for_the_next_request() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let node = world.node_with(&[("WRITERS", writers), ("IDLE_TIMEOUT", "1h")]).await;
        let session = opened(&node).await;
        let request = format!("GET {} HTTP/1.1\r\nHost: here\r\n\r\n", at(&session, "/stream"));
        let mut socket = connect(&node).await;
        socket.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut socket, "event: connected\n").await;
        append(&node, &session, &last_batch(&[(0, "all")], 0)).await;
        if writers == "2" {
            let (rest, _) = to_end(socket).await;
            assert!(rest.contains("event: message_complete\n") && rest.ends_with("\n\n"), "{rest}");
        } else {
            read_until(&mut socket, "\r\n0\r\n\r\n").await;
            socket.write_all(raw::LIVE.as_bytes()).await.unwrap();
            read_until(&mut socket, "200 OK").await;
        }
    }
}

const SLOW: [(&str, &str); 3] = [("WRITE_TIMEOUT", "1s"), ("SEND_BUFFER", "8KiB"), ("KEEP_ALIVE", "1h")];

/// A session with more text than any buffer on the way holds, and one reader that takes all of it.
async fn much(node: &Node) -> (Value, Stream) {
    let session = opened(node).await;
    let (mut reader, text) = (Stream::of(node, &session).await, "nobody reads ".repeat(4000));
    for number in 0..16 {
        assert_eq!(append(node, &session, &batch(&[(number, &text)])).await.status, StatusCode::OK);
        reader.reach(number).await;
    }
    (session, reader)
}

#[tokio::test]
async fn who_takes_nothing_is_closed_and_holds_up_nobody() {
    let world = World::new().await;
    // The HTTP library does not say why a stream of its own ends.
    for (writers, reason) in [("2", "slow"), ("0", "client")] {
        let node = world.node_with(&[&SLOW[..], &[("WRITERS", writers)]].concat()).await;
        let (session, mut reader) = much(&node).await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut deaf = socket.connect(address(&node).parse().unwrap()).await.unwrap();
        deaf.write_all(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", at(&session, "/stream")).as_bytes())
            .await
            .unwrap();
        until("it is closed", async || ended(&node, reason).await == 1.0).await;
        assert_eq!(Figures::of(&node).await.one("rowcast_slow_closes_total"), 1.0, "with {writers} writers");
        append(&node, &session, &batch(&[(16, "and on")])).await;
        reader.reach(16).await;
        assert_eq!(Figures::of(&node).await.one("rowcast_session_readers"), 1.0);
        drop(deaf);
    }
}

#[tokio::test]
async fn over_http2_who_takes_nothing_loses_that_stream_and_not_the_connection() {
    let world = World::new().await;
    let node = world.node_with(&SLOW).await;
    let (session, mut reader) = much(&node).await;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(4096);
    let (mut requests, connection) = builder.handshake(TokioIo::new(connect(&node).await)).await.unwrap();
    tokio::spawn(connection);
    let get = |path: &str| hyper::Request::get(format!("{}{path}", node.url)).body(Empty::<Bytes>::new()).unwrap();
    // It is never read, so its window is never opened again.
    let deaf = requests.send_request(get(&at(&session, "/stream"))).await.unwrap();
    until("it is ended", async || ended(&node, "client").await == 1.0).await;
    assert_eq!(Figures::of(&node).await.one("rowcast_slow_closes_total"), 1.0);
    let answer = soon("an answer", requests.send_request(get("/health/live"))).await.unwrap();
    assert!(!answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    append(&node, &session, &batch(&[(16, "and on")])).await;
    reader.reach(16).await;
    drop(deaf);
}
