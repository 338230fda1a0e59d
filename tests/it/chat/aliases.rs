//! Other names for the calls answer as the calls themselves.

use super::*;
use crate::support::Figures;

#[tokio::test]
async fn asking_by_another_name_is_asking() {
    let (world, upstream, node) = stage([on_cue(&["reply"])], &[]).await;
    let answer = node.post("/api/chat", &saying("one")).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let id = answer.body["session_id"].as_str().unwrap().to_owned();
    // Whatever it accepts, this one streams.
    let body = saying("two");
    let request = node.http.post(format!("{}/api/chat/stream?x=1", node.url)).header("Accept", "application/json");
    let mut inline = read(request.json(&body)).await;
    inline.reach(0).await;

    let path = format!("{}/api/sse?user_id={SENDER}&session_id={id}", node.url);
    let mut reader = read(node.http.get(&path)).await;
    assert_eq!(reader.next().await.data["session_id"], json!(id));
    reader.reach(0).await;
    upstream.cue();
    upstream.cue();
    for reader in [&mut inline, &mut reader] {
        assert_eq!(reader.last().await.data["message"]["content"], "reply");
    }
    // The cursor is taken, in both places.
    for request in
        [node.http.get(&path).header("Last-Event-ID", "end"), node.http.get(format!("{path}&last_event_id=end"))]
    {
        assert_eq!(soon("the end", request.send()).await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(written(&world).await.len(), 4);

    let figures = Figures::of(&node).await;
    let answered = |method, route, status| {
        figures.get("rowcast_http_requests_total", &[("method", method), ("route", route), ("status", status)])
    };
    assert_eq!((answered("POST", "/chat", "202"), answered("POST", "/chat", "200")), (Some(1.0), Some(1.0)));
    let followed = "/session/{id}/stream";
    assert_eq!((answered("GET", followed, "200"), answered("GET", followed, "204")), (Some(1.0), Some(2.0)));
    assert!(!figures.text.contains("/api/"));
}

#[tokio::test]
async fn what_is_wrong_under_another_name_is_wrong() {
    let (_world, upstream, node) = stage([held()], &[]).await;
    for path in [
        "/api/sse",
        "/api/sse?session_id=",
        "/api/sse?session_id=x",
        "/api/sse?session_id=%2e%2e",
        "/api/sse?user_id=x",
    ] {
        let answer = node.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.wrong_fields()), (422, vec!["id"]), "{path}");
    }
    let id = ask(&node, &saying("hello")).await;
    for tail in ["/", "?x", "%3fx", "%2f..", "/../x"] {
        assert_eq!(node.get(&format!("/api/sse?session_id={id}{tail}")).await.status, 422, "{tail}");
    }
    assert_eq!(node.get(&format!("/api/sse?session_id={}", new_id())).await.status, StatusCode::NOT_FOUND);
    for (method, path) in [(Method::GET, "/api/chat"), (Method::DELETE, "/api/chat/stream"), (Method::POST, "/api/sse")]
    {
        let answer = node.send(method, path, Some(&saying("hello"))).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    for body in [json!({}), json!({ "user_id": SENDER, "message": "" })] {
        for path in ["/api/chat", "/api/chat/stream"] {
            assert_eq!(node.post(path, &body).await.status, 422, "{path}");
        }
    }
    assert_eq!(upstream.asked().len(), 1);
}
