//! Who may ask, for what, and how much at once: what is refused is neither said nor paid.

use super::*;
use crate::{
    problems::assert_problem,
    support::{
        Link,
        tokens::{GUARDED, claims, token, token_for, with},
    },
};

#[tokio::test]
async fn each_field_that_is_wrong_is_named() {
    let settings = [("LLM_MAX_TURNS", "2"), ("LLM_MODELS", "large"), ("MAX_CONTENT", "100B")];
    let (world, upstream, node) = stage([held()], &settings).await;
    let turn = json!({ "role": "user", "content": "hello" });
    for (field, value) in [
        ("session_id", json!("1")),
        ("user_id", json!("me")),
        ("user_id", json!(null)),
        ("message", json!("")),
        ("message", json!("nul\0")),
        ("message", json!("x".repeat(101))),
        ("message", json!(null)),
        ("room", json!("no room")),
        ("ai_provider", json!("anthropic")),
        ("ai_provider", json!("OPENAI")),
        ("model", json!("huge")),
        ("messages", json!([turn, turn, turn])),
        ("messages", json!(null)),
        ("messages[1].content", json!([turn, { "role": "assistant", "content": "" }])),
        ("messages[0].role", json!([{ "role": "system", "content": "obey" }])),
        ("messages[0].name", json!([{ "role": "user", "content": "a", "name": "b" }])),
        ("temperature", json!(1)),
    ] {
        let (name, mut body) = (field.split('[').next().unwrap(), saying("hello"));
        body[name] = value;
        let answer = node.post("/chat", &body).await;
        assert_problem(&format!("{body}"), &answer, 422, field);
    }
    let fitting = json!({ "user_id": SENDER, "message": "hello", "ai_provider": "openai", "model": "usual", "messages": [turn, turn] });
    assert!(written(&world).await.is_empty() && upstream.asked().is_empty());
    ask(&node, &fitting).await;
}

#[tokio::test]
async fn only_who_may_write_there_asks_and_only_as_itself() {
    let (world, upstream, node) = stage([held()], &GUARDED).await;
    let body = |user: &str, room: &str| json!({ "user_id": user, "message": "hello", "room": room });
    let other = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";
    for path in ["/chat", "/api/chat", "/api/chat/stream"] {
        let chat = async |token: &str, body: &Value| node.send_as(token, Method::POST, path, Some(body)).await;
        for (token, body) in [
            (token_for(&["a"], &[]), body(SENDER, "a")),
            (token_for(&["a", "b"], &["a"]), body(SENDER, "b")),
            (token_for(&["a"], &["a"]), body(other, "a")),
        ] {
            assert_problem(path, &chat(&token, &body).await, 403, "");
        }
        assert_problem(path, &node.post(path, &body(SENDER, "a")).await, 401, "");
    }
    assert!(written(&world).await.is_empty() && upstream.asked().is_empty());

    // Who may only write there reads the reply that it has asked for, and nobody else does.
    let writer = token_for(&[], &["a"]);
    let mut reader = read(for_events(&node, "/chat", &body(SENDER, "a")).bearer_auth(&writer)).await;
    let id = reader.next().await.data["session_id"].as_str().unwrap().to_owned();
    reader.reach(0).await;
    let stranger = token(&with(claims(&["b"], &["b"]), "sub", other));
    for path in [format!("/session/{id}/stream"), format!("/api/sse?session_id={id}&user_id={SENDER}")] {
        assert_eq!(node.get_as(&stranger, &path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn who_has_its_most_streams_is_refused_before_anything_is_said() {
    let (world, upstream, node) = stage([held()], &[("MAX_STREAMS_PER_USER", "1")]).await;
    let stream = node.stream("").await;
    let refused = Answer::of(for_events(&node, "/chat", &saying("hello"))).await;
    assert_problem("one stream too many", &refused, 429, "");
    assert!(written(&world).await.is_empty() && upstream.asked().is_empty());
    drop(stream);
    until("there is a place", async || {
        let opened = soon("a stream", for_events(&node, "/chat", &saying("hello")).send()).await.unwrap();
        opened.status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn where_the_most_sessions_are_open_nothing_is_said() {
    let (world, upstream, node) = stage([held()], &[("SESSION_MAX_OPEN", "1")]).await;
    ask(&node, &saying("first")).await;
    let refused = node.post("/chat", &saying("second")).await;
    assert_problem("beyond the most sessions", &refused, 503, "");
    assert_eq!(header(&refused, "retry-after"), Some("1"));
    upstream.is_asked(1).await;
    assert_eq!((upstream.asked().len(), written(&world).await), (1, vec![said("first")]));
}

#[tokio::test]
async fn without_redis_nothing_is_said_and_nobody_waits() {
    for without in ["open", "closed"] {
        let (world, upstream) = (World::new().await, Upstream::play([held()]).await);
        let link = Link::to(&world.redis_url).await;
        let node = node(&world, &upstream, &[("REDIS_URL", link.url()), ("RATE_WITHOUT_REDIS", without)]).await;
        ask(&node, &saying("before")).await;
        link.cut();
        for body in [saying("hello"), saying_under(&new_id(), "hello")] {
            let refused = node.post("/chat", &body).await;
            assert_problem(without, &refused, 503, "");
            assert_eq!(header(&refused, "retry-after"), Some("1"));
        }
        assert_eq!(node.get("/message").await.status, StatusCode::OK, "what has no limit is served");
        link.mend();
        until("it is asked again", async || node.post("/chat", &saying("after")).await.status == StatusCode::ACCEPTED)
            .await;
        assert_eq!(written(&world).await, [said("before"), said("after")]);
    }
}

#[tokio::test]
async fn at_its_start_a_node_says_which_model_it_asks_and_not_by_which_key() {
    let (world, upstream) = (World::new().await, Upstream::play([held()]).await);
    let (_node, log) = Node::start_logged(&world, &asking(&upstream, &[("LOG", "info")])).await;
    log.line(&["replies are asked of this model", "openai", "usual"]).await;
    assert!(!log.text().contains("hunter2") && !log.text().contains(&upstream.url));
}
