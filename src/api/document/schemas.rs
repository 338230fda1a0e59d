//! Schemas: what of a body is always there, what it may have, and numbers that every generator knows.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{components, each, referred};

/// The formats of unsigned numbers, which only Rust's generators know: others make 32 bits of them, or nothing. What we
/// count fits in the signed one.
const UNSIGNED: [(&str, &str); 4] = [("uint8", "int32"), ("uint16", "int32"), ("uint32", "int32"), ("uint64", "int64")];

/// Says nothing twice, and nothing that is not a word of OpenAPI's.
pub(super) fn tidy(document: &mut Value) {
    each(document, &mut |object| {
        tidy_number(object);
        tidy_reference(object);
        // It is so where nothing is said.
        if object.get("deprecated") == Some(&Value::Bool(false)) {
            object.shift_remove("deprecated");
        }
        // It means something for lists alone.
        if object.contains_key("explode") && object["schema"]["type"] != "array" {
            object.shift_remove("explode");
        }
    });
    for (name, schema) in components(document).into_iter().flatten() {
        if schema["title"] == name.as_str() {
            schema.as_object_mut().and_then(|schema| schema.shift_remove("title"));
        }
    }
}

fn tidy_number(schema: &mut Map<String, Value>) {
    if schema.get("type") != Some(&json!("integer")) {
        return;
    }
    for bound in ["minimum", "maximum"] {
        // The framework has them with a point.
        if let Some(whole) = schema.get(bound).and_then(Value::as_f64) {
            schema.insert(bound.to_owned(), json!(whole as i64));
        }
    }
    let format = schema.get("format").and_then(Value::as_str);
    if let Some((_, signed)) = UNSIGNED.iter().find(|(unsigned, _)| Some(*unsigned) == format) {
        schema.insert("format".to_owned(), json!(signed));
        schema.entry("minimum").or_insert(json!(0));
    }
    if schema.get("maximum").and_then(Value::as_i64).is_some_and(|most| i32::try_from(most).is_ok()) {
        schema.insert("format".to_owned(), json!("int32"));
    }
}

/// Around a reference, what is said of it stands once, beside the `allOf` that holds it.
fn tidy_reference(schema: &mut Map<String, Value>) {
    let around = schema.clone();
    let known = |part: &Value| part.as_object().is_some_and(|part| part.iter().all(|(k, v)| around.get(k) == Some(v)));
    if let Some(Value::Array(parts)) = schema.get_mut("allOf") {
        parts.retain(|part| !known(part));
    }
}

/// Every field of an answer that may be null is there: the server leaves none of them out. One that may be left out is
/// not nullable in the code, and its default is nothing that a client would be sent.
pub(super) fn complete_answers(document: &mut Value) {
    let (brought, given) = (reached(document, "requestBody"), reached(document, "responses"));
    for (name, schema) in components(document).into_iter().flatten() {
        if given.contains(name) && !brought.contains(name) {
            each(schema, &mut complete);
        }
    }
}

fn complete(schema: &mut Map<String, Value>) {
    let required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(Value::Object(fields)) = schema.get_mut("properties") else { return };
    for field in fields.values_mut().filter_map(Value::as_object_mut) {
        field.shift_remove("default");
    }
    let there = |(name, field): (&String, &Value)| {
        let name = json!(name);
        (required.contains(&name) || field["nullable"] == true).then_some(name)
    };
    let required: Vec<Value> = fields.iter().filter_map(there).collect();
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
}

/// What is sent is read strictly: a field that nobody knows is refused. It was misspelt, or will do nothing.
pub(super) fn close_requests(document: &mut Value) {
    let brought = reached(document, "requestBody");
    for (name, schema) in components(document).into_iter().flatten() {
        if brought.contains(name) {
            each(schema, &mut |schema| {
                if schema.contains_key("properties") {
                    schema.insert("additionalProperties".to_owned(), json!(false));
                }
            });
        }
    }
}

/// The names of all schemas that this part of operations leads to.
fn reached(document: &Value, part: &str) -> BTreeSet<String> {
    let operations = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    let operations = operations.filter_map(Value::as_object).flat_map(|methods| methods.values());
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Value> = operations.filter_map(|operation| operation.get(part)).collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(object) => open.extend(object.values()),
            _ => {}
        }
        if let Some(name) = referred(value)
            && reached.insert(name.to_owned())
        {
            open.push(&document["components"]["schemas"][name]);
        }
    }
    reached
}
