//! Every kind of bad request is told what was wrong with it: a problem document that names the field, never a 500.

use std::fmt::Write;

use proptest::{
    prelude::*,
    test_runner::{TestError, TestRunner},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    bad_requests::{Case, SETTINGS, cases},
    support::{Answer, SENDER, World, message},
};

/// Words that a client must never read: they are of the inside.
const INSIDE: [&str; 16] = [
    "sql",
    "postgres",
    "redis",
    "select",
    "insert into",
    "relation",
    "constraint",
    "/src",
    ".rs",
    "panick",
    "struct ",
    "serde",
    "poem",
    "tokio",
    "occurred while",
    "param0",
];

/// What is wrong with a problem document; nothing, if it is as every one must be.
fn flaws(answer: &Answer, status: u16, field: &str) -> Vec<&'static str> {
    let (body, given) = (&answer.body, |name: &str| answer.body[name].as_str().is_some_and(|text| !text.is_empty()));
    let fields: &[&str] = if field.is_empty() { &[] } else { &[field] };
    let text = body.to_string().to_lowercase();
    let demands = [
        (answer.status.as_u16() == status && body["status"] == status, "its status"),
        (answer.headers.get("content-type").is_some_and(|is| is == "application/problem+json"), "its content type"),
        (body["type"] == format!("urn:rowcast:problem:{}", kind(status)), "its type"),
        (given("title") && given("detail"), "its words"),
        (answer.wrong_fields() == fields, "its fields"),
        (!INSIDE.iter().any(|word| text.contains(word)), "a word of the inside"),
    ];
    demands.into_iter().filter(|(met, _)| !met).map(|(_, what)| what).collect()
}

/// The answer is a problem of this status that names this field.
pub fn assert_problem(what: &str, answer: &Answer, status: u16, field: &str) {
    assert_eq!(flaws(answer, status, field), [] as [&str; 0], "{what} is to get {status} {field}, got {answer:?}");
}

fn kind(status: u16) -> &'static str {
    match status {
        400 => "malformed",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not-found",
        405 => "method-not-allowed",
        409 => "conflict",
        413 => "too-large",
        415 => "media-type",
        422 => "invalid",
        429 => "too-many",
        503 => "unavailable",
        other => panic!("no problem has the status {other}"),
    }
}

#[tokio::test]
async fn every_bad_request_is_told_what_was_wrong() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    node.say(message("1")).await;
    let before = node.get("/message").await.body;
    let mut wrong = String::new();
    for case in cases() {
        let answer = Answer::of(case.request(&node)).await;
        let flaws = flaws(&answer, case.status, case.field);
        if !flaws.is_empty() {
            writeln!(wrong, "{case:?} {flaws:?}:\n  {} {}", answer.status, answer.body).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(node.get("/message").await.body, before, "nothing was written");
}

#[tokio::test]
async fn all_fields_that_break_a_rule_are_named_at_once() {
    let (_world, node) = World::with_node().await;
    let body = json!({ "content": "", "file": "f".repeat(51), "room": "a b", "sender_id": SENDER });
    let answer = node.post("/message", &body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.wrong_fields(), ["content", "file", "room"]);
}

#[tokio::test]
async fn what_is_just_within_the_limits_is_taken() {
    let world = World::new().await;
    let node = world.node_with(&SETTINGS).await;
    let letters = "\u{1f980}".repeat(50);
    node.say(json!({ "content": "é".repeat(32), "file": letters, "room": "r".repeat(64), "sender_id": SENDER })).await;
    // Every byte of the longest content may be written as an escape.
    let escaped = format!("{{\"sender_id\": \"{SENDER}\", \"content\": \"{}\"}}", "\\u0001".repeat(64));
    for content_type in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
        let case = Case::post(escaped.clone(), 201, "");
        let case = Case { headers: vec![("content-type", content_type.into())], ..case };
        assert_eq!(Answer::of(case.request(&node)).await.status, StatusCode::CREATED, "{content_type}");
    }
    node.stream("?room=a&room=b&room=c&room=a").await;
    for limit in [1, 100] {
        assert_eq!(node.get(&format!("/message?limit={limit}")).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_which_ones_there_are() {
    let (_world, node) = World::with_node().await;
    for (path, methods) in [("/message", "GET, POST"), ("/message/1", "DELETE, GET, PATCH"), ("/stream", "GET")] {
        let answer = node.send(Method::PUT, path, None).await;
        assert_problem(path, &answer, 405, "");
        let allow = answer.headers.get("allow").unwrap_or_else(|| panic!("{path}: no Allow"));
        let mut allowed: Vec<&str> = allow.to_str().unwrap().split(", ").filter(|&name| name != "HEAD").collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(", "), methods, "{path}");
    }
}

/// Values that fields are given; the first few are right for one field or another.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(SENDER)),
        Just(json!("lobby")),
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-z]{0,3}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let names = prop_oneof![Just("content"), Just("sender_id"), Just("room"), Just("file"), Just("other")];
    let object = proptest::collection::hash_map(names, values(), 0..5);
    let near = (any::<String>(), values()).prop_map(|(content, room)| {
        json!({ "content": content, "sender_id": SENDER, "room": room }).to_string().into_bytes()
    });
    prop_oneof![
        object.prop_map(|map| json!(map).to_string().into_bytes()),
        near,
        values().prop_map(|value| value.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

#[test]
fn any_body_is_taken_or_refused_with_a_problem() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_world, node) = runtime.block_on(World::with_node());
    runtime.block_on(node.say(message("1")));
    let mut runner = TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() });
    let tried = runner.run(&(bodies(), any::<bool>()), |(body, patch)| {
        let (method, path) = if patch { (Method::PATCH, "/message/1") } else { (Method::POST, "/message") };
        let case = Case { method, path: path.to_owned(), ..Case::post(body, 0, "") };
        let answer = runtime.block_on(Answer::of(case.request(&node)));
        if !answer.status.is_success() {
            prop_assert!(answer.status.is_client_error(), "{}", answer.body);
            prop_assert_eq!(&answer.headers["content-type"], "application/problem+json");
            prop_assert_eq!(&answer.body["status"], answer.status.as_u16());
        }
        Ok(())
    });
    if let Err(TestError::Fail(why, (body, patch))) = &tried {
        panic!("{why}: {} (patch: {patch})", String::from_utf8_lossy(body));
    }
    tried.unwrap();
}
