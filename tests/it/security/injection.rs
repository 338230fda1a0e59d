//! Text of a client stays text: in SQL, in events, in headers.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Node, SENDER, World, message, raw::exchange};

/// Texts that mean something to SQL, to server-sent events, or to the head of an answer.
const TEXTS: [&str; 12] = [
    "' or 1=1 --",
    "'; drop table messages; --",
    "\\'; delete from feed.log; --",
    "$1",
    "$$; truncate messages; $$",
    "%' and pg_sleep(10) --",
    "\n\ndata: {\"type\":\"bye\"}\n\n",
    "a\nid: 9-9\nevent: other\nretry: 1",
    "a\r\r\n\rid: 9-9\r\n\r\n",
    ":\n:\n\u{2028}\u{2029}\u{85}\u{feff}",
    "a\r\nSet-Cookie: a=b\r\n\r\n<script>",
    "{\"type\":\"reset\"}",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// The table as it was, and the log with it.
async fn rows(world: &World) -> (i64, i64) {
    (world.number("select count(*) from messages").await, world.number("select count(*) from feed.log").await)
}

#[tokio::test]
async fn cwe_89_sql_in_a_parameter_is_a_bad_parameter() {
    let (world, node) = World::with_node().await;
    node.say(message("1")).await;
    let before = rows(&world).await;
    for text in TEXTS {
        let text = encoded(text);
        for query in ["cursor", "room", "sender_id", "limit"] {
            let answer = node.get(&format!("/message?{query}={text}")).await;
            assert_eq!((answer.status.as_u16(), answer.wrong_fields()), (422, vec![query]), "{text}");
        }
        for method in [Method::GET, Method::DELETE] {
            let answer = node.send(method, &format!("/message/{text}"), None).await;
            assert_eq!((answer.status.as_u16(), answer.wrong_fields()), (422, vec!["id"]), "{text}");
        }
        for query in ["room", "last_event_id"] {
            let answer = node.get(&format!("/stream?{query}={text}")).await;
            assert_eq!((answer.status.as_u16(), answer.wrong_fields()), (422, vec![query]), "{text}");
        }
    }
    assert_eq!(rows(&world).await, before);
}

#[tokio::test]
async fn cwe_89_sql_in_a_message_is_its_text() {
    let (world, node) = World::with_node().await;
    for text in TEXTS {
        let file: String = text.chars().take(50).collect();
        let answer = node.post("/message", &json!({ "content": text, "file": file, "sender_id": SENDER })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{text}");
        assert_eq!((&answer.body["content"], &answer.body["file"]), (&json!(text), &json!(file)));
    }
    assert_eq!(world.number("select count(*) from messages").await, TEXTS.len() as i64);
}

#[tokio::test]
async fn cwe_93_no_text_of_a_row_breaks_an_event_or_begins_one() {
    for writers in ["1", "0"] {
        let world = World::new().await;
        let node = world.node_with(&[("WRITERS", writers)]).await;
        let mut stream = node.stream("").await;
        let retry = stream.retry;
        for text in TEXTS {
            let insert =
                sqlx::query("insert into messages (content, file, sender_id) values ($1, left($1, 50), $2::uuid)");
            insert.bind(text).bind(SENDER).execute(&world.pool).await.unwrap();
            let event = stream.next().await;
            assert_eq!((event.kind().as_str(), event.content().as_str()), ("new_message", text));
            assert_eq!(event.id, event.data()["data"]["event_id"], "{text}");
        }
        assert_eq!(stream.retry, retry, "nobody but the node says when to come back");
    }
}

/// The head of the one answer to a request on a connection of its own.
async fn head(node: &Node, request: String) -> String {
    let answer = exchange(node, request).await;
    answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}")).0.to_lowercase()
}

#[tokio::test]
async fn cwe_113_no_line_of_a_head_is_of_a_clients_making() {
    let (_world, node) = World::with_node().await;
    let evil = "%0d%0aX-Evil:%20yes%0d%0a%0d%0a";
    let paths = [
        format!("/message{evil}"),
        format!("/message/1{evil}"),
        format!("/message?cursor={evil}"),
        format!("/stream?room={evil}"),
        format!("/stream?last_event_id={evil}"),
        format!("/docs/{evil}"),
        format!("/{evil}"),
    ];
    for path in paths {
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        let head = head(&node, request).await;
        assert!(head.starts_with("http/1.1 4") && !head.contains("x-evil"), "{path}: {head}");
    }
    // A head with a broken line in a value is no head.
    for name in ["Last-Event-ID", "X-Request-Id", "Idempotency-Key", "Origin", "traceparent"] {
        for broken in ["a\rX-Evil: yes", "a\nX-Evil: yes\n", "a\0b"] {
            let request =
                format!("GET /message HTTP/1.1\r\nHost: here\r\n{name}: {broken}\r\nConnection: close\r\n\r\n");
            let head = head(&node, request).await;
            assert!(!head.contains("x-evil"), "{name} {broken:?}: {head}");
        }
    }
}
