//! What the document is made into: each rule, over all of the document.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    openapi::{document, operations, printed, resolved},
    session::opened,
    support::{World, message},
};

/// Every object in a value, with the way to it.
fn objects<'a>(value: &'a Value, way: &str, found: &mut Vec<(String, &'a Map<String, Value>)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| objects(item, way, found)),
        Value::Object(object) => {
            found.push((way.to_owned(), object));
            for (name, inner) in object.iter().filter(|(name, _)| !["example", "default"].contains(&name.as_str())) {
                objects(inner, &format!("{way}/{name}"), found);
            }
        }
        _ => {}
    }
}

fn all(document: &Value) -> Vec<(String, &Map<String, Value>)> {
    let mut found = Vec::new();
    objects(document, "", &mut found);
    found
}

/// The names of the schemas that this part of the operations leads to.
fn schemas_of(document: &Value, part: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open: Vec<&Value> = operations(document).into_iter().filter_map(|(.., told)| told.get(part)).collect();
    while let Some(value) = open.pop() {
        let mut found = Vec::new();
        objects(value, "", &mut found);
        for reference in found.iter().filter_map(|(_, object)| object.get("$ref")?.as_str()) {
            if names.insert(reference.to_owned()) {
                open.push(document.pointer(reference.trim_start_matches('#')).unwrap());
            }
        }
    }
    names.iter().filter_map(|name| name.strip_prefix("#/components/schemas/")).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_may_be_null_in_an_answer_is_always_there() {
    let document = document().await;
    let (given, brought) = (schemas_of(&document, "responses"), schemas_of(&document, "requestBody"));
    assert!(given.is_disjoint(&brought), "{:?}", given.intersection(&brought));
    let mut nullable = 0;
    for name in &given {
        let schema = &document["components"]["schemas"][name];
        for (field, told) in schema["properties"].as_object().into_iter().flatten() {
            let required = schema["required"].as_array().is_some_and(|required| required.contains(&json!(field)));
            assert!(required || told.get("nullable").is_none(), "{name}.{field}");
            // Generators take a field with a default for one that is there.
            assert!(told.get("default").is_none(), "{name}.{field}");
            nullable += usize::from(required && told["nullable"] == true);
        }
    }
    assert!(nullable > 30, "{nullable}");
    // Of what is brought, it may be left out.
    let patch = &document["components"]["schemas"]["MessagePatch"];
    assert!(patch["properties"]["file"]["nullable"] == true && patch.get("required").is_none(), "{patch}");
}

#[tokio::test]
async fn what_is_brought_is_closed_and_what_is_given_is_open() {
    let document = document().await;
    let closed = |name: &String| document["components"]["schemas"][name].get("additionalProperties").cloned();
    for name in schemas_of(&document, "requestBody") {
        let object = document["components"]["schemas"][&name]["type"] == "object";
        assert_eq!(closed(&name), object.then_some(json!(false)), "{name}");
    }
    for name in schemas_of(&document, "responses") {
        assert_eq!(closed(&name), None, "{name}");
    }
}

#[tokio::test]
async fn a_member_of_a_union_says_which_it_is() {
    let document = document().await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut members = 0;
    for (name, union) in schemas.iter().filter(|(_, schema)| schema["discriminator"].is_object()) {
        let field = union["discriminator"]["propertyName"].as_str().unwrap();
        let mapping = union["discriminator"]["mapping"].as_object().unwrap();
        let places: Vec<&Value> = mapping.values().collect();
        let choice: Vec<&Value> = union["oneOf"].as_array().unwrap().iter().map(|one| &one["$ref"]).collect();
        assert_eq!(places, choice, "{name}");
        for (word, place) in mapping {
            let member = document.pointer(place.as_str().unwrap().trim_start_matches('#')).unwrap();
            assert_eq!(member["properties"][field]["enum"], json!([word]), "{name}");
            assert_eq!(member["required"][0], field, "{name}");
            members += 1;
        }
    }
    assert_eq!(members, 10);
    for name in schemas.keys() {
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
    }
    assert!(all(&document).iter().all(|(_, object)| !object.contains_key("anyOf")));
}

#[tokio::test]
async fn numbers_have_formats_that_every_generator_knows() {
    let document = document().await;
    let (mut integers, mut counts) = (0, 0);
    for (way, schema) in all(&document) {
        if schema.get("type") == Some(&json!("integer")) {
            integers += 1;
            let format = schema["format"].as_str().unwrap();
            assert!(["int32", "int64"].contains(&format), "{way}: {format}");
            let small = schema.get("maximum").is_some_and(|most| most.as_i64().unwrap() <= i64::from(i32::MAX));
            assert!(!small || format == "int32", "{way}: {schema:?}");
            for bound in ["minimum", "maximum"] {
                assert!(schema.get(bound).is_none_or(|bound| bound.is_i64() || bound.is_u64()), "{way}: {schema:?}");
            }
            counts += usize::from(schema.get("minimum") == Some(&json!(0)));
        }
    }
    assert!(integers > 60 && counts > 30, "{integers} {counts}");
}

#[tokio::test]
async fn an_answer_may_be_more_than_it_is_today() {
    let document = document().await;
    let shared = schemas_of(&document, "requestBody");
    for name in schemas_of(&document, "responses").difference(&shared) {
        for (way, schema) in all(&document["components"]["schemas"][name]) {
            for bound in ["pattern", "maxLength", "minLength", "maxItems", "maximum"] {
                assert!(!schema.contains_key(bound), "{name}{way}: older clients would refuse it: {bound}");
            }
        }
    }
}

#[tokio::test]
async fn a_form_that_stands_in_many_places_has_a_name() {
    let document = document().await;
    let form = "^[A-Za-z0-9_.:@-]{1,64}$";
    let told: Vec<_> =
        all(&document).into_iter().filter(|(_, schema)| schema.get("pattern") == Some(&json!(form))).collect();
    let [(way, _)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(way, "/components/schemas/RoomName");
    let referred = document.to_string().matches("\"#/components/schemas/RoomName\"").count();
    assert!(referred >= 7, "{referred}");
    let room = &document["components"]["schemas"]["NewMessage"]["properties"]["room"];
    assert!(room["default"].is_null() && room["description"].as_str().unwrap().ends_with("Without it: `lobby`."));
}

#[tokio::test]
async fn what_a_header_holds_is_a_text() {
    let document = document().await;
    let headers = all(&document).into_iter().filter(|(_, object)| object.get("in") == Some(&json!("header")));
    let mut found = 0;
    for (way, parameter) in headers.filter(|(way, _)| way.starts_with("/paths")) {
        found += 1;
        assert!(parameter["schema"]["pattern"].is_string(), "{way}: {parameter:?}");
        assert!(parameter["schema"].get("format").is_none(), "{way}: {parameter:?}");
    }
    assert_eq!(found, 2);
}

#[tokio::test]
async fn nothing_is_said_twice_of_what_is_referred_to() {
    let document = document().await;
    for (way, object) in all(&document) {
        if let Some(parts) = object.get("allOf") {
            assert_eq!(parts.as_array().unwrap().len(), 1, "{way}: {parts}");
        }
        assert!(object.get("deprecated") != Some(&json!(false)), "{way}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert_ne!(schema["title"], json!(name));
    }
}

#[tokio::test]
async fn texts_break_lines_only_between_paragraphs() {
    let document = document().await;
    for (way, object) in all(&document) {
        for name in ["summary", "description"] {
            let Some(Value::String(text)) = object.get(name) else { continue };
            let broken = text.split("\n\n").any(|paragraph| paragraph.contains('\n'));
            assert!(!broken, "{way}: {text:?}");
        }
    }
}

#[tokio::test]
async fn a_summary_is_a_line_and_a_description_is_more() {
    let document = document().await;
    for (method, path, operation) in operations(&document) {
        let [summary, description] = ["summary", "description"].map(|name| operation[name].as_str().unwrap());
        assert!(summary.len() <= 40 && !summary.ends_with('.'), "{method} {path}: {summary}");
        assert!(!description.is_empty(), "{method} {path}");
        let id = operation["operationId"].as_str().unwrap();
        let words = id.split(char::is_uppercase).count();
        assert!(words > 1 && id.starts_with(char::is_lowercase), "{method} {path}: {id} is no verb with a noun");
    }
}

#[tokio::test]
async fn what_there_is_stands_in_the_order_in_which_it_was_written() {
    let printed = printed(&[]).await;
    let place = |text: &str| printed.find(text).unwrap_or_else(|| panic!("no {text}"));
    let ordered = |texts: &[&str]| assert!(texts.is_sorted_by_key(|text| place(text)), "{texts:?}");
    ordered(&["\"name\": \"Message\"", "\"name\": \"Room\"", "\"name\": \"Stream\"", "\"name\": \"Session\""]);
    ordered(&["\"/message\"", "\"/room\"", "\"/stream\"", "\"/session\"", "\"/chat\"", "\"/health\"", "\"/metrics\""]);
    let document: Value = serde_json::from_str(&printed).unwrap();
    let fields = document["components"]["schemas"]["Message"]["properties"].as_object().unwrap();
    let fields: Vec<&String> = fields.keys().collect();
    let declared =
        ["id", "room", "content", "file", "created_date", "updated_date", "sender_id", "session_id"].map(str::to_owned);
    assert_eq!(fields, declared.iter().collect::<Vec<_>>());
    assert_eq!(document["components"]["schemas"]["Message"]["required"], json!(declared));
}

#[tokio::test]
async fn both_forms_say_the_same() {
    let yaml: Value = serde_yaml::from_str(&printed(&["--yaml"]).await).unwrap();
    assert_eq!(yaml, document().await);
}

#[tokio::test]
async fn every_value_has_an_example() {
    let document = document().await;
    let elsewhere = ["example", "enum", "$ref", "allOf"];
    let check = |what: &str, schema: &Value| {
        let schema = schema.get("items").unwrap_or(schema);
        assert!(elsewhere.iter().any(|key| schema.get(key).is_some()), "{what}: {schema}");
    };
    for (way, object) in all(&document) {
        for part in ["properties", "headers"] {
            for (name, told) in object.get(part).and_then(Value::as_object).into_iter().flatten() {
                check(&format!("{way} {name}"), told.get("schema").unwrap_or(told));
            }
        }
        // With one, whoever tries a call twice would get the first answer again.
        if object.contains_key("in") && object["name"] != "Idempotency-Key" && way.starts_with("/paths") {
            check(&way, &object["schema"]);
        }
    }
}

#[tokio::test]
async fn an_example_is_like_what_the_server_says() {
    let (_world, node) = World::with_node().await;
    let document = document().await;
    let example = |schema: &str, field: &str| {
        resolved(&document, &document["components"]["schemas"][schema]["properties"][field])["example"].clone()
    };
    for (page, one, field) in [("RoomPage", "Room", "room"), ("PresencePage", "PresentUser", "user_id")] {
        assert_eq!(
            example(page, "next_cursor"),
            example(one, field),
            "the last of {page} is where the next one begins"
        );
    }
    let called = node.get("/health").await.body["sessions"]["node"].clone();
    for name in [called, example("SessionsHealth", "node"), example("SessionConnectedEvent", "node_id")] {
        assert!(name.as_str().unwrap().bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }
    let first = node.open("", None).await.next().await;
    assert_eq!(example("ConnectedEvent", "message"), first.data()["message"]);
}

#[tokio::test]
async fn a_body_is_taken_as_its_example_has_it() {
    let (_world, node) = World::with_node().await;
    let document = document().await;
    let (message, session) = (node.say(message("one")).await.to_string(), opened(&node).await);
    let mut taken = 0;
    for (method, path, operation) in operations(&document) {
        let Some(body) = operation.get("requestBody") else { continue };
        let body = &resolved(&document, &body["content"]["application/json"]["schema"])["example"];
        let id = if path.starts_with("/message") { &message } else { session["id"].as_str().unwrap() };
        let url = format!("{}{}", node.url, path.replace("{id}", id));
        let request = node.http.request(method.to_uppercase().parse().unwrap(), url).json(body);
        let request = request.header("X-Producer-Token", session["producer_token"].as_str().unwrap());
        let status = request.send().await.unwrap().status();
        assert!(status.is_success(), "{method} {path}: {status} for {body}");
        taken += 1;
    }
    assert_eq!(taken, 5);
}

#[tokio::test]
async fn an_answer_tells_of_the_headers_that_it_has() {
    let document = document().await;
    for (method, path, operation) in operations(&document) {
        let answers = operation["responses"].as_object().unwrap();
        for (status, answer) in answers {
            let headers: Vec<&String> = resolved(&document, answer)["headers"].as_object().unwrap().keys().collect();
            let has = |name: &str| headers.iter().any(|header| *header == name);
            let what = format!("{method} {path} {status}: {headers:?}");
            assert!(has("X-Request-Id"), "{what}");
            assert_eq!(has("RateLimit-Remaining"), answers.contains_key("429"), "{what}");
            assert_eq!(has("Retry-After"), status == "429" || status == "503" && path != "/health/ready", "{what}");
            assert_eq!(has("WWW-Authenticate"), status == "401", "{what}");
            let shouted = headers.iter().find(|name| !name.contains(char::is_lowercase));
            assert!(shouted.is_none(), "{what}");
            let media = resolved(&document, answer)["content"].as_object().into_iter().flatten();
            assert!(media.into_iter().all(|(media, _)| !media.contains(';')), "{what}");
        }
    }
}

#[tokio::test]
async fn what_several_operations_answer_is_told_once() {
    let document = document().await;
    let mut told = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let new = answer.get("$ref").is_some() || status.starts_with('2') || told.insert(answer.to_string());
            assert!(new, "{method} {path} {status}");
        }
    }
    assert!(document["components"]["responses"]["NotFound"].is_object());
    assert!(document["components"]["headers"]["X-Request-Id"].is_object());
}
