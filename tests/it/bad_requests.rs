//! Bad requests of every kind, each with the status that it gets and the field that it is told of.

use std::fmt;

use reqwest::{Method, RequestBuilder, header::HeaderValue};
use serde_json::{Value, json};

use crate::support::{Node, SENDER, message};

/// What the node of these tests is set to, so that limits are easily reached.
pub const SETTINGS: [(&str, &str); 2] = [("MAX_CONTENT", "64"), ("MAX_ROOMS", "3")];

/// A request that is wrong, and what its answer must say.
pub struct Case {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Vec<u8>,
    /// Whether the body is sent without saying how long it is.
    pub chunked: bool,
    pub status: u16,
    /// The one field that is wrong; empty if it is not a field.
    pub field: &'static str,
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

    /// A message with this body, said to be JSON.
    pub fn post(body: impl Into<Vec<u8>>, status: u16, field: &'static str) -> Self {
        let body = body.into();
        Self { body, ..Self::new(Method::POST, "/message", status, field) }.with("content-type", "application/json")
    }

    fn with(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The request, to a node that holds the message 1.
    pub fn request(&self, node: &Node) -> RequestBuilder {
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
    let kinds = [
        unreadable(),
        wrong_bodies(),
        wrong_fields(),
        wrong_patches(),
        wrong_queries(),
        wrong_ids(),
        wrong_places(),
        wrong_positions(),
        wrong_presence(),
        too_large(),
    ];
    kinds.into_iter().flatten().collect()
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

fn wrong_bodies() -> Vec<Case> {
    let post = |body: Value, field| Case::post(body.to_string(), 422, field);
    let twice = format!(r#"{{"content": "a", "content": "b", "sender_id": "{SENDER}"}}"#);
    let mut cases = vec![
        post(json!({ "sender_id": SENDER }), "content"),
        post(json!({ "content": "a" }), "sender_id"),
        post(with("contnet", json!("a")), "contnet"),
        post(with("id", json!(7)), "id"),
        Case::post(twice, 422, "content"),
        Case::post(format!("{{\"content\": {}", "[".repeat(2000)), 422, "content"),
    ];
    let no_objects =
        [json!(null), json!(1), json!(true), json!("text"), json!([]), json!(["a", null, SENDER, "lobby"])];
    cases.extend(no_objects.into_iter().map(|body| post(body, "body")));
    cases
}

/// A message with one field that is something else.
fn with(field: &str, value: Value) -> Value {
    let mut body = message("a");
    body[field] = value;
    body
}

fn wrong_fields() -> Vec<Case> {
    let (long, longer) = ("b".repeat(51), "b".repeat(65));
    let (letters, crabs) = ("é".repeat(33), "\u{1f980}".repeat(51));
    let other = [json!(5), json!(1.5), json!(true), json!(["a"]), json!({})];
    let no_text = [json!(null), json!("")];
    let texts: [(&str, &[&str]); 4] = [
        ("content", &["a\0b", &longer, &letters]),
        ("file", &["a\0b", &long, &crabs]),
        ("room", &["a b", "ä", "a/b", "a\n", "\0", &longer]),
        ("sender_id", &["me", "0c544734-1888-5ee1-94a9-a8334a16641g", "0c544734-1888-5ee1-94a9-a8334a166413\0"]),
    ];
    let each = texts.into_iter().flat_map(|(field, texts)| {
        // A file may be null, and its name may be empty.
        let empty = if field == "file" { &[][..] } else { &no_text[..] };
        let values = texts.iter().map(|text| json!(text)).chain(other.clone()).chain(empty.to_vec());
        values.map(move |value| Case::post(with(field, value).to_string(), 422, field))
    });
    each.collect()
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
        Case { status: 400, body: b"{".into(), ..patch(json!({}), "") },
        Case { status: 404, path: "/message/2".to_owned(), ..patch(json!({ "content": "b" }), "") },
        Case { path: "/message/x".to_owned(), ..patch(json!({ "content": "b" }), "id") },
    ]
}

fn wrong_queries() -> Vec<Case> {
    let wrong = [
        ("limit", "0 101 x -1 1.5 99999999999999999999 %zz %00 %ff"),
        (
            "cursor",
            "x 2024 2024-01-01 2024-01-01T00:00:00 2024-13-01T00:00:00Z 12024-01-01T00:00:00Z %zz %00 %ff %0d%0a",
        ),
        ("cursor", "_ _1 2024-01-01T00:00:00Z_ 2024-01-01T00:00:00Z_x 2024-01-01T00:00:00Z_1_1"),
        ("cursor", "2024-01-01T00:00:00Z_99999999999999999999"),
        ("room", "%20 a%0d%0adata: a%2Fb %F0%9F%A6%80 %zz %00 %ff"),
        ("sender_id", "x 0 0c544734-1888-5ee1-94a9-a8334a16641 %zz %00"),
    ];
    let each = wrong.into_iter().flat_map(|(field, values)| {
        // The last value is empty.
        values.split(' ').chain([""]).map(move |value| Case::get(format!("/message?{field}={value}"), 422, field))
    });
    each.collect()
}

fn wrong_ids() -> Vec<Case> {
    let no_numbers = "x 1.5 0x1 99999999999999999999 1%20 %E2%91%A0 %zz %00 %ff".split(' ').map(|id| (id, 422, "id"));
    let of_nothing = "0 -1 2 9223372036854775807 -9223372036854775808".split(' ').map(|id| (id, 404, ""));
    let each = no_numbers.chain(of_nothing).flat_map(|(id, status, field)| {
        let methods = [Method::GET, Method::DELETE];
        methods.map(|method| Case::new(method, format!("/message/{id}"), status, field))
    });
    each.collect()
}

fn wrong_places() -> Vec<Case> {
    let paths = "/nope /message/1/2 /Message /messages /docs/nope /openapi /%zz /%00 /%ff /%2e%2e/%2e%2e/etc/passwd";
    let both = |path: &str| [Case::get(path, 404, ""), Case { path: path.to_owned(), ..Case::post("{}", 404, "") }];
    let mut cases: Vec<Case> = paths.split(' ').flat_map(both).collect();
    let methods = [
        ("PUT DELETE PATCH BREW", "/message"),
        ("PUT POST", "/message/1"),
        ("POST DELETE", "/stream"),
        ("DELETE POST", "/health"),
        ("POST", "/health/ready"),
        ("PUT", "/openapi.json"),
    ];
    for (methods, path) in methods {
        let methods = methods.split(' ').map(|method| Method::from_bytes(method.as_bytes()).unwrap());
        cases.extend(methods.map(|method| Case::new(method, path, 405, "")));
    }
    cases
}

fn wrong_positions() -> Vec<Case> {
    let header = |value: &[u8]| Case::get("/stream", 422, "Last-Event-ID").with("Last-Event-ID", value);
    let texts = "abc 1 1- -1 - 1--1 -1-1 +1-1 1-1x 1-1,1-2 99999999999-1 1-99999999999999999999 １-１";
    let mut cases: Vec<Case> = texts.split(' ').map(|text| header(text.as_bytes())).collect();
    cases.push(header(b"1-\xff"));
    cases.push(Case { path: "/stream?last_event_id=1-1".to_owned(), ..header(b"abc") });
    let texts = "abc -1 1-1%0d%0aid:%201-2 1-1%0a 1-1%00 1-1%20 1-99999999999999999999 %zz %ff".split(' ');
    cases.extend(texts.map(|text| Case::get(format!("/stream?last_event_id={text}"), 422, "last_event_id")));
    let rooms = "room= room=a&room= room=a%0d%0adata:x room=%ff room=%zz room=a&room=b&room=c&room=d".split(' ');
    cases.extend(rooms.map(|rooms| Case::get(format!("/stream?{rooms}"), 422, "room")));
    cases
}

fn wrong_presence() -> Vec<Case> {
    let streams = [
        ("presence=true presence=true&user_id=0c544734-1888-5ee1-94a9-a8334a166413", "presence"),
        ("room=a&presence=yes room=a&presence=1 room=a&presence= room=a&presence=%ff", "presence"),
        ("room=a&presence=true&user_id=me room=a&presence=true&user_id= room=a&user_id=%00", "user_id"),
        ("presence=true&room=a&room=b&room=c&room=d presence=true&room=", "room"),
    ];
    let mut cases = Vec::new();
    for (queries, field) in streams {
        cases.extend(queries.split(' ').map(|query| Case::get(format!("/stream?{query}"), 422, field)));
    }
    for limit in "0 1001 -1 x 1.5 %ff".split(' ').chain([""]) {
        cases.push(Case::get(format!("/room/a/presence?limit={limit}"), 422, "limit"));
    }
    let long = "r".repeat(65);
    for room in ["a%20b", "a%2Fb", "%F0%9F%A6%80", "a%00", "a%0A", "%zz", "%ff", "", &long] {
        cases.push(Case::get(format!("/room/{room}/presence"), 422, "room"));
    }
    cases.extend([Method::POST, Method::DELETE].map(|method| Case::new(method, "/room/a/presence", 405, "")));
    cases.extend(["/room/a/presence/b", "/room/presence"].map(|path| Case::get(path, 404, "")));
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
