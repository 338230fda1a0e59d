//! Answers are compressed for those who like that; streams never are.

use std::{
    io::Write,
    process::{Command as Blocking, Stdio},
};

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::support::{Events, Node, World, message, soon};

async fn ask(node: &Node, method: Method, path: &str, accept: &str) -> Response {
    let request = node.http.request(method, format!("{}{path}", node.url)).header("Accept-Encoding", accept);
    soon("an answer", request.send()).await.unwrap()
}

fn said<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// What gzip itself makes of it.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Blocking::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, bytes) = (gzip.stdin.take().unwrap(), bytes.to_vec());
    let writing = std::thread::spawn(move || input.write_all(&bytes).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    output.stdout
}

async fn node_with_text(world: &World) -> (Node, String) {
    let node = world.node().await;
    let text = "said again and again, ".repeat(10_000);
    node.say(message(&text)).await;
    (node, text)
}

#[tokio::test]
async fn a_large_answer_is_compressed_for_who_takes_gzip_and_only_then() {
    let world = World::new().await;
    let (node, text) = node_with_text(&world).await;
    for (accept, packed) in [
        ("gzip", true),
        ("gzip, deflate, br, zstd", true),
        ("br;q=1, *;q=0.5", true),
        ("gzip; q=0", false),
        ("identity", false),
        ("br", false),
        ("zstd", false),
    ] {
        let answer = ask(&node, Method::GET, "/message", accept).await;
        assert_eq!(said(&answer, "content-encoding"), if packed { "gzip" } else { "" }, "{accept}");
        assert_eq!(said(&answer, "vary"), "Accept-Encoding");
        assert_eq!(said(&answer, "content-type"), "application/json");
        assert!(!said(&answer, "feed-position").is_empty());
        let length = said(&answer, "content-length").parse::<usize>().ok();
        let bytes = answer.bytes().await.unwrap().to_vec();
        assert!(length.is_none_or(|length| length == bytes.len()));
        assert_eq!(bytes.len() < text.len() / 10, packed);
        let page: Value = serde_json::from_slice(&if packed { unpacked(&bytes) } else { bytes }).unwrap();
        assert_eq!(page["messages"][0]["content"], text);
    }
}

#[tokio::test]
async fn the_page_and_the_document_are_compressed_once() {
    let (_world, node) = World::with_node().await;
    for path in ["/docs", "/openapi.json", "/openapi.yaml"] {
        let plain = ask(&node, Method::GET, path, "identity").await.bytes().await.unwrap();
        ask(&node, Method::GET, path, "gzip").await;
        let packed = ask(&node, Method::GET, path, "gzip").await;
        assert_eq!(said(&packed, "content-encoding"), "gzip", "{path}");
        // Its length is known beforehand: it was not compressed for this answer alone.
        let length = said(&packed, "content-length").parse::<usize>().ok();
        let bytes = packed.bytes().await.unwrap();
        assert_eq!(length, Some(bytes.len()), "{path}");
        assert_eq!(unpacked(&bytes), plain, "{path}");
    }
}

#[tokio::test]
async fn what_is_small_or_empty_is_left_as_it_is() {
    let world = World::new().await;
    let node = world.node_with(&[("COMPRESS_FROM", "500B")]).await;
    let id = node.say(message(&"a".repeat(499))).await;
    let one = format!("/message/{id}");
    assert_eq!(said(&ask(&node, Method::GET, &one, "gzip").await, "content-encoding"), "gzip");
    let head = ask(&node, Method::HEAD, &one, "gzip").await;
    assert_eq!(
        (said(&head, "content-encoding"), head.status()),
        ("", ask(&node, Method::HEAD, &one, "").await.status())
    );
    let gone = ask(&node, Method::DELETE, &one, "gzip").await;
    assert_eq!((said(&gone, "content-encoding"), gone.status().as_u16()), ("", 204));
    let problem = ask(&node, Method::GET, &one, "gzip").await;
    assert_eq!((said(&problem, "content-encoding"), problem.status().as_u16()), ("", 404));
    assert_eq!(said(&problem, "content-length").parse::<usize>().unwrap(), problem.bytes().await.unwrap().len());
    let id = node.say(message("a")).await;
    let small = ask(&node, Method::GET, &format!("/message/{id}"), "gzip").await;
    assert_eq!((said(&small, "content-encoding"), said(&small, "vary")), ("", "Accept-Encoding"));
}

#[tokio::test]
async fn a_stream_is_never_compressed_nor_held_back() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let node = world.node_with(&[("WRITERS", writers), ("COMPRESS_FROM", "1B")]).await;
        let answer = ask(&node, Method::GET, "/stream", "gzip").await;
        assert_eq!((said(&answer, "content-encoding"), said(&answer, "vary")), ("", ""));
        let mut events = Events::new(answer);
        assert_eq!(events.next().await.kind(), "connected");
        // Each comes by itself, with nothing behind it.
        for content in ["one", "two"] {
            node.say(message(content)).await;
            assert_eq!(events.next().await.content(), content, "WRITERS={writers}");
        }
    }
}

#[tokio::test]
async fn a_stream_over_http_2_is_never_compressed_nor_held_back() {
    let world = World::new().await;
    let node = world.node_with(&[("COMPRESS_FROM", "1B")]).await;
    let mut curl = Command::new("curl");
    curl.args(["-sNi", "--http2-prior-knowledge", "-H", "Accept-Encoding: gzip", &format!("{}/stream", node.url)]);
    let mut curl = curl.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    let mut line_with = async |text: &str| loop {
        let line = soon("a line", lines.next_line()).await.unwrap().expect("the stream goes on");
        assert!(!line.to_lowercase().starts_with("content-encoding"), "{line}");
        if line.contains(text) {
            break;
        }
    };
    line_with("HTTP/2 200").await;
    line_with("connected").await;
    for content in ["one", "two"] {
        node.say(message(content)).await;
        line_with(&format!("\"content\":\"{content}\"")).await;
    }
}
