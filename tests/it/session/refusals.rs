//! What a session does not take it says in a word, and takes nothing of it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{NOWHERE, append, append_by, at, batch, cancel, follow, last_batch, look, of_sender, opened};
use crate::{
    problems::assert_problem,
    support::{Answer, Figures, Link, Node, World, until},
};

/// Small bounds, each within reach.
const SMALL: [(&str, &str); 5] = [
    ("SESSION_WINDOW", "4"),
    ("SESSION_MAX_CHUNKS", "10"),
    ("SESSION_MAX_BYTES", "20B"),
    ("SESSION_MAX_CHUNK", "12B"),
    ("SESSION_MAX_BATCH", "3"),
];

#[tokio::test]
async fn what_is_refused_is_refused_as_a_whole_and_says_why() {
    let world = World::new().await;
    let node = world.node_with(&SMALL).await;
    let session = opened(&node).await;
    append(&node, &session, &batch(&[(0, "a"), (1, "b"), (3, "d")])).await;
    let before = look(&node, &session).await;
    let twelve = "x".repeat(12);
    let refused = [
        (batch(&[(2, "c"), (7, "h")]), 409, "window"),
        (batch(&[(2, "c"), (10, "k")]), 413, "too_many"),
        (last_batch(&[(2, "c")], 10), 413, "too_many"),
        (batch(&[(2, &twelve), (4, &twelve)]), 413, "too_large"),
        (last_batch(&[(2, "c")], 2), 409, "final_conflict"),
        (last_batch(&[(2, "c"), (4, "e")], 3), 409, "beyond_final"),
    ];
    for (batch, status, reason) in &refused {
        let answer = append(&node, &session, batch).await;
        assert_problem(reason, &answer, *status, "");
        assert_eq!((&answer.body["reason"], &answer.body["head"]), (&json!(reason), &json!(1)), "{}", answer.body);
        let mut after = look(&node, &session).await;
        after["age_ms"] = before["age_ms"].clone();
        assert_eq!(after, before, "{reason}");
    }
    // Just within the bounds: the window, the bytes, and then all chunks.
    append(&node, &session, &batch(&[(5, &twelve), (2, "c"), (4, "efgh")])).await;
    let answer = append(&node, &session, &batch(&[(6, ""), (7, ""), (9, "")])).await;
    assert_eq!((answer.status, &answer.body["head"]), (StatusCode::OK, &json!(7)), "{}", answer.body);
    assert_eq!(look(&node, &session).await["bytes"], 20);
    let answer = append(&node, &session, &last_batch(&[], 8)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (409, &json!("final_conflict")));
    append(&node, &session, &last_batch(&[], 9)).await;
    let answer = append(&node, &session, &last_batch(&[(8, "")], 8)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (409, &json!("final_conflict")));
    cancel(&node, &session, "?keep=false").await;
    let answer = append(&node, &session, &batch(&[(8, "")])).await;
    assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (409, &json!("closed")));
    let figures = Figures::of(&node).await;
    let counted = |reason| figures.get("rowcast_session_appends_refused_total", &[("reason", reason)]);
    let all = ["unknown", "fenced", "closed", "final_conflict", "beyond_final", "window", "too_many", "too_large"];
    assert_eq!(all.map(|reason| counted(reason).unwrap()), [0.0, 0.0, 1.0, 3.0, 1.0, 1.0, 2.0, 1.0]);
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let world = World::new().await;
    let node = world.node_with(&SMALL).await;
    let session = opened(&node).await;
    let of = |chunk: Value| json!({ "chunks": [{ "chunk_id": 0, "chunk": "a" }, chunk] });
    let wrong = [
        (json!({}), "chunks"),
        (json!({ "chunks": {} }), "chunks"),
        (json!({ "chunks": [], "more": 1 }), "more"),
        (json!({ "chunks": [], "final_chunk_id": -1 }), "final_chunk_id"),
        (json!({ "chunks": [], "token_count": "many" }), "token_count"),
        (of(json!({ "chunk": "b" })), "chunk_id"),
        (of(json!({ "chunk_id": 1 })), "chunk"),
        (of(json!({ "chunk_id": -1, "chunk": "b" })), "chunks[1].chunk_id"),
        (of(json!({ "chunk_id": 1.5, "chunk": "b" })), "chunks[1].chunk_id"),
        (of(json!({ "chunk_id": 1, "chunk": null })), "chunks[1].chunk"),
        (of(json!({ "chunk_id": 1, "chunk": "a\0b" })), "chunks[1].chunk"),
        (of(json!({ "chunk_id": 1, "chunk": "x".repeat(13) })), "chunks[1].chunk"),
        (of(json!({ "chunk_id": 1, "chunk": "é".repeat(7) })), "chunks[1].chunk"),
        (of(json!({ "chunk_id": 1, "chunk": "b", "is_final": "yes" })), "chunks[1].is_final"),
        (of(json!({ "chunk_id": 1, "chunk": "b", "role": "user" })), "chunks[1].role"),
        (batch(&[(0, ""), (1, ""), (2, ""), (3, "")]), "chunks"),
        (
            json!({ "chunks": [{ "chunk_id": 1, "chunk": "b", "is_final": true }], "final_chunk_id": 2 }),
            "chunks[0].is_final",
        ),
    ];
    for (body, field) in &wrong {
        assert_problem(&body.to_string(), &append(&node, &session, body).await, 422, field);
    }
    let several = json!({ "chunks": [
        { "chunk_id": 0, "chunk": "x".repeat(13), "is_final": true }, { "chunk_id": 1, "chunk": "\0", "is_final": true },
    ] });
    let answer = append(&node, &session, &several).await;
    assert_eq!(answer.wrong_fields(), ["chunks[0].chunk", "chunks[1].chunk", "chunks[1].is_final"]);
    assert_eq!(look(&node, &session).await["state"], "created", "nothing was taken");
    assert_eq!(append(&node, &session, &batch(&[(0, &"x".repeat(12))])).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_that_is_not_there_is_not_found_and_what_is_no_id_is_wrong() {
    let (_world, node) = World::with_node().await;
    let calls = [
        (Method::GET, "", None),
        (Method::DELETE, "", None),
        (Method::POST, "/producer", None),
        (Method::GET, "/stream", None),
        (Method::POST, "/chunk", Some(batch(&[]))),
    ];
    for (method, rest, body) in calls {
        let ask = async |id: &str| {
            let request = node.http.request(method.clone(), format!("{}/session/{id}{rest}", node.url));
            let request = request.header("X-Producer-Token", "x");
            Answer::of(if let Some(body) = &body { request.json(body) } else { request }).await
        };
        let answer = ask(NOWHERE).await;
        assert_problem(&format!("{method} {rest}"), &answer, 404, "");
        assert_eq!(answer.body["detail"], format!("there is no session {NOWHERE}"));
        for id in ["x", "1", "%00", "%ff", &NOWHERE[1..]] {
            assert_problem(&format!("{method} {id} {rest}"), &ask(id).await, 422, "id");
        }
    }
    let session = opened(&node).await;
    let answer = node.send(Method::DELETE, &at(&session, "?keep=maybe"), None).await;
    assert_problem("neither yes nor no", &answer, 422, "keep");
    assert_eq!(answer.body["errors"][0]["detail"], "must be `true` or `false`");
    assert_eq!(look(&node, &session).await["state"], "created");
}

#[tokio::test]
async fn only_the_producer_may_append_and_its_token_is_told_to_nobody() {
    let world = World::new().await;
    let (node, log) = Node::start_logged(&world, &[("LOG", "debug")]).await;
    let session = opened(&node).await;
    let token = session["producer_token"].as_str().unwrap();
    let bare = node.http.post(format!("{}{}", node.url, at(&session, "/chunk"))).json(&batch(&[]));
    let missing = Answer::of(bare).await;
    assert_problem("no token", &missing, 401, "");
    assert_eq!(missing.headers["www-authenticate"], "X-Producer-Token");
    for wrong in ["", "x", &token[1..], &token.to_lowercase(), &format!("{token}x"), "é"] {
        let answer = append_by(&node, &session, wrong, &batch(&[(0, "a")])).await;
        assert_problem(wrong, &answer, 403, "");
        assert!(!answer.body.to_string().contains(token));
    }
    assert_eq!(append(&node, &session, &batch(&[(0, "a")])).await.status, StatusCode::OK);
    let told = [look(&node, &session).await, node.get("/health").await.body, node.get("/metrics").await.body];
    assert!(!json!(told).to_string().contains(token));
    log.line(&["/session/{id}/chunk"]).await;
    assert!(!log.text().contains(token) && !log.text().contains(session["id"].as_str().unwrap()));
}

#[tokio::test]
async fn without_redis_sessions_are_to_be_tried_again_and_readers_come_back() {
    let world = World::new().await;
    for hang in [Link::cut, Link::hush] {
        let link = Link::to(&world.redis_url).await;
        let settings = [("REDIS_URL", link.url()), ("SESSION_PATIENCE", "500ms"), ("LOG", "error")];
        let node = world.node_with(&settings).await;
        let session = opened(&node).await;
        hang(&link);
        let none = |method, rest: &str| (method, at(&session, rest), None);
        let calls = [
            (Method::POST, "/session".to_owned(), Some(of_sender())),
            none(Method::GET, ""),
            none(Method::DELETE, ""),
            none(Method::POST, "/producer"),
        ];
        for (method, path, body) in calls {
            let answer = node.send(method.clone(), &path, body.as_ref()).await;
            assert_problem(&format!("{method} {path}"), &answer, 503, "");
            assert!(answer.headers.contains_key("retry-after"));
        }
        assert_problem("a chunk", &append(&node, &session, &batch(&[(0, "a")])).await, 503, "");
        let stream = node.get(&at(&session, "/stream")).await;
        assert_eq!(stream.status, StatusCode::OK, "an EventSource gives up for any other");
        assert_eq!(stream.headers["content-type"], "text/event-stream");
        let only_retry = |body: &str| body.starts_with("retry: ") && body.lines().count() == 2;
        assert!(stream.body.as_str().is_some_and(only_retry), "{}", stream.body);
        link.mend();
        until("chunks are taken again", async || {
            append(&node, &session, &batch(&[(0, "a")])).await.status == StatusCode::OK
        })
        .await;
    }
}

#[tokio::test]
async fn chunks_have_a_budget_of_their_own_by_address() {
    let world = World::new().await;
    let rates = [("RATE_CHUNK", "3/1h"), ("RATE_WRITE", "3/1h"), ("RATE_READ", "2/1h"), ("RATE_STREAM", "1/1h")];
    let node = world.node_with(&[&rates[..], &[("REDIS_PATIENCE", "10s")]].concat()).await;
    let left = |answer: &Answer| answer.headers["ratelimit-remaining"].to_str().unwrap().parse::<u32>().unwrap();
    let answer = node.post("/session", &of_sender()).await;
    assert_eq!(left(&answer), 2);
    let session = answer.body;
    assert_eq!(left(&append(&node, &session, &batch(&[(0, "a")])).await), 2);
    assert_eq!(left(&append_by(&node, &session, "wrong", &batch(&[])).await), 1, "to guess is not for free");
    assert_eq!(left(&append(&node, &session, &batch(&[])).await), 0);
    let refused = append(&node, &session, &batch(&[])).await;
    assert_problem("one batch too many", &refused, 429, "");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(left(&node.get(&at(&session, "")).await), 1);
    assert_eq!(left(&node.send(Method::POST, &at(&session, "/producer"), None).await), 1);
    assert_eq!(left(&node.send(Method::DELETE, &at(&session, ""), None).await), 0);
    let stream = follow(&node, None, &at(&session, "/stream")).await;
    assert_eq!(stream.headers()["ratelimit-remaining"], "0");
    assert_problem("one stream too many", &node.get(&at(&session, "/stream")).await, 429, "");
    assert_eq!(left(&node.get(&at(&session, "")).await), 0, "reading has its own");
}
