//! What dashboards, alerts and the README speak of, a node counts.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{files, read, words};
use crate::support::{World, message, until};

/// Names that begin like ours: of roles, and of a cookie.
const OTHERS: [&str; 3] = ["rowcast_app", "rowcast_owner", "rowcast_token"];

/// The names that a text in the form of Prometheus has, as they are asked for.
fn names_in(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["#", "TYPE", name, "histogram"] => {
                names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
            }
            ["#", "TYPE", name, "counter"] if !name.ends_with("_total") => drop(names.insert(format!("{name}_total"))),
            ["#", "TYPE", name, _] => drop(names.insert(name.to_owned())),
            _ => {}
        }
    }
    names
}

/// What a node counts, after traffic: one that leads, has told of a change, has heard a canary, and has sent away a
/// reader who came too often.
async fn counted() -> BTreeSet<String> {
    let world = World::new().await;
    let node = world.node_with(&[("RATE_READ", "1/1min")]).await;
    let mut stream = node.stream("").await;
    node.say(message("counted")).await;
    stream.next().await;
    for _ in 0..2 {
        node.get("/message").await;
    }
    let heard = async || !node.get("/health").await.body["bus"]["canary_seconds"].is_null();
    until("the node hears a canary", heard).await;
    names_in(node.get("/metrics").await.body.as_str().unwrap())
}

#[tokio::test]
async fn every_metric_that_is_spoken_of_is_counted() {
    let counted = counted().await;
    assert!(counted.len() > 50, "{counted:?}");
    for file in files().into_iter().chain(["README.md".to_owned()]) {
        let text = read(&file);
        let named = words(&text, |c| c.is_ascii_alphanumeric() || c == '_').filter(|word| word.starts_with("rowcast_"));
        let unknown: BTreeSet<_> = named.filter(|name| !counted.contains(*name) && !OTHERS.contains(name)).collect();
        assert!(unknown.is_empty(), "{file} speaks of {unknown:?}");
    }
}

/// What nobody looks at, nobody needs to count.
#[tokio::test]
async fn every_metric_is_on_the_dashboard() {
    let dashboard = read("deploy/grafana/rowcast.json");
    let shown: BTreeSet<_> = words(&dashboard, |c| c.is_ascii_alphanumeric() || c == '_').collect();
    // Of a histogram its buckets are shown, or its sum by its count.
    let histogram =
        |name: &str| ["_sum", "_count", "_bucket"].iter().find_map(|part| name.strip_suffix(part).map(str::to_owned));
    let is_shown = |name: &str| match histogram(name) {
        Some(name) => ["_bucket", "_sum"].iter().any(|part| shown.contains(&*format!("{name}{part}"))),
        None => shown.contains(name),
    };
    let missing: Vec<_> = counted().await.into_iter().filter(|name| !is_shown(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_dashboard_asks_the_source_that_one_chooses() {
    let text = read("deploy/grafana/rowcast.json");
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty() && !panel["description"].as_str().unwrap().is_empty(), "{}", panel["title"]);
        assert!(targets.iter().all(|target| target["datasource"].is_object()), "{}", panel["title"]);
    }
    let sources = text.lines().filter_map(|line| line.trim().strip_prefix("\"uid\": "));
    let fixed: Vec<_> = sources.filter(|uid| !uid.starts_with("\"${datasource}\"")).collect();
    assert_eq!(fixed, ["\"rowcast\","], "the dashboard itself, and nothing else");
}
