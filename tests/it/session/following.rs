//! A session's stream, as HTTP has it: which statuses, which headers, and that a cursor is one.

use poem_openapi::types::ParseFromJSON;
use reqwest::StatusCode;
use rowcast::api::SessionEvent;
use serde_json::{Value, json};

use super::{append, at, batch, cancel, follow, last_batch, look, opened};
use crate::{
    openapi::differences,
    problems::assert_problem,
    support::{Answer, Node, World, soon, until},
};

/// Asks for a session's stream, with this `Last-Event-ID`.
async fn from(node: &Node, path: &str, cursor: impl AsRef<[u8]>) -> Answer {
    let request = node.http.get(format!("{}{path}", node.url));
    let cursor = reqwest::header::HeaderValue::from_bytes(cursor.as_ref()).unwrap();
    Answer::of(request.header("Last-Event-ID", cursor)).await
}

/// The names and data of all events to the end of the stream.
async fn told(response: reqwest::Response) -> Vec<(String, Value)> {
    let text = soon("the end of the stream", response.text()).await.unwrap();
    let field = |event: &str, name: &str| event.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
    let events = text.split("\n\n").filter_map(|event| Some((field(event, "event: ")?, field(event, "data: ")?)));
    events.map(|(name, data)| (name, serde_json::from_str(&data).unwrap())).collect()
}

#[tokio::test]
async fn a_stream_is_for_now_and_not_for_caches_and_proxies() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let node = world.node_with(&[("WRITERS", writers)]).await;
        let session = opened(&node).await;
        let response = follow(&node, None, &at(&session, "/stream")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        let told = ["content-type", "cache-control", "x-accel-buffering"].map(header);
        assert_eq!(told, ["text/event-stream", "no-store", "no"], "with {writers} writers");
    }
}

#[tokio::test]
async fn the_events_of_a_session_are_what_the_document_says() {
    let world = World::new().await;
    let node = world.node_with(&[("KEEP_ALIVE", "50ms"), ("SESSION_PATIENCE", "5s")]).await;
    let all = async |chunks: Value, told_chunks: usize, end: Option<Value>| {
        let session = opened(&node).await;
        let mut response = follow(&node, None, &at(&session, "/stream")).await;
        let mut begin = String::new();
        let mut have = async |event: &'static str, count: usize| {
            while begin.matches(event).count() < count {
                begin += std::str::from_utf8(&soon(event, response.chunk()).await.unwrap().unwrap()).unwrap();
            }
        };
        // A ping has come, and so the reader is there.
        have("event: ping", 1).await;
        append(&node, &session, &chunks).await;
        // Who has not seen a chunk by the end is told the end alone.
        have("event: chunk", told_chunks).await;
        match end {
            Some(end) => drop(append(&node, &session, &end).await),
            None => drop(cancel(&node, &session, "").await),
        }
        let response = told(response).await;
        let begun = told(reqwest::Response::from(hyper::Response::new(begin))).await;
        [begun, response].concat()
    };
    let mut events = all(batch(&[(0, "one "), (1, "two")]), 2, Some(last_batch(&[], 1))).await;
    events.extend(all(batch(&[(0, "kept"), (2, "lost")]), 1, None).await);
    events.extend(all(batch(&[(0, "")]), 1, Some(last_batch(&[], 0))).await);
    let document = node.get("/openapi.json").await.body;
    let mut kinds: Vec<String> = Vec::new();
    for (name, data) in events {
        let schema = match &*name {
            "connected" => "SessionConnectedEvent",
            "chunk" => "SessionChunkEvent",
            "message_complete" => "MessageCompleteEvent",
            "session_failed" => "SessionFailedEvent",
            "session_cancelled" => "SessionCancelledEvent",
            "ping" => "SessionPingEvent",
            other => panic!("an event that nobody knows: {other} {data}"),
        };
        SessionEvent::parse_from_json(Some(data.clone())).unwrap_or_else(|error| panic!("{name} {data}: {error:?}"));
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        let wrong = differences(&document["components"]["schemas"], &schema, &data);
        assert!(wrong.is_empty(), "{name} {data}: {wrong:?}");
        if name != "ping" {
            kinds.push(name);
        }
    }
    let cancelled = ["connected", "chunk", "session_cancelled"];
    let complete = ["connected", "chunk", "chunk", "message_complete"];
    assert_eq!(kinds, [&complete[..], &cancelled, &["connected", "chunk", "session_failed"]].concat());
}

#[tokio::test]
async fn beyond_the_most_readers_of_a_node_one_comes_back() {
    let world = World::new().await;
    let node = world.node_with(&[("SESSION_MAX_READERS", "1"), ("LOG", "error")]).await;
    let session = opened(&node).await;
    let path = at(&session, "/stream");
    let first = follow(&node, None, &path).await;
    let beyond = node.get(&path).await;
    let only_retry = |body: &str| body.starts_with("retry: ") && body.lines().count() == 2;
    assert!(beyond.status == StatusCode::OK && beyond.body.as_str().is_some_and(only_retry), "{beyond:?}");
    assert_eq!(beyond.headers["content-type"], "text/event-stream");
    cancel(&node, &session, "").await;
    assert_eq!(told(first).await.last().unwrap().0, "session_cancelled");
}

#[tokio::test]
async fn a_session_s_stream_is_one_of_its_caller_s() {
    let world = World::new().await;
    for writers in ["2", "0"] {
        let node = world.node_with(&[("MAX_STREAMS_PER_USER", "2"), ("WRITERS", writers)]).await;
        let session = opened(&node).await;
        let path = at(&session, "/stream");
        let (of_session, of_feed) = (follow(&node, None, &path).await, node.stream("").await);
        let refused = node.get(&path).await;
        assert_problem("one stream too many", &refused, 429, "");
        assert!(refused.headers.contains_key("retry-after"));
        drop(of_feed);
        until("there is a place again", async || follow(&node, None, &path).await.status() == StatusCode::OK).await;
        // When the session is over, so are its streams.
        cancel(&node, &session, "").await;
        told(of_session).await;
        let mut both = None;
        until("all places are free again", async || {
            let (one, other) = (follow(&node, None, "/stream").await, follow(&node, None, "/stream").await);
            let have = one.status() == StatusCode::OK && other.status() == StatusCode::OK;
            both = have.then_some([one, other]);
            have
        })
        .await;
        drop(both);
    }
}

#[tokio::test]
async fn what_is_no_cursor_is_refused_before_anything_else() {
    let (_world, node) = World::with_node().await;
    let session = opened(&node).await;
    append(&node, &session, &batch(&[(0, "a")])).await;
    let path = at(&session, "/stream");
    for wrong in
        ["x", "-1", "1-1", "+1", "1.0", "END", "ends", "9223372036854775807", "18446744073709551616", "\u{661}"]
    {
        assert_problem(wrong, &from(&node, &path, wrong).await, 422, "Last-Event-ID");
    }
    assert_problem("no text", &from(&node, &path, b"\xff").await, 422, "Last-Event-ID");
    for wrong in ["x", "-1", "1%0a", "%20", "end%0d%0adata:x", "%ff", "%zz"] {
        let answer = node.get(&format!("{path}?last_event_id={wrong}")).await;
        assert_problem(wrong, &answer, 422, "last_event_id");
    }
    let answer = from(&node, &format!("{path}?last_event_id=0"), "x").await;
    assert_problem("a header that is wrong, and wins", &answer, 422, "Last-Event-ID");
}

#[tokio::test]
async fn who_has_seen_the_end_is_told_that_there_is_nothing_more() {
    let (_world, node) = World::with_node().await;
    let session = opened(&node).await;
    append(&node, &session, &batch(&[(0, "a")])).await;
    cancel(&node, &session, "?keep=false").await;
    let path = at(&session, "/stream");
    for seen in [from(&node, &path, "end").await, node.get(&format!("{path}?last_event_id=end")).await] {
        assert_eq!((seen.status, seen.body.as_str()), (StatusCode::NO_CONTENT, Some("")));
    }
    // Who has not is told how it ended.
    for answer in [node.get(&path).await, from(&node, &path, "0").await] {
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body.as_str().unwrap().contains("event: session_cancelled\n"), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_report_tells_who_reads_here_and_whether_bells_are_heard() {
    let world = World::new().await;
    let node = world.node_with(&[("SESSION_REAP_INTERVAL", "50ms")]).await;
    let (one, other) = (opened(&node).await, opened(&node).await);
    let paths = [at(&one, "/stream"), at(&one, "/stream"), at(&other, "/stream")];
    let mut streams = Vec::new();
    for path in &paths {
        streams.push(follow(&node, None, path).await);
    }
    let sessions = async || node.get("/health").await.body["sessions"].clone();
    let there = json!({ "open": 2, "followed": 2, "readers": 3, "bells": true });
    until("all are there", async || {
        let mut now = sessions().await;
        now.as_object_mut().unwrap().remove("node");
        now == there
    })
    .await;
    assert_eq!(look(&node, &one).await["nodes"], json!([sessions().await["node"]]));
    drop(streams);
    until("all have gone", async || sessions().await["readers"] == 0 && sessions().await["followed"] == 0).await;
}
