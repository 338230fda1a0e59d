//! Every kind of bad request is told what was wrong with it: a problem document that names the field, never a 500.

use std::fmt::{self, Write};

use proptest::{
    prelude::*,
    test_runner::{TestError, TestRunner},
};
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderValue};
use serde_json::{Value, json};

use crate::support::{Answer, Node, SENDER, World, message};

/// What the node of these tests is set to, so that limits are easily reached.
pub const SETTINGS: [(&str, &str); 2] = [("MAX_CONTENT", "64"), ("MAX_ROOMS", "3")];

/// A request that is wrong, and what its answer must say.
pub struct Case {
    pub method: Method,
    pub path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    chunked: bool,
    pub status: u16,
    /// The one field that is wrong; empty if it is not a field.
    field: &'static str,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, body, status, field, .. } = self;
        let body: String = String::from_utf8_lossy(body).chars().take(80).collect();
        write!(f, "{method} {path}")?;
        self.headers.iter().try_for_each(|(_, value)| write!(f, " `{}`", String::from_utf8_lossy(value)))?;
        write!(f, " {body} is to get {status} {field}")
    }
}

impl Case {
    fn new(method: Method, path: impl Into<String>, status: u16, field: &'static str) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new(), chunked: false, status, field }
    }

    fn get(path: impl Into<String>, status: u16, field: &'static str) -> Self {
        Self::new(Method::GET, path, status, field)
    }

    fn post(body: impl Into<Vec<u8>>, status: u16, field: &'static str) -> Self {
        let body = body.into();
        Self { body, ..Self::new(Method::POST, "/message", status, field) }.with("content-type", "application/json")
    }

    fn with(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The request, to a node that holds the message 1.
    fn request(&self, node: &Node) -> RequestBuilder {
        let mut request = node.http.request(self.method.clone(), format!("{}{}", node.url, self.path));
        for (name, value) in &self.headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        if self.chunked {
            let pieces: Vec<_> = self.body.chunks(1000).map(|piece| Ok::<_, String>(piece.to_vec())).collect();
            return request.body(reqwest::Body::wrap_stream(futures_util::stream::iter(pieces)));
        }
        request.body(self.body.clone())
    }
}

/// All bad requests.
pub fn cases() -> Vec<Case> {
    [unreadable(), wrong_fields(), wrong_patches(), wrong_queries(), wrong_places(), wrong_positions(), too_large()]
        .into_iter()
        .flatten()
        .collect()
}

fn unreadable() -> Vec<Case> {
    let bytes: [&[u8]; 12] = [
        b"",
        b"   ",
        b"{",
        b"nonsense",
        b"{'content': 'a'}",
        b"{\"content\": \"a\"",
        b"{\"content\": \"a\",}",
        b"{\"content\": \"\\ud800\"}",
        b"{\"content\": \"a line\nbreak\"}",
        b"{\"content\": \"\xff\xfe\"}",
        b"{\"content\": 1e999}",
        b"\xef\xbb\xbf{}",
    ];
    let mut cases: Vec<Case> = bytes.into_iter().map(|body| Case::post(body, 400, "")).collect();
    cases.push(Case::post(format!("{} {{}}", message("a")), 400, ""));
    let other_types = ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json", "", "\u{e9}"];
    cases.extend(other_types.into_iter().map(|other| {
        let body = message("a").to_string().into_bytes();
        Case { body, ..Case::new(Method::POST, "/message", 415, "") }.with("content-type", other)
    }));
    cases.push(Case::new(Method::POST, "/message", 415, ""));
    cases.push(Case::new(Method::PATCH, "/message/1", 415, "").with("content-type", "application/xml"));
    cases
}

fn wrong_fields() -> Vec<Case> {
    let with = |field: &str, value: Value| {
        let mut body = message("a");
        body[field] = value;
        body
    };
    let mut cases = Vec::new();
    for body in [json!(null), json!(1), json!(true), json!("text"), json!([]), json!(["a", null, SENDER, "lobby"])] {
        cases.push(Case::post(body.to_string(), 422, "body"));
    }
    for value in [
        json!(null),
        json!(1),
        json!(["a"]),
        json!({}),
        json!(""),
        json!("a\0b"),
        json!("b".repeat(65)),
        json!("é".repeat(33)),
    ] {
        cases.push(Case::post(with("content", value).to_string(), 422, "content"));
    }
    for value in [json!(5), json!(["a"]), json!("a\0b"), json!("f".repeat(51)), json!("\u{1f980}".repeat(51))] {
        cases.push(Case::post(with("file", value).to_string(), 422, "file"));
    }
    for value in [
        json!(null),
        json!(5),
        json!(""),
        json!("a b"),
        json!("ä"),
        json!("a/b"),
        json!("a\n"),
        json!("\0"),
        json!("r".repeat(65)),
    ] {
        cases.push(Case::post(with("room", value).to_string(), 422, "room"));
    }
    for value in
        [json!(null), json!(5), json!(""), json!("me"), json!(SENDER.replace('0', "g")), json!(format!("{SENDER}\0"))]
    {
        cases.push(Case::post(with("sender_id", value).to_string(), 422, "sender_id"));
    }
    cases.push(Case::post(format!("{{\"content\": {}", "[".repeat(2000)), 422, "content"));
    cases.push(Case::post(json!({ "sender_id": SENDER }).to_string(), 422, "content"));
    cases.push(Case::post(json!({ "content": "a" }).to_string(), 422, "sender_id"));
    cases.push(Case::post(with("contnet", json!("a")).to_string(), 422, "contnet"));
    cases.push(Case::post(with("id", json!(7)).to_string(), 422, "id"));
    cases.push(Case::post(
        format!("{{\"content\": \"a\", \"content\": \"b\", \"sender_id\": \"{SENDER}\"}}"),
        422,
        "content",
    ));
    cases
}

fn wrong_patches() -> Vec<Case> {
    let patch = |body: Value, field| Case {
        method: Method::PATCH,
        path: "/message/1".to_owned(),
        ..Case::post(body.to_string(), 422, field)
    };
    vec![
        patch(json!([]), "body"),
        patch(json!("a"), "body"),
        patch(json!({ "content": null }), "content"),
        patch(json!({ "content": "" }), "content"),
        patch(json!({ "content": "\0" }), "content"),
        patch(json!({ "content": "b".repeat(65) }), "content"),
        patch(json!({ "content": 1 }), "content"),
        patch(json!({ "file": 1 }), "file"),
        patch(json!({ "file": "f".repeat(51) }), "file"),
        patch(json!({ "room": "a" }), "room"),
        patch(json!({ "created_date": "2024-01-01T00:00:00Z" }), "created_date"),
        Case { status: 400, ..patch(json!("{"), "") }.with_body("{"),
        Case { status: 404, path: "/message/2".to_owned(), ..patch(json!({ "content": "b" }), "") },
        Case { path: "/message/x".to_owned(), ..patch(json!({ "content": "b" }), "id") },
    ]
}

impl Case {
    fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

fn wrong_queries() -> Vec<Case> {
    let wrong: [(&str, &[&str]); 4] = [
        ("limit", &["0", "101", "x", "-1", "1.5", "", "99999999999999999999", "%zz", "%00", "%ff"]),
        (
            "cursor",
            &[
                "x",
                "2024",
                "2024-01-01",
                "2024-13-01T00:00:00Z",
                "2024-01-01T00:00:00",
                "_",
                "2024-01-01T00:00:00Z_",
                "2024-01-01T00:00:00Z_x",
                "2024-01-01T00:00:00Z_1_1",
                "2024-01-01T00:00:00Z_99999999999999999999",
                "%zz",
                "%00",
                "%ff",
                "%0d%0a",
                "12024-01-01T00:00:00Z",
            ],
        ),
        ("room", &["", "%20", "a%0d%0adata:", "%zz", "%ff", "%00", "a%2Fb", "%F0%9F%A6%80"]),
        ("sender_id", &["x", "", "0", "%zz", "%00", "0c544734-1888-5ee1-94a9-a8334a16641"]),
    ];
    let each = wrong.into_iter().flat_map(|(field, values)| {
        values.iter().map(move |value| Case::get(format!("/message?{field}={value}"), 422, field))
    });
    each.collect()
}

fn wrong_places() -> Vec<Case> {
    let mut cases = Vec::new();
    for id in ["x", "1.5", "0x1", "99999999999999999999", "%00", "%ff", "%zz", "1%20", "%E2%91%A0"] {
        for method in [Method::GET, Method::DELETE] {
            cases.push(Case::new(method, format!("/message/{id}"), 422, "id"));
        }
    }
    for id in ["0", "-1", "2", "9223372036854775807", "-9223372036854775808"] {
        for method in [Method::GET, Method::DELETE] {
            cases.push(Case::new(method, format!("/message/{id}"), 404, ""));
        }
    }
    for path in [
        "/nope",
        "/message/1/2",
        "/Message",
        "/messages",
        "/docs/nope",
        "/openapi",
        "/%zz",
        "/%00",
        "/%2e%2e/%2e%2e/etc/passwd",
    ] {
        cases.push(Case::get(path, 404, ""));
        cases.push(Case { path: path.to_owned(), ..Case::post("{}", 404, "") });
    }
    let methods = [
        ("PUT", "/message"),
        ("DELETE", "/message"),
        ("PATCH", "/message"),
        ("POST", "/message/1"),
        ("PUT", "/message/1"),
        ("POST", "/stream"),
        ("DELETE", "/health"),
        ("POST", "/health/ready"),
        ("PUT", "/openapi.json"),
        ("BREW", "/message"),
    ];
    for (method, path) in methods {
        cases.push(Case::new(Method::from_bytes(method.as_bytes()).unwrap(), path, 405, ""));
    }
    cases
}

fn wrong_positions() -> Vec<Case> {
    let header = |value: &[u8]| Case::get("/stream", 422, "Last-Event-ID").with("Last-Event-ID", value);
    let texts: [&[u8]; 14] = [
        b"abc",
        b"1",
        b"1-",
        b"-1",
        b"-",
        b"1--1",
        b"-1-1",
        b"+1-1",
        b"1-1x",
        b"1-1,1-2",
        b"99999999999-1",
        b"1-99999999999999999999",
        b"1-\xff",
        "１-１".as_bytes(),
    ];
    let mut cases: Vec<Case> = texts.into_iter().map(header).collect();
    cases.push(Case { path: "/stream?last_event_id=1-1".to_owned(), ..header(b"abc") });
    for text in
        ["abc", "-1", "1-1%0d%0aid:%201-2", "1-1%0a", "1-1%00", "%ff", "%zz", "1-99999999999999999999", "1-1%20"]
    {
        cases.push(Case::get(format!("/stream?last_event_id={text}"), 422, "last_event_id"));
    }
    for rooms in ["room=", "room=a&room=", "room=a%0d%0adata:x", "room=%ff", "room=%zz", "room=a&room=b&room=c&room=d"]
    {
        cases.push(Case::get(format!("/stream?{rooms}"), 422, "room"));
    }
    cases
}

fn too_large() -> Vec<Case> {
    // Six bytes of JSON for each byte of content, and 4 KiB for the rest, is what may come.
    let body = |bytes: usize| message(&"x".repeat(bytes)).to_string();
    vec![
        Case::post(body(5000), 413, ""),
        Case { chunked: true, ..Case::post(body(5000), 413, "") },
        Case::post(" ".repeat(5000), 413, ""),
        Case { method: Method::PATCH, path: "/message/1".to_owned(), ..Case::post(body(5000), 413, "") },
    ]
}

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
        404 => "not-found",
        405 => "method-not-allowed",
        413 => "too-large",
        415 => "media-type",
        422 => "invalid",
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
