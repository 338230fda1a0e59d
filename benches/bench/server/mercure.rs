//! Mercure: the hub as it is released, version 0.x. What is published goes to it over HTTP, and on to who is there.
//!
//! A hub that passes on from memory keeps nothing. For those who come back another one is started, with its database.
//! Its heartbeat is a comment without a blank line, which does not count as an event.

use std::{fs, net::SocketAddr, path::Path, process::Stdio};

use futures_util::future::LocalBoxFuture;
use reqwest::Url;
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

const PATH: &str = "/.well-known/mercure";

/// What publishers sign with.
const KEY: &str = "rowcast-bench-mercure-publisher-key";

/// A form, from who may publish everything. The token is `{"alg":"HS256","typ":"JWT"}` and
/// `{"mercure":{"publish":["*"]}}`, each in base64url, and the HMAC-SHA-256 of both with the key.
const HEADERS: &str = "Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Bearer \
     eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdfX0.T8KuAXnDDO-4rjawsG_bwQ6wfgNG9gbfmEd6SxmSp2s\r\n";

struct Mercure {
    address: SocketAddr,
    hub: Child,
    publisher: Publisher,
    _dir: TempDir,
}

/// Where a hub has what it passes on.
#[derive(Clone, Copy)]
enum Transport {
    Memory,
    Database,
}

pub fn is_there() -> bool {
    which("mercure").is_some()
}

pub fn terms() -> String {
    let settings = "one process, local transport, Bolt for those who come back, no access log, errors only";
    format!("{} ({settings})", version("mercure", "version"))
}

pub async fn start() -> impl Server {
    Mercure::start(Transport::Memory).await
}

impl Mercure {
    async fn start(transport: Transport) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let file = dir.path().join("Caddyfile");
        fs::write(&file, conf(dir.path(), port, transport)).unwrap();
        let mut command = Command::new(which("mercure").unwrap());
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        // What it leaves goes with the directory; an older way to name a transport must not be found by chance.
        command.env("HOME", dir.path()).env_remove("XDG_DATA_HOME").env_remove("MERCURE_TRANSPORT_URL");
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let hub = at(Place::Server, || command.spawn().unwrap());
        let address = ([127, 0, 0, 1], port).into();
        listens(address).await;
        let mut poster = Poster::connect(address, HEADERS).await;
        // What it refuses, it refuses before anything is measured.
        poster.post(std::iter::once(update("nobody"))).await;
        let publisher = Publisher::start(async move |rooms: &[usize]| {
            poster.post(rooms.iter().map(|room| update(&format!("room{room}")))).await;
        });
        Self { address, hub, publisher, _dir: dir }
    }
}

/// The site has no name: subscribers call it as they like.
fn conf(dir: &Path, port: u16, transport: Transport) -> String {
    let transport = match transport {
        Transport::Memory => "local".to_owned(),
        Transport::Database => format!("bolt {{\n path {}\n }}", dir.join("updates.db").display()),
    };
    format!(
        "{{
             admin off
             persist_config off
             auto_https off
             log {{
                 level ERROR
             }}
         }}
         http://:{port} {{
             bind 127.0.0.1
             mercure {{
                 publisher_jwt {KEY} HS256
                 subscriber_jwt {KEY} HS256
                 anonymous
                 transport {transport}
             }}
         }}
         "
    )
}

/// Where a message is posted, and as what.
fn update(topic: &str) -> (String, String) {
    let form = Url::parse_with_params("http://bench", [("topic", topic), ("data", &content())]).unwrap();
    (PATH.to_owned(), form.query().unwrap().to_owned())
}

impl Server for Mercure {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn path(&self, room: usize) -> String {
        format!("{PATH}?topic=room{room}")
    }

    fn everything(&self) -> String {
        self.path(0)
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.hub.id().unwrap()]
    }

    fn publish(&mut self, load: Load) {
        self.publisher.set(load);
    }

    /// No more than 1,000: whoever comes back is sent away if more wait for it.
    fn past(&mut self, count: usize) -> LocalBoxFuture<'_, Past> {
        Box::pin(async move {
            *self = Self::start(Transport::Database).await;
            let mut poster = Poster::connect(self.address, HEADERS).await;
            poster.post((0..count).map(|_| update("room0"))).await;
            Past { path: format!("{}&lastEventID=earliest", self.path(0)), headers: String::new(), events: count }
        })
    }
}
