//! The house keeps its shape: who may know whom, read from the source texts.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each layer may use itself and those before it.
const LAYERS: [(&str, &[&str]); 5] = [
    (
        "words",
        &["change", "cursor", "failpoint", "frame", "message", "metrics", "network", "quota", "reply", "timestamp"],
    ),
    ("adapters", &["auth", "redis", "store", "telemetry"]),
    ("engine", &["cluster", "hub", "idempotency", "intake", "limit", "presence", "relay", "session"]),
    ("doors", &["api", "chat", "demo", "edge", "health"]),
    ("wiring", &["app", "cli", "config", "dev", "healthcheck", "lib", "listen", "main", "mistakes", "token"]),
];

/// Names that a file, or a module with all its files, must not use, beside what the layers say.
const NEVER: [(&str, &[&str]); 25] = [
    ("auth", &["store", "redis", "sqlx", "poem", "poem_openapi"]),
    ("hub", &["store", "redis", "relay", "intake", "sqlx", "poem", "poem_openapi", "reqwest"]),
    ("intake.rs", &["poem", "poem_openapi", "sqlx", "relay"]),
    ("relay", &["poem", "poem_openapi", "hub", "intake"]),
    ("idempotency.rs", &["poem", "poem_openapi", "sqlx", "hub", "limit"]),
    ("limit", &["poem", "poem_openapi", "store", "sqlx", "hub"]),
    ("session", &["poem", "poem_openapi", "sqlx", "hub", "relay", "limit"]),
    ("presence", &["poem", "poem_openapi", "sqlx", "store", "hub", "relay", "limit", "session"]),
    ("cluster", &["poem", "sqlx", "store", "limit", "session", "presence"]),
    ("chat", &["poem", "poem_openapi", "sqlx", "redis", "hub", "api"]),
    ("chat/model", &["store", "redis", "sqlx", "poem", "hub", "api", "session"]),
    ("store", &["redis", "poem", "reqwest"]),
    ("redis", &["store", "sqlx", "poem", "reqwest"]),
    ("api", &["relay", "intake", "sqlx", "redis"]),
    ("telemetry", &["store", "redis", "sqlx", "poem", "tokio"]),
    ("demo", &["store", "redis", "sqlx", "poem", "hub", "api"]),
    ("edge", &["store", "redis", "sqlx", "hub", "api", "auth", "limit", "poem_openapi"]),
    ("health", &["redis", "sqlx", "poem", "api", "edge"]),
    ("dev", &["store", "hub", "api", "poem", "config", "sqlx"]),
    ("hub/ring.rs", &["tokio", "tokio_util", "std::sync"]),
    ("frame.rs", &["tokio", "tokio_util", "poem"]),
    ("cursor.rs", &["tokio", "tokio_util", "poem", "sqlx"]),
    ("change.rs", &["tokio", "tokio_util", "poem", "sqlx"]),
    ("reply", &["tokio", "tokio_util", "poem", "sqlx"]),
    ("timestamp.rs", &["tokio", "poem", "sqlx"]),
];

/// The longest file: beyond it a subject is two subjects.
const LINES: usize = 400;

/// A source file: its path under the folder that was read, and its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Every file under a folder of the repository.
    fn all(folder: &str) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.extension() {
                    _ if path.is_dir() => folders.push(path),
                    Some(rust) if rust == "rs" => {
                        let text = fs::read_to_string(&path).unwrap();
                        sources.push(Self { path: path.strip_prefix(&root).unwrap().to_owned(), text });
                    }
                    _ => {}
                }
            }
        }
        assert!(!sources.is_empty());
        sources
    }

    /// The top-level module that the file is part of; tests beside a module belong to it.
    fn module(&self) -> String {
        let first = self.path.components().next().unwrap().as_os_str().to_str().unwrap();
        first.trim_end_matches(".rs").trim_end_matches("_tests").to_owned()
    }

    /// The text without comments: prose may speak of anything.
    fn code(&self) -> String {
        let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
        self.text.lines().map(code).collect::<Vec<_>>().join("\n")
    }

    /// The top-level modules that the file uses, by `crate::one` or `use crate::{one, two::Three}`.
    fn uses(&self) -> BTreeSet<String> {
        let code = self.code();
        let trees = code.split("crate::").skip(1).filter(|rest| !rest.starts_with('$'));
        trees.flat_map(roots).collect()
    }

    /// Whether the code names this: as the first part of a path.
    fn names(&self, name: &str) -> bool {
        let code = self.code();
        let begins = |at: usize| {
            let before = code[..at].trim_end_matches("::");
            // `a::name::b` names `a`; `::name::b` names `name`.
            let root = before.len() == at || !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            root && !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
        };
        let ends = |at: usize| code[at..].starts_with("::") || code[at..].starts_with(" as ");
        code.match_indices(name).any(|(at, _)| begins(at) && ends(at + name.len()))
            || code.contains(&format!("use {name};"))
    }
}

/// The first names of what follows `crate::`: of one path, or of each in a brace.
fn roots(rest: &str) -> Vec<String> {
    let name = |text: &str| {
        let text = text.trim_start();
        text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())].to_owned()
    };
    let Some(inside) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut part, mut found) = (0, String::new(), Vec::new());
    for c in inside.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => found.push(name(&std::mem::take(&mut part))),
            _ => {}
        }
        if c != ',' || depth > 0 {
            part.push(c);
        }
    }
    found.push(name(&part));
    found.retain(|name| !name.is_empty());
    found
}

/// The number of a module's layer.
fn layer(module: &str) -> usize {
    let place = LAYERS.iter().position(|(_, modules)| modules.contains(&module));
    place.unwrap_or_else(|| panic!("`{module}` is in no layer: add it to the table, where it belongs"))
}

#[test]
fn imports_are_found_in_every_form() {
    assert_eq!(roots("hub::{Hub, ring::Filter}"), ["hub"]);
    assert_eq!(
        roots("{\n  api,\n  change::{A, B},\n  hub::{self, ring::{C, D}},\n}; crate_x"),
        ["api", "change", "hub"]
    );
    let source =
        Source { path: "a/b.rs".into(), text: "use crate::x; // crate::y\n#[serde(with = \"crate::z\")]".into() };
    assert_eq!((source.module().as_str(), source.uses()), ("a", ["x", "z"].map(String::from).into()));
    let source =
        Source { path: "a.rs".into(), text: "use one::{self}; two::f(); ::three_four::g(); // five::h".into() };
    assert_eq!(
        ["one", "two", "three_four", "four", "five", "h"].map(|name| source.names(name)),
        [true, true, true, false, false, false]
    );
}

#[test]
fn a_layer_knows_only_itself_and_those_below() {
    for source in Source::all("src") {
        let own = layer(&source.module());
        for used in source.uses() {
            let (user, of) = (LAYERS[own].0, LAYERS[layer(&used)].0);
            assert!(layer(&used) <= own, "{}: {user} must not use `{used}` of {of}", source.path.display());
        }
    }
}

#[test]
fn every_module_has_its_place_in_a_layer() {
    let there: BTreeSet<String> = Source::all("src").iter().map(Source::module).collect();
    let listed: BTreeSet<String> =
        LAYERS.iter().flat_map(|(_, modules)| *modules).map(|name| (*name).to_owned()).collect();
    assert_eq!(there, listed);
}

#[test]
fn nobody_names_what_is_none_of_its_business() {
    let sources = Source::all("src");
    for (place, forbidden) in NEVER {
        let concerned: Vec<&Source> = sources.iter().filter(|source| source.path.starts_with(place)).collect();
        assert!(!concerned.is_empty(), "there is no {place}");
        for source in concerned {
            for name in forbidden {
                let named = source.uses().contains(*name) || source.names(name);
                // A module called like a library is meant only where the path says `crate::`.
                let own = source.module() == *name;
                assert!(own || !named, "{} names `{name}`", source.path.display());
            }
        }
    }
}

#[test]
fn nobody_climbs_to_the_root_step_by_step() {
    for source in Source::all("src") {
        assert!(!source.code().contains("super::super"), "{}: say `crate::`", source.path.display());
    }
}

#[test]
fn only_the_store_speaks_sql_and_only_redis_speaks_redis() {
    for source in Source::all("src") {
        let module = source.module();
        // A message says itself how it is read from a row; settings name the type of an address.
        let sqlx = ["store", "message", "config"].contains(&module.as_str());
        assert!(sqlx || !source.names("sqlx"), "{}", source.path.display());
        let redis = ["redis", "dev"].contains(&module.as_str()) || source.uses().contains("redis");
        assert!(redis || !source.names("redis"), "{}", source.path.display());
    }
}

#[test]
fn every_file_has_one_subject_and_says_which() {
    for folder in ["src", "tests"] {
        for Source { path, text } in Source::all(folder) {
            assert!(text.starts_with("//! "), "{folder}/{} does not say what it is about", path.display());
            let lines = text.lines().count();
            assert!(lines <= LINES, "{folder}/{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn the_map_names_every_module() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let header: String = map.lines().filter(|line| line.starts_with("//!")).collect();
    for line in map.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")) {
        let module = line.trim_end_matches(';');
        assert!(header.contains(&format!("`{module}`")), "lib.rs says nothing of `{module}`");
    }
}
