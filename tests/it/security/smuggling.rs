//! One request is one request, as the proxy before a node sees it: what could be read in two ways is refused.

use crate::support::{
    Node, SENDER, World, message,
    raw::{STREAM, ask, exchange, read_until},
};

/// A request that an attacker hides in another one.
fn hidden() -> String {
    let body = format!("{{\"content\":\"smuggled\",\"sender_id\":\"{SENDER}\"}}");
    let head = "POST /message HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nConnection: close";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A post with these lines in its head, and this body.
fn post(lines: &str, body: &str) -> String {
    format!("POST /message HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n{lines}\r\n\r\n{body}")
}

async fn smuggled(world: &World) -> i64 {
    world.number("select count(*) from messages where content = 'smuggled'").await
}

/// Sends it, and waits until the node has closed the connection; how many answers came, and the status of the first.
async fn answers(node: &Node, request: String) -> (usize, String) {
    let text = exchange(node, request).await;
    (text.matches("HTTP/1.1 ").count(), text.chars().skip(9).take(3).collect())
}

#[tokio::test]
async fn cwe_444_a_length_that_can_be_read_in_two_ways_is_refused() {
    let (world, node) = World::with_node().await;
    let (hidden, chunks) = (hidden(), format!("0\r\n\r\n{}", hidden()));
    let length = hidden.len();
    let cases = [
        ("two lengths", post(&format!("Content-Length: 0\r\nContent-Length: {length}"), &hidden)),
        ("a list of lengths", post(&format!("Content-Length: 0, {length}"), &hidden)),
        ("a signed length", post("Content-Length: +0", &hidden)),
        ("a negative length", post("Content-Length: -1", &hidden)),
        ("a length in hex", post("Content-Length: 0x0", &hidden)),
        ("a length too large for any number", post("Content-Length: 18446744073709551616", &hidden)),
        ("chunked, but not last", post("Transfer-Encoding: chunked, identity", &chunks)),
        ("an unknown encoding", post("Transfer-Encoding: xchunked", &chunks)),
        ("a space before the colon", post("Transfer-Encoding : chunked", &chunks)),
        ("a folded line", post("Transfer-Encoding:\r\n chunked", &chunks)),
        ("a line without a name", post(": chunked", &chunks)),
        ("a size that is none", post("Transfer-Encoding: chunked", &format!("zz\r\n{hidden}"))),
        ("a size with a sign", post("Transfer-Encoding: chunked", &format!("-1\r\n{hidden}"))),
        (
            "a size too large for any number",
            post("Transfer-Encoding: chunked", &format!("fffffffffffffffff\r\n{hidden}")),
        ),
        ("a chunk longer than its size", post("Transfer-Encoding: chunked", &format!("1\r\nabc\r\n{chunks}"))),
        ("no version", format!("GET /message\r\n\r\n{hidden}")),
        ("spaces in the target", format!("GET /message HTTP/1.1 HTTP/1.1\r\nHost: here\r\n\r\n{hidden}")),
    ];
    for (what, request) in cases {
        let (count, status) = answers(&node, request).await;
        assert!(count <= 1 && (count == 0 || status == "400"), "{what}: {count} answers, the first {status}");
        assert_eq!(smuggled(&world).await, 0, "{what}");
    }
}

#[tokio::test]
async fn cwe_444_chunks_win_over_a_length_and_nothing_follows_them() {
    let (world, node) = World::with_node().await;
    let chunks = format!("0\r\n\r\n{}", hidden());
    for lines in ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let (count, status) = answers(&node, post(lines, &chunks)).await;
        assert!(count <= 1 && status.starts_with('4'), "{lines}: {count} answers, the first {status}");
        assert_eq!(smuggled(&world).await, 0, "{lines}");
    }
}

#[tokio::test]
async fn cwe_444_what_follows_a_stream_request_is_never_a_request() {
    for writers in ["1", "0"] {
        let world = World::new().await;
        let node = world.node_with(&[("WRITERS", writers)]).await;
        let mut socket = ask(&node, format!("{STREAM}{}", hidden())).await;
        read_until(&mut socket, "resumed\":false}\n\n").await;
        node.say(message("told")).await;
        read_until(&mut socket, "\"told\"").await;
        assert_eq!(smuggled(&world).await, 0, "WRITERS={writers}");
    }
}
