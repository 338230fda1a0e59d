//! Headers and media types of answers, as they are told.

use serde_json::{Map, Value, json};

use super::each;
use crate::api::budget;

/// What the front adds to every answer, whatever answers.
const EVERYWHERE: (&str, &str) = (
    "X-Request-Id",
    "What the answer is found by in logs: the request's own `X-Request-Id`, if it had one that is short and plain, else \
     a new one.",
);

/// Writes headers and media types as people do, and tells of those that no operation can know.
pub(super) fn complete(document: &mut Value) {
    each(document, &mut |object| {
        rename_keys(object, "headers", usual);
        rename_keys(object, "content", essence);
    });
    answers(document).for_each(add);
}

/// Renames what is in this part of an object.
fn rename_keys(object: &mut Map<String, Value>, part: &str, rename: fn(&str) -> String) {
    if let Some(Value::Object(named)) = object.get_mut(part) {
        *named = std::mem::take(named).into_iter().map(|(name, value)| (rename(&name), value)).collect();
    }
}

/// The framework makes capitals of the names of headers.
fn usual(name: &str) -> String {
    if name.contains(char::is_lowercase) {
        return name.to_owned();
    }
    let usual = |part: &str| part[..1].to_owned() + &part[1..].to_lowercase();
    name.split('-').filter(|part| !part.is_empty()).map(usual).collect::<Vec<_>>().join("-")
}

/// A media type without parameters: with them no generator knows it, and no client asks for it so.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_owned()
}

/// All answers of an operation, for each.
fn answers(document: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = paths.filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut());
    operations.filter_map(|operation| operation.get_mut("responses")?.as_object_mut())
}

/// An operation that may be called only so often says on every answer how the caller stands.
fn add(answers: &mut Map<String, Value>) {
    let counted = answers.contains_key("429");
    for answer in answers.values_mut().filter_map(Value::as_object_mut) {
        let headers = answer.entry("headers").or_insert_with(|| json!({}));
        let (name, words) = EVERYWHERE;
        headers[name] = json!({ "description": words, "required": true, "schema": { "type": "string" } });
        for (name, words) in budget::HEADERS.into_iter().filter(|_| counted) {
            headers[name] =
                json!({ "description": words, "schema": { "type": "integer", "format": "int32", "minimum": 0 } });
        }
    }
}
