//! No way to take a session's words, its place or the memory that it has from others.

use futures_util::future::join_all;
use redis::AsyncCommands;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    problems::assert_problem,
    session::{append, append_by, at, batch, cancel, last_batch, new, of_sender, opened},
    support::{
        Answer, Figures, Machine, Node, SENDER, World, soon,
        tokens::{GUARDED, claims, guarded, token, token_for, with},
        until,
    },
};

const OTHER: &str = "9b2f1a52-7a3e-4f0f-9d4e-3f1f0b6a2c11";

/// What a node may take in memory beside what it took before, in KiB, when it has refused much.
const GROWTH: usize = 64 << 10;

#[tokio::test]
async fn cwe_290_who_asks_a_model_puts_no_words_into_its_mouth() {
    let (world, node) = guarded(&[("LLM_ECHO_PACE", "1h")]).await;
    let mine = token_for(&["a"], &["a"]);
    let asked = json!({ "user_id": SENDER, "message": "What do you say?", "room": "a" });
    let asked = node.send_as(&mine, Method::POST, "/chat", Some(&asked)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.body);
    let reply = json!({ "id": asked.body["session_id"] });
    let rotated = node.send_as(&mine, Method::POST, &at(&reply, "/producer"), None).await;
    assert_eq!(rotated.status, StatusCode::FORBIDDEN, "{}", rotated.body);
    let again = json!({ "id": reply["id"], "sender_id": SENDER, "room": "a" });
    let again = node.send_as(&mine, Method::POST, "/session", Some(&again)).await;
    assert_eq!((again.status, again.body.get("producer_token")), (StatusCode::CONFLICT, None));
    // It is theirs all the same: they may end it.
    let ended = node.send_as(&mine, Method::DELETE, &at(&reply, "?keep=false"), None).await;
    assert_eq!((ended.status, &ended.body["state"]), (StatusCode::OK, &json!("cancelled")));
    assert_eq!(world.number("select count(*) from messages").await, 1, "what was asked");
}

async fn open_as(node: &Node, token: &str) -> Answer {
    let sender = if *token == *others() { OTHER } else { SENDER };
    node.send_as(token, Method::POST, "/session", Some(&json!({ "sender_id": sender, "room": "a" }))).await
}

fn others() -> String {
    token(&with(with(claims(&["a"], &["a"]), "sub", OTHER), "exp", 4_000_000_000_i64))
}

#[tokio::test]
async fn cwe_770_no_caller_takes_the_places_of_all_others() {
    let world = World::new().await;
    let bound = [("SESSION_MAX_OPEN_PER_USER", "2"), ("SESSION_PATIENCE", "10s")];
    let settings = [&GUARDED[..], &bound].concat();
    let (node, second) = (world.node_with(&settings).await, world.node_with(&settings).await);
    let mine = token_for(&["a"], &["a"]);
    let (one, other) = (new(open_as(&node, &mine).await), new(open_as(&second, &mine).await));
    for node in [&node, &second] {
        let refused = open_as(node, &mine).await;
        assert_problem("one too many", &refused, 429, "");
        assert!(refused.headers.contains_key("retry-after"));
        let chat = json!({ "user_id": SENDER, "message": "hello", "room": "a" });
        assert_eq!(node.send_as(&mine, Method::POST, "/chat", Some(&chat)).await.status, 429);
    }
    assert_eq!(world.number("select count(*) from messages").await, 0, "nothing is said to nobody");
    assert_eq!(Figures::of(&node).await.get("rowcast_rate_limited_total", &[("reason", "open_sessions")]), Some(2.0));
    new(open_as(&node, &others()).await);
    // The same again is no other.
    let same = json!({ "id": one["id"], "sender_id": SENDER, "room": "a" });
    assert_eq!(node.send_as(&mine, Method::POST, "/session", Some(&same)).await.status, StatusCode::OK);
    // However one ends, it makes room.
    append(&node, &one, &last_batch(&[(0, "whole")], 0)).await;
    until("one is complete", async || open_as(&node, &mine).await.status == StatusCode::CREATED).await;
    assert_eq!(open_as(&second, &mine).await.status, 429);
    node.send_as(&mine, Method::DELETE, &at(&other, ""), None).await;
    new(open_as(&second, &mine).await);
}

#[tokio::test]
async fn cwe_770_where_nobody_is_asked_who_they_are_an_address_is_bounded() {
    let world = World::new().await;
    let settings = [("SESSION_MAX_OPEN_PER_USER", "1"), ("PROXY_HOPS", "1"), ("SESSION_REAP_INTERVAL", "50ms")];
    let node = world.node_with(&[&settings[..], &[("SESSION_IDLE_TIMEOUT", "1s")]].concat()).await;
    let from = async |address: &str| {
        let request = node.http.post(format!("{}/session", node.url)).json(&of_sender());
        Answer::of(request.header("X-Forwarded-For", address)).await.status.as_u16()
    };
    assert_eq!([from("192.0.2.1").await, from("192.0.2.1").await, from("192.0.2.2").await], [201, 429, 201]);
    assert_eq!([from("2001:db8::1").await, from("2001:db8::2").await], [201, 429], "one network");
    until("its producer was silent", async || from("192.0.2.1").await == 201).await;
}

/// As many bytes of chunks as a request may have, in a session that has room for fewer.
fn heap() -> Value {
    let text = "x".repeat(64 << 10);
    batch(&(0..95).map(|number| (number, &*text)).collect::<Vec<_>>())
}

#[tokio::test]
async fn cwe_770_what_nobody_s_producer_brings_is_not_kept_to_be_refused() {
    let (_world, node) = guarded(&[("SESSION_PATIENCE", "10s")]).await;
    let session = new(open_as(&node, &token_for(&["a"], &["a"])).await);
    let nobodys = json!({ "id": uuid::Uuid::new_v4() });
    let heap = heap();
    let before = node.memory("VmRSS");
    let strangers = (0..30).map(async |number| match number % 2 {
        0 => append_by(&node, &nobodys, "guessed", &heap).await.status.as_u16(),
        _ => append_by(&node, &session, "guessed", &heap).await.status.as_u16(),
    });
    for (number, status) in soon("answers", join_all(strangers)).await.into_iter().enumerate() {
        assert_eq!(status, [404, 403][number % 2]);
    }
    assert!(node.memory("VmHWM") < before + GROWTH, "{} KiB", node.memory("VmHWM"));
    // Whose producer it is, is told what is wrong with it.
    let refused = append(&node, &session, &heap).await;
    assert_problem("more than a session may be", &refused, 413, "");
    assert_eq!(refused.body["reason"], "too_large");
}

#[tokio::test]
async fn cwe_400_a_redis_that_is_full_takes_nothing_more_and_gets_room_by_what_ends() {
    let mut world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::redis(dir.path()).await;
    world.redis_url = machine.url().to_owned();
    let mut redis = redis::Client::open(machine.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let times = [("SESSION_IDLE_TIMEOUT", "3s"), ("SESSION_REAP_INTERVAL", "50ms"), ("SESSION_PATIENCE", "10s")];
    let node = world.node_with(&[&times[..], &[("LOG", "error")]].concat()).await;
    let (mine, theirs) = (opened(&node).await, opened(&node).await);
    for session in [&mine, &theirs] {
        append(&node, session, &batch(&[(0, "a")])).await;
    }
    let configure = async |redis: &mut redis::aio::MultiplexedConnection, most: &str| {
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(most).exec_async(redis).await.unwrap();
    };
    configure(&mut redis, "1").await;
    assert_eq!(append(&node, &mine, &batch(&[(1, "b")])).await.status, 503);
    let due = format!("{}sessions", world.prefix);
    for _ in 0..3 {
        assert_eq!(node.post("/session", &of_sender()).await.status, 503);
        // Who only reads is held back by none of that.
        let seen = node.get(&at(&theirs, "")).await;
        assert_eq!(seen.body["head"], 0, "{}", seen.body);
    }
    assert_eq!(redis.zcard::<_, u64>(&due).await.unwrap(), 2, "nothing was half opened");
    assert_eq!(cancel(&node, &mine, "").await, "cancelled");
    assert_eq!(world.number("select count(*) from messages").await, 1, "what was there is a message");
    until("the other one's time is up", async || redis.zcard::<_, u64>(&due).await.unwrap() == 0).await;
    assert_eq!(node.get(&at(&theirs, "")).await.body["reason"], "producer_timeout");
    configure(&mut redis, "0").await;
    opened(&node).await;
}

#[tokio::test]
async fn cwe_307_a_word_in_the_place_of_an_id_chooses_no_other_budget() {
    let (_world, node) = guarded(&[("RATE_READ", "3/1h"), ("REDIS_PATIENCE", "10s")]).await;
    let mut seen = Vec::new();
    for path in ["/session/chunk", "/session/stream", "/message/chat", "/message/stream", "/session/chat"] {
        seen.push(node.get_as("guessed", path).await.status.as_u16());
    }
    assert_eq!(seen, [401, 401, 401, 429, 429]);
}
