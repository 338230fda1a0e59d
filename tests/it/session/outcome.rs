//! A session that is complete is one message, for ever; one that is cancelled may be.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{append, at, batch, cancel, last_batch, look, new, opened};
use crate::{
    problems::assert_problem,
    support::{
        Link, Node, SENDER, World,
        tokens::{claims, guarded, token, token_for, with},
        until,
    },
};

/// A session with this text, as soon as it is in this state.
async fn ended(node: &Node, session: &Value, state: &str) -> Value {
    until("the session has ended", async || look(node, session).await["state"] == state).await;
    look(node, session).await
}

/// Lets Redis forget a session.
async fn forget(world: &World, session: &Value) {
    let mut redis = redis::Client::open(&*world.redis_url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let name = format!("{}session:{{{}}}", world.prefix, session["id"].as_str().unwrap());
    let keys = ["", ":log", ":parked", ":readers"].map(|part| format!("{name}{part}"));
    let gone: u64 = redis::AsyncCommands::del(&mut redis, &keys).await.unwrap();
    assert!(gone > 0);
}

#[tokio::test]
async fn a_complete_session_is_one_message_in_the_feed() {
    let (world, node) = World::with_node().await;
    let mut stream = node.stream("?room=tea").await;
    let session = new(node.post("/session", &json!({ "sender_id": SENDER, "room": "tea" })).await);
    append(&node, &session, &batch(&[(2, "ünf")])).await;
    append(&node, &session, &last_batch(&[(0, "fünf "), (1, "f")], 2)).await;
    let seen = ended(&node, &session, "completed").await;
    // Whoever repeats it writes nothing.
    append(&node, &session, &last_batch(&[(2, "ünf")], 2)).await;

    let message = node.get(&format!("/message/{}", seen["message_id"])).await.body;
    let told = ["content", "room", "sender_id", "session_id"].map(|field| message[field].clone());
    assert_eq!(json!(told), json!(["fünf fünf", "tea", SENDER, session["id"]]));
    let event = stream.next().await;
    assert_eq!((event.kind().as_str(), &event.data()["data"]["session_id"]), ("new_message", &session["id"]));
    assert_eq!(event.data()["data"]["id"], message["id"]);
    assert_eq!(world.number("select count(*) from messages").await, 1);
    assert_eq!((&seen["sealed"], &seen["head"], &seen["bytes"]), (&json!(false), &json!(2), &json!(11)));
    assert_eq!(cancel(&node, &session, "").await, "completed", "what is over stays as it is");
}

#[tokio::test]
async fn what_redis_has_forgotten_the_message_tells() {
    let (world, node) = World::with_node().await;
    let session = opened(&node).await;
    append(&node, &session, &last_batch(&[(0, "text")], 0)).await;
    let before = ended(&node, &session, "completed").await;
    forget(&world, &session).await;
    let null = Value::Null;
    let expected = json!({
        "id": session["id"], "state": "completed", "message_id": before["message_id"], "room": "lobby",
        "sender_id": SENDER, "sealed": null, "head": null, "parked": null, "bytes": null, "listeners": null,
        "nodes": null, "reason": null, "kind": null, "missing": null, "created_date": null, "age_ms": null,
        "token_count": null,
    });
    assert_eq!(look(&node, &session).await, expected);
    assert_eq!(cancel(&node, &session, "").await, "completed");
    let same = json!({ "id": session["id"], "sender_id": SENDER });
    let again = node.post("/session", &same).await;
    assert_problem("an id that was used long ago", &again, 409, "");
    let rotated = node.send(Method::POST, &at(&session, "/producer"), None).await;
    assert_problem("a producer of what was over long ago", &rotated, 409, "");
    assert_eq!((&rotated.body["reason"], rotated.body.get("head").unwrap_or(&null)), (&json!("closed"), &null));
    assert_problem("a late chunk", &append(&node, &session, &batch(&[(1, "x")])).await, 404, "");
}

#[tokio::test]
async fn what_is_left_of_a_session_is_for_who_may_read_its_message() {
    let (world, node) = guarded(&[]).await;
    let owner = token_for(&["a"], &["a"]);
    let body = json!({ "sender_id": SENDER, "room": "a" });
    let session = new(node.send_as(&owner, Method::POST, "/session", Some(&body)).await);
    append(&node, &session, &last_batch(&[(0, "text")], 0)).await;
    let state = async |token: &str| {
        let answer = node.get_as(token, &at(&session, "")).await;
        (answer.status.as_u16(), answer.body["state"].clone())
    };
    until("it is complete", async || state(&owner).await.1 == "completed").await;
    forget(&world, &session).await;
    let other = |read: &[&str]| token(&with(claims(read, &[]), "sub", "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11"));
    for reader in [owner, token_for(&[], &[]), other(&["a"])] {
        assert_eq!(state(&reader).await, (200, json!("completed")));
    }
    assert_eq!(state(&other(&["b"])).await, (404, Value::Null));
}

#[tokio::test]
async fn cancelling_keeps_what_is_there_without_a_hole_unless_it_is_not_to() {
    let (world, node) = World::with_node().await;
    for query in ["", "?keep=true"] {
        let session = opened(&node).await;
        append(&node, &session, &batch(&[(0, "kept "), (1, "text"), (3, "lost")])).await;
        assert_eq!(cancel(&node, &session, query).await, "cancelled");
        let seen = look(&node, &session).await;
        assert_eq!((&seen["state"], &seen["parked"], &seen["head"]), (&json!("cancelled"), &json!(0), &json!(1)));
        let message = node.get(&format!("/message/{}", seen["message_id"])).await.body;
        assert_eq!((&message["content"], &message["session_id"]), (&json!("kept text"), &session["id"]));
        assert_eq!(cancel(&node, &session, "?keep=false").await, "cancelled");
    }
    assert_eq!(world.number("select count(*) from messages").await, 2);
}

#[tokio::test]
async fn a_session_without_any_text_fails() {
    let (world, node) = World::with_node().await;
    let session = opened(&node).await;
    append(&node, &session, &last_batch(&[(0, ""), (1, "")], 1)).await;
    assert_eq!(ended(&node, &session, "failed").await["reason"], "empty");
    assert_eq!(world.number("select count(*) from messages").await, 0);
}

#[tokio::test]
async fn cancelling_does_not_wait_for_a_database_that_is_away() {
    let world = World::new().await;
    let link = Link::to(&world.database_url).await;
    let settings = [("DATABASE_URL", link.url()), ("DATABASE_TIMEOUT", "1s"), ("LOG", "error")];
    let node = world.node_with(&settings).await;
    let session = opened(&node).await;
    append(&node, &session, &batch(&[(0, "kept")])).await;
    link.cut();
    let asked = Instant::now();
    assert_eq!(cancel(&node, &session, "").await, "streaming", "its message is still to be written");
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    let seen = look(&node, &session).await;
    assert_eq!((&seen["state"], &seen["sealed"]), (&json!("streaming"), &json!(true)));
    let late = append(&node, &session, &batch(&[(1, "late")])).await;
    assert_eq!((late.status, &late.body["reason"]), (StatusCode::CONFLICT, &json!("closed")));
    link.mend();
    let seen = ended(&node, &session, "cancelled").await;
    assert_eq!(node.get(&format!("/message/{}", seen["message_id"])).await.body["content"], "kept");
}
