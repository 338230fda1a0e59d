//! Servers of Socket.IO: ours, and npm's `socket.io` as people have it, with its Redis adapter.
//!
//! Each has two nodes: at one are those who speak, at the other those who listen. So a message always takes the way
//! between nodes, and what is measured of the other node is the price of listeners alone.

use std::{fs, net::SocketAddr, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{Backend, Node, database, version, which};
use crate::process::{Place, Usage, at, usage};

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chat {
    Rowcast,
    SocketIo,
}

/// Two nodes of one of them.
pub struct Nodes {
    pub speakers: SocketAddr,
    pub listeners: SocketAddr,
    /// The processes of both.
    processes: [u32; 2],
    _ended_when_dropped: Box<dyn std::any::Any>,
}

impl Chat {
    /// Everybody that this machine has.
    pub fn all() -> Vec<Self> {
        [Self::Rowcast, Self::SocketIo].into_iter().filter(|one| *one == Self::Rowcast || is_there()).collect()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Rowcast => "Rowcast",
            Self::SocketIo => "socket.io",
        }
    }

    /// Starts both nodes.
    pub async fn start(self, backend: &Backend) -> Nodes {
        match self {
            Self::Rowcast => {
                let database = database(backend).await;
                let speakers = Node::leading(backend, &database, Place::Elsewhere).await;
                let listeners = Node::start(backend, &database, Place::Server, &[]).await;
                let addresses = [speakers.address, listeners.address];
                Nodes::new(addresses, [speakers.id(), listeners.id()], (speakers, listeners))
            }
            Self::SocketIo => {
                let (first, speakers) = node(backend, Place::Elsewhere).await;
                let (second, listeners) = node(backend, Place::Server).await;
                let processes = [&speakers, &listeners].map(|process| process.id().unwrap());
                Nodes::new([first, second], processes, (speakers, listeners))
            }
        }
    }
}

impl Nodes {
    fn new([speakers, listeners]: [SocketAddr; 2], processes: [u32; 2], nodes: impl std::any::Any) -> Self {
        Self { speakers, listeners, processes, _ended_when_dropped: Box::new(nodes) }
    }

    /// What the node of those who speak has used until now, and that of those who listen.
    pub fn usage(&self) -> [Usage; 2] {
        self.processes.map(|process| usage(&[process]))
    }
}

/// What is to be known of npm's, or why it does not take part.
pub fn rival() -> String {
    if !is_there() {
        return format!("socket.io is not there: it needs `node`, and `npm ci --prefix {DIR}`");
    }
    let version = format!("socket.io {}, @socket.io/redis-adapter {}", of("socket.io"), of("@socket.io/redis-adapter"));
    format!(
        "{version}, node {}: it writes nothing down, and what a client misses while it is away, it has missed; ours has \
         each message committed by PostgreSQL before anybody is told",
        self::version("node", "--version")
    )
}

/// Where it is, below the repository.
const DIR: &str = "benches/rivals/socketio";

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(DIR)
}

fn is_there() -> bool {
    which("node").is_some() && dir().join("node_modules/.package-lock.json").is_file()
}

/// The version of one of its packages.
fn of(package: &str) -> String {
    let text = fs::read(dir().join("node_modules").join(package).join("package.json")).unwrap();
    let package: serde_json::Value = serde_json::from_slice(&text).unwrap();
    package["version"].as_str().unwrap().to_owned()
}

/// Starts one of its nodes and waits until it listens.
async fn node(backend: &Backend, place: Place) -> (SocketAddr, Child) {
    let mut command = Command::new(which("node").unwrap());
    command.arg(dir().join("server.js")).env_clear().env("NODE_ENV", "production");
    command.env("REDIS_URL", backend.services.redis_url()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut process = at(place, || command.spawn().unwrap());
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it starts");
    (line.strip_prefix("listening on http://").unwrap().parse().unwrap(), process)
}
