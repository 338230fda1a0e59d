//! What is there to deploy with works: the files under `deploy/`, `docker-compose.yml` and `Dockerfile`.

mod agree;
mod metrics;
mod role;
mod settings;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// A file of the repository.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of a YAML file, as JSON.
fn yaml(path: &str) -> Vec<Value> {
    let text = read(path);
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| Value::deserialize(document).unwrap_or_else(|error| panic!("{path}: {error}"))).collect()
}

/// The one document of this kind in a file of manifests.
fn manifest(path: &str, kind: &str) -> Value {
    yaml(path).into_iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("no {kind} in {path}"))
}

fn deployment() -> Value {
    manifest("deploy/kubernetes/deployment.yaml", "Deployment")
}

/// Every file under `deploy/`, and `docker-compose.yml`: its path in the repository.
fn files() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut files) = (vec![root.join("deploy")], vec![root.join("docker-compose.yml")]);
    while let Some(folder) = folders.pop() {
        let entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let (inner, plain): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
        folders.extend(inner);
        files.extend(plain);
    }
    let name = |path: PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    files.into_iter().map(name).collect()
}

/// The words of a text that are made of these characters.
fn words<'a>(text: &'a str, part: impl Fn(char) -> bool + 'a) -> impl Iterator<Item = &'a str> {
    text.split(move |character| !part(character)).filter(|word| !word.is_empty())
}

#[test]
fn every_file_can_be_read_as_what_it_is() {
    let files = files();
    assert!(files.len() > 20, "{files:?}");
    for file in &files {
        match Path::new(file).extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => assert!(!yaml(file).is_empty(), "{file} is empty"),
            Some("json") => assert!(serde_json::from_str::<Value>(&read(file)).is_ok(), "{file} is no JSON"),
            _ => assert!(!read(file).is_empty(), "{file} is empty"),
        }
    }
}
