//! However a stream is written, presence is on it, and ends with it: by writers of our own, by the HTTP library, over
//! HTTP/2, over TLS.

use reqwest::Client;

use super::{QUICK, Reader, being, until_there};
use crate::{
    support::{Node, World, message_in, raw, until},
    tls::Authority,
};

/// Comes, is told of another, and goes; the feed comes in between.
async fn carries_presence(node: &Node) {
    let mut one = Reader::open(node, &being(1, &["a"])).await;
    one.until("a", &[1]).await;
    let mut other = Reader::open(node, &being(2, &["a"])).await;
    other.until("a", &[1, 2]).await;
    assert_eq!(one.next().await, "a +2");
    for number in 0..20 {
        node.say(message_in("a", &number.to_string())).await;
    }
    for stream in [&mut one.stream, &mut other.stream] {
        for number in 0..20 {
            assert_eq!(stream.next().await.content(), number.to_string());
        }
    }
    drop(other);
    assert_eq!(one.next().await, "a -2");
    drop(one);
    until_there(node, "a", &[]).await;
}

#[tokio::test]
async fn streams_of_plain_http_carry_presence_whoever_writes_them() {
    let world = World::new().await;
    for writers in ["0", "1", "4"] {
        let node = world.node_with(&[&QUICK[..], &[("WRITERS", writers)]].concat()).await;
        carries_presence(&node).await;
    }
}

#[tokio::test]
async fn streams_of_http2_carry_presence() {
    let world = World::new().await;
    let mut node = world.node_with(&QUICK).await;
    node.http = Client::builder().http2_prior_knowledge().build().unwrap();
    carries_presence(&node).await;
}

#[tokio::test]
async fn streams_over_tls_carry_presence() {
    let (world, authority) = (World::new().await, Authority::new());
    let node = authority.node(&world, &QUICK).await;
    carries_presence(&node).await;
}

#[tokio::test]
async fn who_hangs_up_without_a_word_is_let_go() {
    let world = World::new().await;
    for writers in ["0", "2"] {
        let node = world.node_with(&[&QUICK[..], &[("WRITERS", writers)]].concat()).await;
        let request = format!("GET /stream{} HTTP/1.1\r\nHost: here\r\n\r\n", being(1, &["a"]));
        let mut socket = raw::ask(&node, request).await;
        raw::read_until(&mut socket, "\"presence\"").await;
        until_there(&node, "a", &[(1, 1)]).await;
        socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(socket);
        until_there(&node, "a", &[]).await;
        until("the stream is gone", async || node.subscribers().await == 0).await;
    }
}
