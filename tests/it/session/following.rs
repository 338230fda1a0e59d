//! A session's stream, as HTTP has it: which statuses, which headers, and that a cursor is one.

use reqwest::StatusCode;

use super::{append, at, batch, cancel, opened};
use crate::{
    problems::assert_problem,
    support::{Answer, Node, World, soon},
};

/// Asks for a session's stream, with this `Last-Event-ID`.
async fn from(node: &Node, path: &str, cursor: impl AsRef<[u8]>) -> Answer {
    let request = node.http.get(format!("{}{path}", node.url));
    let cursor = reqwest::header::HeaderValue::from_bytes(cursor.as_ref()).unwrap();
    Answer::of(request.header("Last-Event-ID", cursor)).await
}

#[tokio::test]
async fn a_stream_is_for_now_and_not_for_caches_and_proxies() {
    let (_world, node) = World::with_node().await;
    let session = opened(&node).await;
    let request = node.http.get(format!("{}{}", node.url, at(&session, "/stream")));
    let response = soon("the stream opens", request.send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(
        (&headers["cache-control"], &headers["x-accel-buffering"]),
        (&"no-store".parse().unwrap(), &"no".parse().unwrap())
    );
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
