//! Examples: what a value looks like, for each field, parameter and error.
//!
//! A word means the same wherever it stands, so it has one example, by its name; but for the few that each schema means
//! in its own way, which have one by both names. Most values need none of their own, as their type says enough. They
//! fit together: the message of the examples can be posted, and is found by the examples of the calls that read. Nobody
//! who tries a call with all its examples shall be surprised; so there is none for the header that makes a second call
//! the same as the first.

use serde_json::{Map, Value, json};

use super::each;
use crate::api::{failed, message::KEY};

const UUID: &str = "0c544734-1888-5ee1-94a9-a8334a166413";
const INSTANT: &str = "2026-01-02T03:04:05.678901Z";
/// Texts by the names of what holds them.
const TEXTS: [(&str, &str); 49] = [
    ("address", "10.0.0.7:8000"),
    ("ai_provider", "echo"),
    ("by", "ada"),
    ("chunk", "Hello"),
    ("chunk_url", "/session/0c544734-1888-5ee1-94a9-a8334a166413/chunk"),
    ("content", "Hello, world"),
    ("correlation_id", UUID),
    // Every message is older.
    ("cursor", "2100-01-01T00:00:00Z"),
    ("detail", "must not be empty"),
    ("dialect", "echo"),
    ("event_id", "1-42"),
    ("field", "content"),
    ("file", "notes.pdf"),
    ("head", "1-42"),
    ("kind", "overloaded"),
    ("last_event_id", "1-41"),
    ("leader", "node-1/7"),
    ("message", "Hello, world"),
    ("model", "echo"),
    ("next_cursor", "2026-01-02T03:04:05.678901Z_42"),
    ("node", "node-1/7"),
    ("node_id", "0badcafe"),
    ("nodes", "0badcafe"),
    ("prev", "1-41"),
    ("producer_token", "a-token-that-nobody-guesses"),
    ("published", "1-42"),
    ("reasons", "hub may be behind the log"),
    ("reread", "/message"),
    ("room", "lobby"),
    ("RoomName", "lobby"),
    ("stage", "socket"),
    ("stale", "hub"),
    ("stream_url", "/session/0c544734-1888-5ee1-94a9-a8334a166413/stream"),
    ("title", "A field is not valid"),
    ("transaction", "771"),
    ("type", "urn:rowcast:problem:invalid"),
    ("upstream", "ok"),
    ("user_id", UUID),
    ("users", UUID),
    ("version", "1.2.3"),
    ("Feed-Position", "1-42"),
    ("Location", "/message/42"),
    ("WWW-Authenticate", "Bearer"),
    ("X-Request-Id", UUID),
    ("ByeEvent.message", "The server is going away; reconnect to go on"),
    ("ConnectedEvent.message", "Connected to message stream"),
    ("PresencePage.next_cursor", UUID),
    ("RoomPage.next_cursor", "lobby"),
    ("SessionsHealth.node", "0badcafe"),
];

/// Gives an example to every value that has none.
pub(super) fn give(document: &mut Value) {
    each(document, &mut |object| {
        for (name, field) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
            illustrate(name, field);
        }
        for (name, header) in object.get_mut("headers").and_then(Value::as_object_mut).into_iter().flatten() {
            illustrate(name, &mut header["schema"]);
        }
        for (status, answer) in object.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten() {
            illustrate_problem(status, answer);
        }
        for (name, schema) in object.get_mut("schemas").and_then(Value::as_object_mut).into_iter().flatten() {
            illustrate(name, schema);
            illustrate_own(name, schema);
        }
        if let (Some(Value::String(name)), true) = (object.get("name").cloned(), object.contains_key("in"))
            && let Some(schema) = object.get_mut("schema")
            && name != KEY
        {
            illustrate(&name, schema);
        }
    });
}

fn illustrate(name: &str, schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if schema.get("type").is_some_and(|kind| kind == "array") {
        schema.get_mut("items").into_iter().for_each(|items| illustrate(name, items));
    } else if !schema.contains_key("example")
        && !schema.contains_key("enum")
        && let Some(example) = example(name, schema)
    {
        schema.insert("example".to_owned(), example);
    }
}

/// Gives fields the examples that they have in this schema alone.
fn illustrate_own(schema: &str, told: &mut Value) {
    for (name, field) in told.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(own) = text(&format!("{schema}.{name}")) {
            field["example"] = own;
        }
    }
}

fn text(name: &str) -> Option<Value> {
    TEXTS.iter().find(|(known, _)| *known == name).map(|(_, text)| json!(text))
}

/// What a value of this name and type looks like; nothing of one that is told elsewhere.
fn example(name: &str, schema: &Map<String, Value>) -> Option<Value> {
    if let Some(default) = schema.get("default") {
        return Some(default.clone());
    }
    let format = schema.get("format").and_then(Value::as_str);
    match (schema.get("type")?.as_str()?, format) {
        ("boolean", _) => Some(json!(true)),
        ("integer", _) => Some(json!(number(name))),
        ("number", _) => Some(json!(0.25)),
        ("string", Some("uuid")) => Some(json!(UUID)),
        ("string", Some("date-time")) => Some(json!(INSTANT)),
        ("string", _) => text(name),
        _ => None,
    }
}

fn number(name: &str) -> i64 {
    match name {
        "status" => 422,
        // The first one.
        "chunk_id" => 0,
        name if name.ends_with("id") => 42,
        _ => 3,
    }
}

/// Shows an error as the server tells it.
fn illustrate_problem(status: &str, answer: &mut Value) {
    if let Some(content) = answer.pointer_mut("/content/application~1problem+json").and_then(Value::as_object_mut)
        && let Some(problem) = status.parse().ok().and_then(failed::sample)
    {
        content.insert("example".to_owned(), json!(problem));
    }
}
