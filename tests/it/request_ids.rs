//! Every answer has an id, the client's own or a new one, and the log has it too: with what is needed to find a request
//! again, and nothing that is a secret.

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

use crate::support::{Answer, Log, Node, SENDER, World, message, soon};

/// A day in the life of a client, with a secret in each place where one may be.
const SECRETS: [&str; 5] = ["content-1a2b", "header-3c4d", "cookie-5e6f", "query-7a8b", "path-9c0d"];

fn id(headers: &HeaderMap) -> String {
    assert_eq!(headers.get_all("x-request-id").iter().count(), 1);
    headers["x-request-id"].to_str().unwrap().to_owned()
}

async fn get(node: &Node, path: &str, given: &str) -> Answer {
    Answer::of(node.http.get(format!("{}{path}", node.url)).header("X-Request-Id", given)).await
}

#[tokio::test]
async fn a_plain_id_comes_back_and_any_other_is_replaced() {
    let (_world, node) = World::with_node().await;
    for path in ["/message", "/message?limit=0", "/nowhere", "/docs"] {
        for plain in ["a", "0c544734-1888-5ee1-94a9-a8334a166413", "A.b_c~d-9", &"x".repeat(128)] {
            assert_eq!(id(&get(&node, path, plain).await.headers), plain, "{path}");
        }
        for odd in ["", "a b", "a\tb", "{\"a\":1}", "a;b", &"x".repeat(129)] {
            let new = id(&get(&node, path, odd).await.headers);
            assert_eq!(uuid::Uuid::parse_str(&new).unwrap().get_version_num(), 4, "{new}");
        }
    }
    let (one, other) = (node.get("/message").await, node.get("/message").await);
    assert_ne!(id(&one.headers), id(&other.headers));
}

#[tokio::test]
async fn a_stream_has_an_id_however_it_is_written() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let node = world.node_with(&[("WRITERS", writers)]).await;
        let request = node.http.get(format!("{}/stream", node.url)).header("X-Request-Id", "stream-1");
        let answer = soon("an answer", request.send()).await.unwrap();
        assert_eq!(id(answer.headers()), "stream-1", "WRITERS={writers}");
    }
}

#[tokio::test]
async fn every_answer_is_a_line_with_its_route_and_id_for_who_wants_that() {
    let world = World::new().await;
    let (node, log) = Node::start_logged(&world, &[("LOG", "warn,rowcast::exchange=debug")]).await;
    let message_id = node.say(message("1")).await;
    get(&node, &format!("/message/{message_id}"), "found").await;
    let line = log.line(&["found"]).await;
    for words in ["DEBUG", "method=\"GET\"", "route=\"/message/{id}\"", "status=200", " ms=", " bytes=", "request_id"] {
        assert!(line.contains(words), "{words}: {line}");
    }
    get(&node, "/message/77777", "lost").await;
    let line = log.line(&["lost"]).await;
    assert!(
        line.contains("status=404") && line.contains("route=\"/message/{id}\"") && !line.contains("77777"),
        "{line}"
    );
    get(&node, "/nowhere/at/all", "astray").await;
    assert!(log.line(&["astray"]).await.contains("route=\"unmatched\""));
    let _stream = node.stream("").await;
    log.line(&["route=\"/stream\"", "status=200"]).await;
}

#[tokio::test]
async fn what_is_usual_is_no_line_by_default_and_our_own_failure_is_a_warning_with_the_id() {
    let world = World::new().await;
    let (node, log) = Node::start_logged(&world, &[("LOG", "warn"), ("DATABASE_TIMEOUT", "300ms")]).await;
    get(&node, "/message", "well").await;
    world.sql("alter table messages rename to elsewhere").await;
    assert_eq!(get(&node, "/message", "trouble").await.status, 500);
    // The cause, which says so itself, and the answer.
    let cause = log.line(&["trouble", "the server failed"]).await;
    assert!(cause.contains("WARN") && cause.matches("does not exist").count() == 1, "{cause}");
    let answered = log.line(&["trouble", "rowcast::exchange"]).await;
    assert!(answered.contains("WARN") && answered.contains("status=500"), "{answered}");
    assert!(!log.text().contains("well"));
}

#[tokio::test]
async fn a_log_of_json_has_the_same_as_fields() {
    let world = World::new().await;
    let settings = [("LOG", "rowcast=debug"), ("LOG_FORMAT", "json")];
    let (node, log) = Node::start_logged(&world, &settings).await;
    let request = node.http.get(format!("{}/message/5", node.url)).header("X-Request-Id", "json-1");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    Answer::of(request.header("traceparent", parent)).await;
    let record = log.record(&["json-1", "answered"]).await;
    assert_eq!(record["span"]["request_id"], "json-1");
    assert_eq!(record["span"]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    let fields = &record["fields"];
    assert_eq!((&fields["method"], &fields["route"]), (&json!("GET"), &json!("/message/{id}")));
    assert_eq!((&fields["status"], fields["ms"].is_f64()), (&json!(404), true));
    assert!(fields["bytes"].as_u64().unwrap() > 0);
    for line in log.text().lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

/// Sends secrets in every place; all of it is logged that can be.
async fn confide(node: &Node) {
    let [content, header, cookie, query, path] = SECRETS;
    let bodies = [
        json!({ "content": content, "sender_id": SENDER }),
        json!({ "content": content, "sender_id": SENDER, "room": "a b" }),
        json!({ "content": [content], "sender_id": SENDER }),
        json!({ "content": format!("{content}\0"), "sender_id": SENDER }),
    ];
    for body in bodies {
        for (method, at) in [(Method::POST, "/message"), (Method::PATCH, "/message/1"), (Method::PUT, "/message")] {
            let url = format!("{}{at}?access_token={query}", node.url);
            let request = node.http.request(method, url).json(&body).header("Cookie", format!("session={cookie}"));
            Answer::of(request.bearer_auth(header).header("X-Request-Id", "confided")).await;
        }
    }
    for at in ["/stream", "/stream?last_event_id=x", "/nowhere"] {
        let mark = if at.contains('?') { '&' } else { '?' };
        let url = format!("{}{at}{mark}access_token={query}", node.url);
        let request = node.http.get(url).bearer_auth(header).header("Cookie", cookie);
        soon("an answer", request.send()).await.unwrap();
    }
    node.get(&format!("/{path}?cursor={query}")).await;
    node.get(&format!("/message/{path}")).await;
}

#[tokio::test]
async fn no_secret_of_a_client_is_ever_logged() {
    let world = World::new().await;
    for format in ["text", "json"] {
        let (mut node, log) = Node::start_logged(&world, &[("LOG", "rowcast=trace"), ("LOG_FORMAT", format)]).await;
        confide(&node).await;
        node.signal("TERM");
        soon("the end", node.process.wait()).await.unwrap();
        assert_silent(&log);
    }
    // Trouble has more to say than what goes well.
    let (mut node, log) = Node::start_logged(&world, &[("LOG", "rowcast=trace,warn")]).await;
    world.sql("alter table messages add constraint short check (length(content) < 3) not valid").await;
    confide(&node).await;
    world.sql("alter table messages rename to elsewhere").await;
    confide(&node).await;
    node.signal("TERM");
    soon("the end", node.process.wait()).await.unwrap();
    assert_silent(&log);
}

fn assert_silent(log: &Log) {
    let text = log.text();
    assert!(text.contains("confided") && text.matches("answered").count() >= 12, "the requests are logged: {text}");
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
