//! Chunks come in any order and more than once, from whoever has the token now, until the last one or an end.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{append, append_by, at, batch, cancel, last_batch, look, opened};
use crate::{
    problems::assert_problem,
    support::{Node, World},
};

/// What a batch did: head, and how many chunks were accepted, there already, and wait now.
async fn appended(node: &Node, session: &Value, batch: &Value) -> [i64; 4] {
    let answer = append(node, session, batch).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    ["head", "accepted", "duplicates", "parked"].map(|field| answer.body[field].as_i64().unwrap())
}

#[tokio::test]
async fn chunks_come_in_any_order_and_more_than_once() {
    let (_world, node) = World::with_node().await;
    let session = opened(&node).await;
    assert_eq!(appended(&node, &session, &batch(&[])).await, [-1, 0, 0, 0], "a sign of life");
    assert_eq!(look(&node, &session).await["state"], "created");
    assert_eq!(appended(&node, &session, &batch(&[(2, "c"), (0, "a")])).await, [0, 2, 0, 1]);
    assert_eq!(appended(&node, &session, &batch(&[(0, "a"), (2, "c")])).await, [0, 0, 2, 1]);
    assert_eq!(appended(&node, &session, &batch(&[(4, "é"), (4, "é")])).await, [0, 1, 1, 2]);
    assert_eq!(appended(&node, &session, &batch(&[(1, "b")])).await, [2, 1, 0, 1]);
    let mut tokens = batch(&[]);
    tokens["token_count"] = 42.into();
    assert_eq!(appended(&node, &session, &tokens).await, [2, 0, 0, 1]);
    let seen = look(&node, &session).await;
    let told = ["state", "sealed", "head", "parked", "bytes", "token_count"].map(|field| seen[field].clone());
    assert_eq!(json!(told), json!(["streaming", false, 2, 1, 5, 42]));
}

#[tokio::test]
async fn the_last_chunk_is_said_in_either_way_and_is_not_the_last_to_come() {
    let (_world, node) = World::with_node().await;
    let by_flag = json!({ "chunks": [{ "chunk_id": 2, "chunk": "c", "is_final": true }] });
    let by_both = json!({ "chunks": [{ "chunk_id": 2, "chunk": "c", "is_final": true }], "final_chunk_id": 2 });
    for last in [by_flag, by_both, last_batch(&[(2, "c")], 2)] {
        let session = opened(&node).await;
        let answer = append(&node, &session, &last).await;
        assert_eq!((&answer.body["sealed"], &answer.body["parked"]), (&json!(false), &json!(1)), "{}", answer.body);
        let rest = batch(&[(0, "a"), (1, "b")]);
        let answer = append(&node, &session, &rest).await;
        assert_eq!((&answer.body["sealed"], &answer.body["head"]), (&json!(true), &json!(2)), "{}", answer.body);
        // Its answer was lost; and then a chunk comes that nobody has heard of.
        assert_eq!(appended(&node, &session, &rest).await, [2, 0, 2, 0]);
        assert_eq!(append(&node, &session, &batch(&[(3, "d")])).await.body["reason"], "closed");
    }
}

#[tokio::test]
async fn another_token_shuts_out_the_producer_before() {
    let (_world, node) = World::with_node().await;
    let session = opened(&node).await;
    append(&node, &session, &batch(&[(0, "a")])).await;
    let rotated = node.send(Method::POST, &at(&session, "/producer"), None).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.body);
    assert_eq!((&rotated.body["head"], &rotated.body["state"]), (&json!(0), &json!("streaming")));
    let fenced = append(&node, &session, &batch(&[(1, "old")])).await;
    assert_problem("the producer before", &fenced, 403, "");
    let token = rotated.body["producer_token"].as_str().unwrap();
    assert_ne!(session["producer_token"], token);
    let answer = append_by(&node, &session, token, &batch(&[(1, "new")])).await;
    assert_eq!((answer.status, &answer.body["head"]), (StatusCode::OK, &json!(1)));
    assert_eq!(look(&node, &session).await["bytes"], 4);
}

#[tokio::test]
async fn cancelling_twice_is_cancelling_once() {
    let (_world, node) = World::with_node().await;
    // Nothing is there to be kept, or it is not to be.
    for (chunks, query) in [(&[][..], ""), (&[(1, "b")], "?keep=true"), (&[(0, "a")], "?keep=false")] {
        let session = opened(&node).await;
        append(&node, &session, &batch(chunks)).await;
        for _ in 0..2 {
            assert_eq!(cancel(&node, &session, query).await, "cancelled", "{query}");
        }
        let seen = look(&node, &session).await;
        assert_eq!((&seen["state"], &seen["message_id"]), (&json!("cancelled"), &Value::Null));
        let late = append(&node, &session, &batch(&[(0, "a")])).await;
        assert_problem("a chunk that comes too late", &late, 409, "");
        assert_eq!(late.body["reason"], "closed");
    }
}

#[tokio::test]
async fn a_batch_has_room_for_a_whole_session_however_small_messages_are() {
    let world = World::new().await;
    let node = world.node_with(&[("MAX_CONTENT", "64B"), ("SESSION_MAX_BYTES", "40KiB")]).await;
    let session = opened(&node).await;
    let text = "x".repeat(20 << 10);
    assert_eq!(appended(&node, &session, &batch(&[(0, &text), (1, &text)])).await, [1, 2, 0, 0]);
    let text = "x".repeat(512 << 10);
    let answer = append(&node, &session, &batch(&[(2, &text)])).await;
    assert_problem("a body that no session holds", &answer, 413, "");
    assert!(answer.body.get("reason").is_none(), "it was not read: {}", answer.body);
}
