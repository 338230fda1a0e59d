//! The OpenAPI document, as people and generators of clients read it.
//!
//! What poem-openapi writes is true of the code, but it is not all that is true, and not in the form that generators
//! read best. So it is made over here, once, for all who show it. These are rules, and none needs to know an operation
//! or a schema by name: what comes later is told as well as what is there.
//!
//! Not taken: a document by hand, which parts from the code; settings and patches for each generator, which everybody
//! would have to find out anew; another framework.

mod bodies;
mod examples;
mod headers;
mod named;
mod schemas;
mod shared;
mod texts;
mod unions;

use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Map, Value};

/// What the whole is, at the beginning of the document.
pub(super) const ABOUT: &str = "\
Messages are rows of a Postgres table; every change of them is streamed to every subscriber, once, in order.

**Pages** go by cursor: give the `next_cursor` of a page as `cursor` for the next one, until it is null.

**Streams** are server-sent events. Come back with the last `id:` as `Last-Event-ID`, or as the query \
`last_event_id`, and nothing is missed.

**Errors** are `application/problem+json` (RFC 9457), each with a stable `type`; `errors` names the fields that were \
wrong.

**Numbers** of messages count up from 1. They are 64 bits wide, but no table comes near the 2^53 up to which a \
JavaScript number is exact.

**Fields** that an answer has now, it will have: new ones may come, so pass over what you do not know. What you send \
is read strictly: an unknown field is refused.";

/// The document, in both forms.
#[derive(Clone)]
pub(super) struct Document {
    /// As `/openapi.json` has it.
    pub json: String,
    /// As `/openapi.yaml` has it.
    pub yaml: String,
}

impl Document {
    /// The document of a service.
    pub(super) fn of<T: OpenApi>(service: &OpenApiService<T, ()>) -> Self {
        // It is made by serde_json, and what is made of it is a tree of texts and numbers.
        let mut document: Value = serde_json::from_str(&service.spec()).unwrap_or_default();
        make_over(&mut document);
        Self { json: format!("{document:#}"), yaml: serde_yaml::to_string(&document).unwrap_or_default() }
    }
}

fn make_over(document: &mut Value) {
    texts::flow(document);
    texts::order_tags(document);
    unions::fold(document);
    schemas::tidy(document);
    schemas::plain_headers(document);
    schemas::complete_answers(document);
    schemas::close_requests(document);
    named::name(document);
    headers::complete(document);
    examples::give(document);
    bodies::give(document);
    shared::share(document);
}

/// What a document holds as it is: nothing there is a schema, or words of the document's own.
const DATA: [&str; 4] = ["default", "enum", "example", "examples"];

/// Visits every object of a document that says something, the innermost first.
fn each(value: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, visit)),
        Value::Object(object) => {
            for (name, inner) in object.iter_mut() {
                match (name.as_str(), inner) {
                    // Here the names are those of somebody's fields.
                    ("properties", Value::Object(fields)) => fields.values_mut().for_each(|field| each(field, visit)),
                    (name, _) if DATA.contains(&name) => {}
                    (_, inner) => each(inner, visit),
                }
            }
            visit(object);
        }
        _ => {}
    }
}

/// What a reference to a schema begins with.
const SCHEMAS: &str = "#/components/schemas/";

/// The schemas by name.
fn components(document: &mut Value) -> Option<&mut Map<String, Value>> {
    document.pointer_mut("/components/schemas")?.as_object_mut()
}

/// The name of the schema that is referred to.
fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix(SCHEMAS)
}
