//! Examples of whole bodies: what one would send, and it is taken. With the example of every field, a form would fill
//! in what hardly anybody says, and which may well be refused.

use serde_json::{Map, Value};

use super::{components, referred, schemas::reached};

/// Gives an example to every body that is sent, and to its parts.
pub(super) fn give(document: &mut Value) {
    let brought = reached(document, "requestBody");
    let known = components(document).cloned().unwrap_or_default();
    for (name, schema) in components(document).into_iter().flatten().filter(|(name, _)| brought.contains(*name)) {
        if let (Some(_), Some(example)) = (schema.get("properties"), example(&known, &known[name])) {
            schema["example"] = example;
        }
    }
}

/// What a value is like that fits.
fn example(known: &Map<String, Value>, schema: &Value) -> Option<Value> {
    if let Some(told) = schema.get("default").or(schema.get("example")) {
        return Some(told.clone());
    }
    if let Some(name) = referred(schema).or_else(|| referred(schema.get("allOf")?.get(0)?)) {
        return example(known, known.get(name)?);
    }
    if let Some(first) = schema.get("enum") {
        return first.get(0).cloned();
    }
    if let Some(items) = schema.get("items") {
        return Some(vec![example(known, items)?].into());
    }
    let fields = schema.get("properties")?.as_object()?;
    let required = schema.get("required").and_then(Value::as_array);
    // Where anything may be left out, leaving out all of it says nothing.
    let said = |name: &str, field: &Value| {
        required.is_none_or(|required| required.iter().any(|one| one == name) || field.get("default").is_some())
    };
    let fields = fields.iter().filter(|(name, field)| said(name, field));
    Some(Value::Object(fields.filter_map(|(name, field)| Some((name.clone(), example(known, field)?))).collect()))
}
