//! Oversized everything: whatever a client sends much of is refused, and the node stays small.

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Empty;
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Method;
use sqlx::Executor;

use crate::support::{
    Figures, Node, World, message,
    raw::{connect, exchange},
    soon, until,
};

/// What a node may take in memory beside what it took before, in KiB, when it has refused much.
const GROWTH: usize = 64 << 10;

/// The status of the answer to bytes on a connection of their own.
async fn status(node: &Node, request: String) -> String {
    exchange(node, request).await.chars().skip(9).take(3).collect()
}

fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{lines}\r\n")
}

#[tokio::test]
async fn cwe_770_every_part_of_a_head_has_its_most() {
    let (_world, node) = World::with_node().await;
    let long = "a".repeat(100_000);
    let before = node.memory("VmRSS");
    let cases = [
        ("target", get(&format!("/{long}"), ""), "431"),
        ("query", get(&format!("/message?cursor={long}"), ""), "431"),
        ("name", get("/message", &format!("{long}: a\r\n")), "431"),
        ("value", get("/message", &format!("Last-Event-ID: {long}\r\n")), "431"),
        ("number", get("/message", &"X-A: b\r\n".repeat(1000)), "431"),
        ("method", format!("{long} /message HTTP/1.1\r\n\r\n"), "4"),
    ];
    for (what, request, wanted) in cases {
        for _ in 0..20 {
            let status = status(&node, request.clone()).await;
            assert!(status.starts_with(wanted), "{what}: {status}");
        }
    }
    assert!(node.memory("VmHWM") < before + GROWTH, "{} KiB", node.memory("VmHWM"));
}

#[tokio::test]
async fn cwe_400_a_body_that_means_much_work_is_refused_at_little() {
    let (_world, node) = World::with_node().await;
    let before = node.memory("VmRSS");
    let deep = "[".repeat(500_000);
    let numbers = format!("{{\"content\": {}1{}}}", "[".repeat(100), "]".repeat(100));
    let fields: String = (0..50_000).map(|number| format!("\"f{number}\":1,")).collect();
    for body in [
        deep,
        numbers,
        format!("{{{fields}\"content\":\"a\"}}"),
        format!("{{\"content\":\"{}", "\\u0061".repeat(99_999)),
        format!("{{\"{}\":1}}", "f".repeat(500_000)),
    ] {
        let request = node.http.post(format!("{}/message", node.url)).header("content-type", "application/json");
        let answer = soon("an answer", request.body(body).send()).await.unwrap();
        assert!([400, 413, 422].contains(&answer.status().as_u16()), "{}", answer.status());
        // The answer does not repeat what was sent.
        assert!(answer.text().await.unwrap().len() < 1000);
    }
    assert!(node.memory("VmHWM") < before + GROWTH, "{} KiB", node.memory("VmHWM"));
}

#[tokio::test]
async fn cwe_409_a_body_that_is_compressed_is_not_unpacked() {
    let (world, node) = World::with_node().await;
    for encoding in ["gzip", "br", "zstd", "deflate"] {
        let request = node.http.post(format!("{}/message", node.url)).header("content-encoding", encoding);
        let answer = soon("an answer", request.json(&message("packed")).send()).await.unwrap();
        assert_eq!(answer.status(), 415, "{encoding}");
    }
    assert_eq!(world.number("select count(*) from messages").await, 0);
}

#[tokio::test]
async fn cwe_400_unknown_methods_and_paths_cost_nothing_that_stays() {
    let (_world, node) = World::with_node().await;
    let before = node.memory("VmRSS");
    for number in 0..500 {
        let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        let answer = node.send(method, &format!("/nothing/{number}"), None).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
    }
    assert!(node.memory("VmRSS") < before + (16 << 10), "{} KiB", node.memory("VmRSS"));
}

#[tokio::test]
async fn cwe_770_an_answer_that_nobody_takes_is_dropped_and_no_other_with_it() {
    let world = World::new().await;
    let node = world.node_with(&[("WRITE_TIMEOUT", "1s"), ("KEEP_ALIVE", "100ms")]).await;
    let mut dropped = 0.0;
    // A client that lets us send nothing, and one that lets us send a byte.
    for window in [0, 1] {
        let mut http = http2::Builder::new(TokioExecutor::new());
        let io = TokioIo::new(connect(&node).await);
        let (mut requests, connection) = http.initial_stream_window_size(window).handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut ask = async |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(format!("{}{path}", node.url));
            requests.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
        };
        for path in ["/docs", "/stream"] {
            let answer = ask("GET", path).await;
            assert_eq!(answer.status(), 200);
            dropped += 1.0;
            until("it is dropped", async || Figures::of(&node).await.one("rowcast_slow_closes_total") == dropped).await;
            assert_eq!(ask("HEAD", "/health/live").await.status(), 200, "the connection stays");
        }
    }
}

#[tokio::test]
async fn cwe_770_however_many_ask_how_the_node_is_postgresql_is_asked_for_all_of_them() {
    let (world, node) = World::with_node().await;
    let mut locks = world.session().await;
    locks.execute("begin; lock table feed.tick in access exclusive mode").await.unwrap();
    let asking = join_all((0..60).map(|number| node.get(["/health/ready", "/health", "/metrics"][number % 3])));
    let watching = async {
        let asked = "select count(*) from pg_stat_activity where query like '%pg_trigger%' and wait_event_type = 'Lock'
            and pid <> pg_backend_pid()";
        until("it is asked", async || world.number(asked).await > 0).await;
        let most = world.number(asked).await;
        assert_eq!(node.get("/message").await.status, 200, "there is room for others");
        most.max(world.number(asked).await)
    };
    let (_, most) = tokio::join!(asking, watching);
    assert_eq!(most, 1);
    locks.execute("rollback").await.unwrap();
}
