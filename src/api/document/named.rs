//! Texts of one form that stand in many places: each has a name, as a type does.
//!
//! Generators of strict languages make a type of every pattern, named after the place where it is; a room that was
//! listed could not be given to the call that reads it.

use serde_json::{Map, Value, json};

use super::{SCHEMAS, each};

/// What a room may be called, with the name of the form and what is said of it.
const FORMS: [(&str, &str, &str); 1] = [(
    "^[A-Za-z0-9_.:@-]{1,64}$",
    "RoomName",
    "The name of a room: 1 to 64 of `A-Z a-z 0-9 _ . : @ -`. A room is there as soon as somebody writes to it.",
)];

/// Gives forms their names, and refers to them.
pub(super) fn name(document: &mut Value) {
    for (pattern, name, description) in FORMS {
        each(document, &mut |schema| {
            if schema.get("pattern").is_some_and(|told| told == pattern) {
                refer(schema, name);
            }
        });
        document["components"]["schemas"][name] =
            json!({ "type": "string", "description": description, "pattern": pattern });
    }
    super::components(document).into_iter().for_each(Map::sort_keys);
}

/// What else is said of it stands beside an `allOf`, as poem-openapi has it.
fn refer(schema: &mut Map<String, Value>, name: &str) {
    let reference = json!({ "$ref": format!("{SCHEMAS}{name}") });
    for told in ["type", "pattern", "example"] {
        schema.shift_remove(told);
    }
    say_default(schema);
    match schema.is_empty() {
        true => schema.extend([("$ref".to_owned(), reference["$ref"].clone())]),
        false => drop(schema.insert("allOf".to_owned(), json!([reference]))),
    }
}

/// A default beside a reference becomes words: openapi-generator's Java writes it as if it were a name. What is sent
/// without the field means the same.
fn say_default(schema: &mut Map<String, Value>) {
    if let Some(Value::String(default)) = schema.shift_remove("default")
        && let Some(Value::String(description)) = schema.get_mut("description")
    {
        description.push_str(&format!(" Without it: `{default}`."));
    }
}
