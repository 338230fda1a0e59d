//! Unions whose members are told apart by a field.
//!
//! The framework tells of such a member twice: as it is without the field, and as `Union_Member`, which adds the field
//! in an `allOf`. Generators make two types of that, one of them with a name that nobody would give, or lose the field.
//! The form that all of them read well is the plain one: the field is in the member itself, and the union is a `oneOf`
//! of the members.

use serde_json::{Map, Value, json};

use super::{SCHEMAS, components, referred};

/// Puts the field that tells members apart into the members.
pub(super) fn fold(document: &mut Value) {
    let whole = document.to_string();
    // A member that something else refers to, too, is there without the field as well.
    let single = |name: &str| whole.matches(&format!("\"{SCHEMAS}{name}\"")).count() == 1;
    let Some(schemas) = components(document) else { return };
    let unions: Vec<String> =
        schemas.iter().filter(|(_, schema)| schema["oneOf"].is_array()).map(|(name, _)| name.clone()).collect();
    for union in unions {
        let Some(mut schema) = schemas.remove(&union) else { continue };
        let members = schema["oneOf"].as_array_mut().into_iter().flatten();
        let renamed: Vec<_> = members.filter_map(|member| fold_member(schemas, member, &single)).collect();
        for place in schema.pointer_mut("/discriminator/mapping").and_then(Value::as_object_mut).into_iter().flatten() {
            let to = renamed.iter().find(|(from, _)| place.1 == from);
            *place.1 = to.map_or_else(|| place.1.clone(), |(_, to)| to.clone());
        }
        // That they are objects is said by each of them.
        schema.as_object_mut().and_then(|schema| schema.shift_remove("type"));
        schemas.insert(union, schema);
    }
    schemas.sort_keys();
}

/// Folds what a union refers to; the reference before and after.
fn fold_member(
    schemas: &mut Map<String, Value>,
    reference: &mut Value,
    single: &impl Fn(&str) -> bool,
) -> Option<(Value, Value)> {
    let wrapper = referred(reference)?.to_owned();
    let [field, member] = schemas[&wrapper]["allOf"].as_array()?.as_slice() else { return None };
    let (field, name) = (field.clone(), referred(member).filter(|name| single(name))?.to_owned());
    let member = schemas.get_mut(&name)?;
    for part in ["properties", "required"] {
        let added = field[part].clone();
        member[part] = joined(added, member[part].take());
    }
    schemas.remove(&wrapper);
    let after = json!(format!("{SCHEMAS}{name}"));
    let before = std::mem::replace(&mut reference["$ref"], after.clone());
    Some((before, after))
}

/// The first, and then the second.
fn joined(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut first), Value::Object(second)) => {
            first.extend(second);
            first.into()
        }
        (Value::Array(first), Value::Array(second)) => [first, second].concat().into(),
        (first, _) => first,
    }
}
