//! The OpenAPI document is what the server does: the same from every source, complete, and true of real streams.

use poem_openapi::types::ParseFromJSON;
use reqwest::StatusCode;
use rowcast::api::{Problem, StreamEvent};
use serde_json::{Map, Value, json};

use crate::{
    bad_requests,
    support::{Event, Node, World, message, message_in, soon},
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/openapi.json");

/// What `rowcast openapi` prints: it needs no setting and no server.
pub async fn printed(arguments: &[&str]) -> String {
    let output = soon("the document", Node::command("openapi").args(arguments).output()).await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub async fn document() -> Value {
    serde_json::from_str(&printed(&[]).await).unwrap()
}

/// What is referred to, or the thing itself.
pub fn resolved<'a>(document: &'a Value, thing: &'a Value) -> &'a Value {
    match thing["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => thing,
    }
}

/// The operations of the document: method, path and what it says of them.
pub fn operations(document: &Value) -> Vec<(&str, &str, &Map<String, Value>)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let each = paths.flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |entry| (path, entry)));
    each.map(|(path, (method, operation))| (method.as_str(), path.as_str(), operation.as_object().unwrap())).collect()
}

#[tokio::test]
async fn the_program_prints_what_a_node_serves() {
    let (_world, node) = World::with_node().await;
    for (path, argument, content_type) in
        [("/openapi.json", &[][..], "application/json"), ("/openapi.yaml", &["--yaml"][..], "application/yaml")]
    {
        let served = node.http.get(format!("{}{path}", node.url)).send().await.unwrap();
        assert_eq!(served.status(), StatusCode::OK);
        assert_eq!(served.headers()["content-type"], content_type);
        assert_eq!(served.text().await.unwrap().trim_end(), printed(argument).await.trim_end());
    }
}

#[tokio::test]
async fn the_document_changes_only_on_purpose() {
    let pretty = format!("{:#}\n", document().await);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &pretty).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    let differs = golden.lines().zip(pretty.lines()).find(|(before, now)| before != now);
    assert!(differs.is_none(), "{differs:?}: if it was meant, UPDATE_GOLDEN=1 writes it anew");
    assert_eq!(golden.len(), pretty.len());
}

#[tokio::test]
async fn the_document_uses_only_what_its_version_knows() {
    let document = document().await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.0."));
    // An `identifier` came with 3.1: validators refuse the whole document for it.
    let license = document["info"]["license"].as_object().unwrap();
    assert!(license.keys().all(|key| ["name", "url"].contains(&key.as_str())), "{license:?}");
    assert!(!document.to_string().contains(r#""type":["#));
}

#[tokio::test]
async fn what_may_be_null_is_documented_to_be() {
    let document = document().await;
    let nullable = [
        ("Message", "file"),
        ("Message", "updated_date"),
        ("Message", "session_id"),
        ("NewMessage", "file"),
        ("MessagePatch", "file"),
        ("MessagePage", "next_cursor"),
        ("MessageChange", "content"),
        ("MessageChange", "prev"),
        ("MessageChange", "session_id"),
        ("RoomPresence", "users"),
        ("PresencePage", "next_cursor"),
    ];
    for (schema, property) in nullable {
        let told = &document["components"]["schemas"][schema]["properties"][property];
        assert_eq!(told["nullable"], true, "{schema}.{property}: {told}");
    }
}

#[tokio::test]
async fn every_operation_says_what_it_answers() {
    let document = document().await;
    for (method, path, operation) in operations(&document) {
        assert!(operation["operationId"].as_str().is_some_and(|id| !id.is_empty()), "{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
        for (status, response) in responses {
            let response = resolved(&document, response);
            let what = format!("{method} {path} {status}");
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
            if status != "204" {
                assert!(!response["content"].as_object().unwrap().is_empty(), "{what}");
            }
        }
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            assert!(!name.starts_with("param"), "{method} {path}: the parameter {name} has no name of its own");
            assert!(parameter["description"].is_string() || parameter["in"] == "path", "{method} {path}: {name}");
        }
    }
}

#[tokio::test]
async fn every_error_is_documented_as_a_problem() {
    let document = document().await;
    for (method, path, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            // A node that is not ready gives the reasons; nobody has done anything wrong.
            let verdict = (path, status.as_str()) == ("/health/ready", "503");
            if status.starts_with(['4', '5']) && !verdict {
                let content = resolved(&document, response)["content"].as_object().unwrap();
                assert_eq!(
                    content.keys().collect::<Vec<_>>(),
                    ["application/problem+json"],
                    "{method} {path} {status}"
                );
                let told = &content["application/problem+json"];
                assert_eq!(
                    told["schema"],
                    json!({ "$ref": "#/components/schemas/Problem" }),
                    "{method} {path} {status}"
                );
                let example: Problem = serde_json::from_value(told["example"].clone()).unwrap();
                assert_eq!(example.status.to_string(), *status, "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn every_status_that_a_bad_request_gets_is_documented() {
    let document = document().await;
    let mut found = 0;
    for case in bad_requests::cases() {
        let path = case.path.split('?').next().unwrap();
        let template = match *path.split('/').collect::<Vec<_>>() {
            ["", "message", _] => "/message/{id}",
            ["", "room", _, "presence"] => "/room/{room}/presence",
            _ => path,
        };
        let operation = &document["paths"][template][case.method.as_str().to_lowercase()];
        if operation.is_object() {
            found += 1;
            let status = case.status.to_string();
            assert!(operation["responses"][&status].is_object(), "{} {}: {status}", case.method, case.path);
        }
    }
    assert!(found > 100, "only {found} requests were to documented operations");
}

#[tokio::test]
async fn whatever_needs_the_database_documents_that_it_may_be_away() {
    let document = document().await;
    for (method, path, operation) in operations(&document) {
        // A stream that cannot be served now is a 200 that ends.
        let session = path.starts_with("/session") && !path.ends_with("/stream");
        let needs = path.starts_with("/message")
            || session
            || path.starts_with("/room")
            || ["/chat", "/health/ready"].contains(&path);
        assert_eq!(operation["responses"]["503"].is_object(), needs, "{method} {path}");
    }
}

/// One event of each kind, from a real node.
async fn one_of_each() -> Vec<Event> {
    let world = World::new().await;
    let quick = [("PRESENCE_GRACE", "0s"), ("PRESENCE_SWEEP", "50ms"), ("PRESENCE_MAX_LISTED", "1")];
    let node = world.node_with(&[&[("MAX_EVENT_CONTENT", "100B")], &quick[..]].concat()).await;
    let mut stream = node.open("", Some("7-7")).await;
    let mut events = stream.take(2).await;
    let id = node.say(message("one")).await;
    world.sql(&format!("update messages set content = 'two', file = 'f' where id = {id}; delete from messages")).await;
    node.say(message_in("a", &"too large for an event ".repeat(5))).await;
    world.sql("truncate messages").await;
    events.extend(stream.take(5).await);
    events.extend(presence(&node).await);
    node.signal("TERM");
    events.push(stream.next().await);
    events
}

/// One comes and goes; then come more than are told one by one.
async fn presence(node: &Node) -> Vec<Event> {
    let query = "?presence=true&room=a";
    let come = async || node.stream(&format!("{query}&user_id={}", uuid::Uuid::new_v4())).await;
    let mut stream = node.stream(query).await;
    let mut events = stream.take(1).await;
    let one = come().await;
    events.push(stream.next().await);
    drop(one);
    events.push(stream.next().await);
    let _two = (come().await, come().await);
    loop {
        let event = stream.next().await;
        // Maybe one of them was told before.
        if event.kind() == "presence" {
            events.push(event);
            return events;
        }
    }
}

#[tokio::test]
async fn the_events_of_a_stream_are_what_the_document_says() {
    let document = document().await;
    let events = one_of_each().await;
    let kinds: Vec<String> = events.iter().map(Event::kind).collect();
    let messages = ["new_message", "updated_message", "deleted_message", "new_message"];
    let presence = ["presence", "user_joined", "user_left", "presence"];
    assert_eq!(kinds, [&["connected", "reset"], &messages[..], &["truncated"], &presence, &["bye"]].concat());
    for event in &events {
        let data = event.data();
        StreamEvent::parse_from_json(Some(data.clone())).unwrap_or_else(|error| panic!("{data}: {error:?}"));
        let schemas = &document["components"]["schemas"];
        let wrong = differences(schemas, &json!({ "$ref": "#/components/schemas/StreamEvent" }), &data);
        assert!(wrong.is_empty(), "{data}: {wrong:?}");
    }
}

/// Where a value is not as a schema says: a property that it does not know, or one that it misses.
pub fn differences(schemas: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let Some(object) = value.as_object() else { return Vec::new() };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    collect(schemas, schema, object, &mut properties, &mut required);
    let unknown = object.keys().filter(|name| !properties.contains_key(*name)).map(|name| format!("{name} is unknown"));
    let missing = required.iter().filter(|name| !object.contains_key(*name)).map(|name| format!("{name} is missing"));
    let deeper = object.iter().filter_map(|(name, value)| Some((properties.get(name)?, value)));
    let deeper = deeper.flat_map(|(schema, value)| differences(schemas, schema, value));
    unknown.chain(missing).chain(deeper).collect()
}

/// Gathers what a schema says of an object, through references, parts and the choice by `type`.
fn collect(
    schemas: &Value,
    schema: &Value,
    object: &Map<String, Value>,
    properties: &mut Map<String, Value>,
    required: &mut Vec<String>,
) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return collect(schemas, &schemas[name], object, properties, required);
    }
    if schema["discriminator"].is_object() {
        let kind = object["type"].as_str().unwrap();
        let chosen = schema["discriminator"]["mapping"][kind].as_str().unwrap();
        return collect(schemas, &json!({ "$ref": chosen }), object, properties, required);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect(schemas, part, object, properties, required);
    }
    properties.extend(schema["properties"].as_object().cloned().unwrap_or_default());
    let names = schema["required"].as_array().into_iter().flatten();
    required.extend(names.map(|name| name.as_str().unwrap().to_owned()));
}

#[tokio::test]
async fn the_page_of_the_document_comes_from_the_program_alone() {
    let (_world, node) = World::with_node().await;
    let answer = node.http.get(format!("{}/docs", node.url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let page = answer.text().await.unwrap();
    assert!(page.contains("SwaggerUIBundle") && page.contains("/openapi.json"));
    // Texts inside of scripts name hosts too; only elements of the page are fetched.
    let markup = without(&without(&page, "<script", "</script>"), "<style", "</style>");
    assert!(!markup.contains("//"), "{markup}");
    let style = between(&page, "<style", "</style>");
    for place in style.split("url(").skip(1) {
        assert!(place.trim_start_matches(['"', '\'']).starts_with("data:"), "{place:.80}");
    }
    assert!(!style.contains("@import"));
    assert!(!page.contains("<script src") && !page.contains(" src=http"));
}

/// The text without all that stands between `begin` and `end`.
fn without(text: &str, begin: &str, end: &str) -> String {
    let mut parts = text.split(begin);
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |kept, part| kept + part.split_once(end).map_or("", |(_, rest)| rest))
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}
