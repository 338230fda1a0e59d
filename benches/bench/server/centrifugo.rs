//! Centrifugo, version 6: one node with its memory engine. What is published goes to it over HTTP; subscribers come by its
//! unidirectional server-sent events.
//!
//! The first event of each stream says what it is subscribed to. Who comes back is told in it all that is missing.

use std::{fs, net::SocketAddr, process::Stdio};

use futures_util::future::LocalBoxFuture;
use reqwest::Url;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{
    Load, Past, Server, free_port,
    http::Poster,
    listens,
    publisher::{Publisher, content},
    version, which,
};
use crate::process::{Place, at};

const PATH: &str = "/connection/uni_sse";
const KEY: &str = "bench";
const HEADERS: &str = "Content-Type: application/json\r\nX-API-Key: bench\r\n";

/// Messages that a channel keeps, and that are told at most to who comes back.
const KEPT: usize = 1_000;

struct Centrifugo {
    address: SocketAddr,
    node: Child,
    publisher: Publisher,
    _dir: TempDir,
}

pub fn is_there() -> bool {
    which("centrifugo").is_some()
}

pub fn terms() -> String {
    let settings = "one node, memory engine, 1,000 messages a channel with recovery, no pings, logs errors only";
    format!("{} ({settings})", version("centrifugo", "version"))
}

pub async fn start() -> impl Server {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let file = dir.path().join("config.json");
    fs::write(&file, conf(port).to_string()).unwrap();
    let mut command = Command::new(which("centrifugo").unwrap());
    command.arg("--config").arg(&file).current_dir(dir.path());
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let node = at(Place::Server, || command.spawn().unwrap());
    let address = ([127, 0, 0, 1], port).into();
    listens(address).await;
    let mut poster = Poster::connect(address, HEADERS).await;
    // What it refuses, it refuses before anything is measured.
    poster.post(std::iter::once(publication("nobody"))).await;
    let publisher = Publisher::start(async move |rooms: &[usize]| {
        poster.post(rooms.iter().map(|room| publication(&format!("room{room}")))).await;
    });
    Centrifugo { address, node, publisher, _dir: dir }
}

/// Its pings are events like others, and would be counted. Errors have a status only if it is told so.
fn conf(port: u16) -> Value {
    json!({
        "http_server": { "address": "127.0.0.1", "port": port },
        "log": { "level": "error" },
        "engine": { "type": "memory" },
        "usage_stats": { "disabled": true },
        "http_api": { "key": KEY, "error_mode": "transport" },
        "uni_sse": { "enabled": true },
        "client": {
            "allow_anonymous_connect_without_token": true,
            "ping_interval": "24h",
            "recovery_max_publication_limit": KEPT,
        },
        "channel": { "without_namespace": {
            "allow_subscribe_for_client": true,
            "allow_subscribe_for_anonymous": true,
            "history_size": KEPT,
            "history_ttl": "1h",
            "force_recovery": true,
        } },
    })
}

/// Where a message is posted, and as what.
fn publication(channel: &str) -> (String, String) {
    ("/api/publish".to_owned(), json!({ "channel": channel, "data": content() }).to_string())
}

/// The stream of a channel, asked for in this way.
fn stream(channel: &str, how: Value) -> String {
    let connect = json!({ "subs": { channel: how } }).to_string();
    let url = Url::parse_with_params("http://bench", [("cf_connect", connect)]).unwrap();
    format!("{PATH}?{}", url.query().unwrap())
}

impl Server for Centrifugo {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn path(&self, room: usize) -> String {
        stream(&format!("room{room}"), json!({}))
    }

    fn everything(&self) -> String {
        self.path(0)
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.node.id().unwrap()]
    }

    fn publish(&mut self, load: Load) {
        self.publisher.set(load);
    }

    /// From before the first message, which without an epoch is right only while the channel still has that one.
    fn past(&mut self, count: usize) -> LocalBoxFuture<'_, Past> {
        Box::pin(async move {
            let mut poster = Poster::connect(self.address, HEADERS).await;
            poster.post((0..count).map(|_| publication("room0"))).await;
            let path = stream("room0", json!({ "recover": true, "offset": 0 }));
            Past { path, headers: String::new(), events: 1 }
        })
    }
}
