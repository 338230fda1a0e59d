//! A session is opened once, however often that is tried, and there are so many at most.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NOWHERE, append, at, batch, cancel, look, new, of_sender, opened};
use crate::{
    problems::assert_problem,
    support::{Answer, Figures, Node, SENDER, World, until},
};

fn time(of: &Value) -> DateTime<Utc> {
    of.as_str().unwrap().parse().unwrap()
}

/// Opens a session, with a key.
async fn open_with(node: &Node, keys: &[&str], body: &Value) -> Answer {
    let request = node.http.post(format!("{}/session", node.url)).json(body);
    Answer::of(keys.iter().fold(request, |request, key| request.header("Idempotency-Key", *key))).await
}

#[tokio::test]
async fn who_opens_a_session_is_told_all_that_is_needed() {
    let (_world, node) = World::with_node().await;
    let answer = node.post("/session", &of_sender()).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let session = new(answer);
    let id = session["id"].as_str().unwrap();
    assert_eq!(location, format!("/session/{id}"));
    let rest = json!([session["state"], session["room"], session["stream_url"], session["chunk_url"], session["head"]]);
    assert_eq!(rest, json!(["created", "lobby", format!("/session/{id}/stream"), format!("/session/{id}/chunk"), -1]));
    let token = session["producer_token"].as_str().unwrap();
    assert!(token.len() >= 22 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert_ne!(opened(&node).await["producer_token"], token);

    let seen = look(&node, &session).await;
    assert_eq!(time(&session["expires_at"]) - time(&seen["created_date"]), TimeDelta::minutes(5));
    let expected = json!({
        "id": id, "state": "created", "sealed": false, "head": -1, "parked": 0, "bytes": 0, "room": "lobby",
        "sender_id": SENDER, "listeners": 0, "nodes": [], "message_id": null, "reason": null, "kind": null,
        "missing": [], "token_count": null, "created_date": seen["created_date"], "age_ms": seen["age_ms"],
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_same_again_finds_the_session_as_it_is_now() {
    let (_world, node) = World::with_node().await;
    for by_key in [true, false] {
        let id = Uuid::new_v4().to_string();
        let body = if by_key { of_sender() } else { json!({ "id": id, "sender_id": SENDER, "room": "lobby" }) };
        let keys: &[&str] = if by_key { &[&id] } else { &[] };
        let first = new(open_with(&node, keys, &body).await);
        assert_eq!(first["id"], id);
        let again = open_with(&node, keys, &body).await;
        assert_eq!((again.status, &again.body), (StatusCode::OK, &first));
        append(&node, &first, &batch(&[(0, "a"), (1, "b")])).await;
        let mut later = first.clone();
        (later["state"], later["head"]) = ("streaming".into(), 1.into());
        let again = open_with(&node, keys, &body).await;
        assert_eq!((again.status, again.body), (StatusCode::OK, later));
    }
    let id = Uuid::new_v4().to_string();
    let both = json!({ "id": id, "sender_id": SENDER });
    assert_eq!(new(open_with(&node, &[&id], &both).await)["id"], id);
}

#[tokio::test]
async fn an_id_is_never_used_for_another_session() {
    let (_world, node) = World::with_node().await;
    let session = opened(&node).await;
    let with = |sender: &str, room: &str| json!({ "id": session["id"], "sender_id": sender, "room": room });
    let other = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";
    for body in [with(other, "lobby"), with(SENDER, "other")] {
        let answer = node.post("/session", &body).await;
        assert_problem("an id that is taken", &answer, 409, "");
        assert_eq!(answer.body["reason"], "taken");
        assert!(answer.body.get("head").is_none(), "it is another's: {}", answer.body);
    }
    assert_eq!(node.post("/session", &with(SENDER, "lobby")).await.status, StatusCode::OK);
    assert_eq!(cancel(&node, &session, "?keep=false").await, "cancelled");
    let answer = node.post("/session", &with(SENDER, "lobby")).await;
    assert_problem("an id of a session that is over", &answer, 409, "");
    assert_eq!(answer.body["reason"], "taken");
}

#[tokio::test]
async fn what_is_wrong_with_an_opening_is_named() {
    let (_world, node) = World::with_node().await;
    let with = |field: &str, value: Value| {
        let mut body = of_sender();
        body[field] = value;
        body
    };
    let wrong = [
        (json!({}), "sender_id"),
        (with("sender_id", "me".into()), "sender_id"),
        (with("id", "x".into()), "id"),
        (with("id", 5.into()), "id"),
        (with("room", "a b".into()), "room"),
        (with("room", "r".repeat(65).into()), "room"),
        (with("room", Value::Null), "room"),
        (with("state", "completed".into()), "state"),
        (json!([]), "body"),
    ];
    for (body, field) in wrong {
        assert_problem(&body.to_string(), &node.post("/session", &body).await, 422, field);
    }
    let (id, other) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let keys: [&[&str]; 4] = [&["x"], &[""], &[&id, &other], &["é"]];
    for keys in keys {
        assert_problem(&format!("{keys:?}"), &open_with(&node, keys, &of_sender()).await, 422, "Idempotency-Key");
    }
    let differs = open_with(&node, &[&id], &with("id", other.into())).await;
    assert_problem("a key that is not the id", &differs, 422, "Idempotency-Key");
    assert_problem("no JSON", &Answer::of(node.http.post(format!("{}/session", node.url)).body("{}")).await, 415, "");
}

#[tokio::test]
async fn there_are_so_many_open_sessions_at_most() {
    let world = World::new().await;
    let node = world.node_with(&[("SESSION_MAX_OPEN", "1"), ("LOG", "error")]).await;
    let session = opened(&node).await;
    let refused = node.post("/session", &of_sender()).await;
    assert_problem("one session too many", &refused, 503, "");
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    let same = json!({ "id": session["id"], "sender_id": SENDER });
    assert_eq!(node.post("/session", &same).await.status, StatusCode::OK, "it is open already");
    cancel(&node, &session, "").await;
    opened(&node).await;
    let figures = Figures::of(&node).await;
    assert_eq!(
        [figures.one("rowcast_sessions_opened_total"), figures.one("rowcast_sessions_refused_total")],
        [2.0, 1.0]
    );
}

#[tokio::test]
async fn a_session_whose_producer_is_silent_fails_and_says_why() {
    let world = World::new().await;
    let node = world.node_with(&[("SESSION_IDLE_TIMEOUT", "100ms"), ("SESSION_REAP_INTERVAL", "50ms")]).await;
    let session = opened(&node).await;
    until("the session has failed", async || look(&node, &session).await["state"] == "failed").await;
    let seen = look(&node, &session).await;
    assert_eq!(seen["reason"], "producer_timeout");
    let answer = node.send(Method::POST, &at(&session, "/producer"), None).await;
    assert_problem("a producer of a session that is over", &answer, 409, "");
    assert_eq!((&answer.body["reason"], &answer.body["head"]), (&json!("closed"), &json!(-1)));
}

#[tokio::test]
async fn what_somebody_else_has_put_in_the_place_of_a_session_holds_up_no_other() {
    let world = World::new().await;
    let mut redis = redis::Client::open(&*world.redis_url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let foreign = format!("{}session:{{{NOWHERE}}}", world.prefix);
    redis::AsyncCommands::set::<_, _, ()>(&mut redis, foreign, "no hash").await.unwrap();
    // It is due before all others, always.
    let open = format!("{}sessions", world.prefix);
    redis::AsyncCommands::zadd::<_, _, _, ()>(&mut redis, open, NOWHERE, 0).await.unwrap();
    let times = [("SESSION_IDLE_TIMEOUT", "100ms"), ("SESSION_REAP_INTERVAL", "50ms"), ("LOG", "error")];
    let node = world.node_with(&times).await;
    let session = opened(&node).await;
    until("the session has failed", async || look(&node, &session).await["state"] == "failed").await;
}

#[tokio::test]
async fn a_session_lacks_a_chunk_for_so_long_and_says_which() {
    let world = World::new().await;
    let settings = [("SESSION_MISSING_CHUNK_TIMEOUT", "100ms"), ("SESSION_REAP_INTERVAL", "50ms")];
    let node = world.node_with(&settings).await;
    let session = opened(&node).await;
    append(&node, &session, &batch(&[(0, "a"), (2, "c"), (4, "e")])).await;
    until("the session has failed", async || look(&node, &session).await["state"] == "failed").await;
    let seen = look(&node, &session).await;
    assert_eq!((&seen["reason"], &seen["missing"]), (&json!("missing_chunk"), &json!([1, 3])));
}
