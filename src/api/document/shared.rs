//! What many operations say in the same words is said once, and referred to: a reader of the document, and of what is
//! generated from it, knows an error when it is met again.

use std::collections::BTreeMap;

use poem::http::StatusCode;
use serde_json::{Value, json};

use super::each;

/// Shares headers, and then the errors that have them.
pub(super) fn share(document: &mut Value) {
    share_part(document, "headers", |name| Some(name.to_owned()));
    share_part(document, "responses", reason);
}

/// The name of an error, by its status.
fn reason(status: &str) -> Option<String> {
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let error = status.is_client_error() || status.is_server_error();
    status.canonical_reason().filter(|_| error).map(|reason| reason.replace(' ', ""))
}

fn share_part(document: &mut Value, part: &str, name: impl Fn(&str) -> Option<String>) {
    let mut told: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    each(document, &mut |object| {
        for (key, value) in object.get(part).and_then(Value::as_object).into_iter().flatten() {
            told.entry(key.clone()).or_default().push(value.clone());
        }
    });
    let shared = told.into_iter().filter_map(|(key, all)| Some((key.clone(), (name(&key)?, most(all)?))));
    let shared: BTreeMap<String, (String, Value)> = shared.collect();
    each(document, &mut |object| {
        for (key, value) in object.get_mut(part).and_then(Value::as_object_mut).into_iter().flatten() {
            if let Some((name, same)) = shared.get(key)
                && value == same
            {
                *value = json!({ "$ref": format!("#/components/{part}/{name}") });
            }
        }
    });
    document["components"][part] = Value::Object(shared.into_values().collect());
}

/// What is there most often, if that is more than once.
fn most(all: Vec<Value>) -> Option<Value> {
    let often = |one: &Value| all.iter().filter(|other| *other == one).count();
    let most = all.iter().max_by_key(|one| often(one)).filter(|one| often(one) > 1);
    most.cloned()
}
