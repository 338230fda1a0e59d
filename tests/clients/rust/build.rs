//! Makes of the OpenAPI document what `progenitor` can read. It knows one type of success and one type of error for an
//! operation, and JSON by the name `application/json` only; so two things of the document are put otherwise, and no more:
//!
//! - `application/problem+json` is called `application/json`: a problem is a `types::Problem`, not a stream of bytes.
//! - A 204 beside a 200 is left out (`GET /session/{id}/stream` says "do not come back" by it): it comes as
//!   `Error::UnexpectedResponse`.

use std::{env, fs, path::Path};

use anyhow::Result;
use serde_json::Value;

const DOCUMENT: &str = "../../../target/clients/rust/openapi.json";

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed={DOCUMENT}");
    let document = fs::read_to_string(DOCUMENT)?.replace(r#""application/problem+json""#, r#""application/json""#);
    let mut document: Value = serde_json::from_str(&document)?;
    for responses in operations(&mut document).filter_map(|operation| operation["responses"].as_object_mut()) {
        if responses.contains_key("200") {
            responses.remove("204");
        }
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("openapi.json"), document.to_string())?;
    Ok(())
}

fn operations(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    paths.filter_map(Value::as_object_mut).flat_map(|path| path.values_mut()).filter(|operation| operation.is_object())
}
