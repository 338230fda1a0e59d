//! Behind a proxy that carries bytes, a client's address is what the proxy says.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    Node, World,
    raw::{LIVE, STREAM, ask, connect, read_until, to_end},
};

/// The address shows in who has its most.
const SETTINGS: [(&str, &str); 3] =
    [("PROXY_PROTOCOL", "true"), ("MAX_CONNECTIONS_PER_ADDRESS", "1"), ("HEAD_TIMEOUT", "1s")];

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 with this command, family and rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// From this address to another, with something about the client behind.
fn of_v4(source: [u8; 4]) -> Vec<u8> {
    binary(0x21, 0x11, &[&source[..], &[127, 0, 0, 1], &[0x12, 0x34, 0, 80], &[4, 0, 3, 1, 2, 3]].concat())
}

/// The head of the answer to a request behind this header; the connection stays open.
async fn answer(node: &Node, header: impl AsRef<[u8]>) -> (TcpStream, String) {
    let mut socket = ask(node, [header.as_ref(), LIVE.as_bytes()].concat()).await;
    let head = read_until(&mut socket, "\r\n\r\n").await;
    (socket, head)
}

#[tokio::test]
async fn a_client_has_the_address_that_the_header_names() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    let of_v6 =
        binary(0x21, 0x21, &[&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0x99], &[7; 8][..], &[1; 16], &[0, 1, 0, 2]].concat());
    let clients = [
        ("v1 tcp4", b"PROXY TCP4 192.0.2.1 192.0.2.9 56324 443\r\n".to_vec()),
        ("v1 tcp6", b"PROXY TCP6 2001:db8:0:1::1 2001:db8::9 56324 443\r\n".to_vec()),
        ("v2 tcp4", of_v4([192, 0, 2, 2])),
        ("v2 tcp6", of_v6),
    ];
    let mut open = Vec::new();
    for (name, header) in &clients {
        let (socket, head) = answer(&node, header).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{name}: {head}");
        open.push(socket);
    }
    let again = [
        b"PROXY TCP4 192.0.2.1 192.0.2.9 1 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.2 192.0.2.9 1 443\r\n".to_vec(),
        b"PROXY TCP6 2001:db8:0:1::2 2001:db8::9 56324 443\r\n".to_vec(),
    ];
    for header in again {
        let (_, head) = answer(&node, &header).await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{}: {head}", String::from_utf8_lossy(&header));
    }
}

#[tokio::test]
async fn where_the_proxy_speaks_for_itself_the_address_is_its_own() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    let own = ["PROXY UNKNOWN\r\n".as_bytes().to_vec(), binary(0x20, 0, &[]), binary(0x21, 0, &[])];
    let (_first, head) = answer(&node, "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    for header in own {
        let (_, head) = answer(&node, &header).await;
        assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    }
}

#[tokio::test]
async fn a_header_may_come_in_pieces_and_a_stream_may_follow() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    for header in [b"PROXY TCP4 192.0.2.3 192.0.2.9 56324 443\r\n".to_vec(), of_v4([192, 0, 2, 4])] {
        let mut socket = connect(&node).await;
        socket.set_nodelay(true).unwrap();
        for byte in header {
            socket.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        socket.write_all(STREAM.as_bytes()).await.unwrap();
        read_until(&mut socket, "resumed\":false}\n\n").await;
    }
}

#[tokio::test]
async fn a_connection_that_begins_otherwise_is_closed_without_a_word() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    let long = format!("PROXY TCP4 {} 1 2\r\n", "1".repeat(200));
    let wrong: [&[u8]; 8] = [
        LIVE.as_bytes(),
        b"PROXY TCP4 192.0.2.1 nonsense 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n",
        b"PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        long.as_bytes(),
        &binary(0x31, 0x11, &[0; 12]),
        &binary(0x21, 0x11, &[0; 3]),
        &binary(0x21, 0x11, &[0; 60_000]),
    ];
    for header in wrong {
        let (said, lasted) = to_end(ask(&node, [header, LIVE.as_bytes()].concat()).await).await;
        assert!(said.is_empty(), "{}: {said}", String::from_utf8_lossy(header));
        assert!(lasted < Duration::from_secs(1), "it is closed at once, not after the head timeout: {lasted:?}");
    }
}

#[tokio::test]
async fn half_a_header_is_waited_for_as_long_as_for_a_head() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    for begun in [&b"PRO"[..], b"PROXY TCP4 192.0.2.1 ", SIGNATURE, &binary(0x21, 0x11, &[1; 40])[..30]] {
        let mut socket = ask(&node, begun).await;
        let early = tokio::time::timeout(Duration::from_millis(500), socket.read_u8()).await;
        assert!(early.is_err(), "{early:?}");
        let (said, _) = to_end(socket).await;
        assert!(said.is_empty(), "{said}");
    }
}
