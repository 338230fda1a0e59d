//! A reply of a model is a session like any other: where its node dies it fails, and who asks twice under one id has it
//! once.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::{reader::Stream, table::two_nodes};
use crate::{
    session::look,
    support::{SENDER, Script, Upstream, World, soon},
};

/// What a node is told to ask a model at this service.
fn asks(upstream: &Upstream) -> Vec<(&'static str, &str)> {
    vec![("LLM_DIALECT", "openai"), ("LLM_BASE_URL", &upstream.url), ("LLM_MODEL", "usual"), ("LLM_API_KEY", "key")]
}

/// A word of a model's.
fn word(text: &str) -> String {
    let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": null });
    format!("data: {}\n\n", json!({ "choices": [choice] }))
}

#[tokio::test]
async fn a_reply_whose_node_dies_fails_and_says_so_elsewhere() {
    let upstream = Upstream::play([Script::stream().say(word("half ")).hold()]).await;
    let world = World::new().await;
    let times = [("SESSION_IDLE_TIMEOUT", "3s"), ("SESSION_REAP_INTERVAL", "100ms"), ("SESSION_POLL", "200ms")];
    let (mut dying, other) = two_nodes(&world, &[&times[..], &asks(&upstream)].concat()).await;
    let id = Uuid::new_v4();
    let chat = json!({ "session_id": id, "user_id": SENDER, "message": "well?" });
    assert_eq!(dying.post("/chat", &chat).await.status, StatusCode::ACCEPTED);
    let session = json!({ "id": id });
    let mut stream = Stream::of(&other, &session).await;
    stream.reach(0).await;
    dying.signal("KILL");
    soon("it dies", dying.process.wait()).await.unwrap();
    let rest = stream.rest().await;
    let [failed] = &rest[..] else { panic!("{rest:?}") };
    assert_eq!((failed.name.as_str(), &failed.data["reason"]), ("session_failed", &json!("producer_timeout")));
    assert_eq!((stream.reading.text.as_str(), &failed.data["head"]), ("half ", &json!(0)));
    let seen = look(&other, &session).await;
    assert_eq!((&seen["state"], &seen["reason"]), (&json!("failed"), &json!("producer_timeout")));
    assert_eq!(world.number("select count(*) from messages where session_id is not null").await, 0);
}

#[tokio::test]
async fn two_tabs_with_one_id_have_one_session_and_one_reply() {
    let upstream = Upstream::play([Script::stream().say(word("once")).hold()]).await;
    let world = World::new().await;
    let (one, other) = two_nodes(&world, &asks(&upstream)).await;
    let body = json!({ "id": Uuid::new_v4(), "sender_id": SENDER });
    let opened = join_all([&one, &other, &one, &other].map(|node| node.post("/session", &body))).await;
    let statuses: Vec<_> = opened.iter().map(|answer| answer.status.as_u16()).collect();
    assert!(statuses.iter().filter(|status| **status == 201).count() == 1, "{statuses:?}");
    assert!(opened.iter().all(|answer| answer.body["producer_token"] == opened[0].body["producer_token"]));

    let id = Uuid::new_v4();
    let chat = json!({ "session_id": id, "user_id": SENDER, "message": "well?" });
    let asked = join_all([&one, &other, &one, &other].map(|node| node.post("/chat", &chat))).await;
    let mut statuses: Vec<_> = asked.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 202]);
    for node in [&one, &other] {
        Stream::of(node, &json!({ "id": id })).await.reach(0).await;
    }
    assert_eq!(upstream.asked().len(), 1);
    assert_eq!(world.number("select count(*) from messages where content = 'well?'").await, 1);
}
