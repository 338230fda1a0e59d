//! Replies that are still being written: how many chunks can be appended, how long one takes to a reader, and what many
//! sessions with several readers each cost.
//!
//! Redis is part of what is measured, so that nothing is kept apart: nodes, clients and Redis share all processors.

pub mod appends;
pub mod lag;
pub mod load;

use redis::AsyncCommands;
use serde_json::{Value, json};

use crate::{
    process::{Place, Role},
    role::{
        crowd,
        producer::{Plan, Session},
    },
    server::{Backend, Node, database},
};

/// All of a measurement has to fit into a session, and none may end by itself.
const SETTINGS: [(&str, &str); 4] = [
    ("SESSION_MAX_AGE", "1h"),
    ("SESSION_IDLE_TIMEOUT", "1h"),
    ("SESSION_MAX_CHUNKS", "100000000"),
    ("SESSION_MAX_BYTES", "1GiB"),
];

/// What is to be known of every table.
const SHARED: &str = "nothing is pinned: nodes, clients and Redis share all processors; Redis writes no snapshots";

/// One of its own: the other Redis is kept apart from the servers' processor.
async fn backend() -> Backend {
    let backend = Backend::start(Place::Anywhere).await;
    let mut redis = redis(&backend).await;
    let () = redis::cmd("CONFIG").arg("SET").arg("save").arg("").query_async(&mut redis).await.unwrap();
    backend
}

/// Redis, for other things than what is measured.
async fn redis(backend: &Backend) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(backend.services.redis_url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Nodes on one database, and open sessions that have nothing yet.
struct Scene {
    nodes: Vec<Node>,
    sessions: Vec<Session>,
}

impl Scene {
    async fn begin(backend: &Backend, nodes: usize, sessions: usize) -> Self {
        // What the last ones have written is nobody's any more.
        let () = redis(backend).await.flushall().await.unwrap();
        let database = database(backend).await;
        let mut scene = Self { nodes: Vec::new(), sessions: Vec::new() };
        for _ in 0..nodes {
            scene.nodes.push(Node::start(backend, &database, Place::Anywhere, &SETTINGS).await);
            scene.nodes[0].leads().await;
        }
        let (client, url) = (reqwest::Client::new(), format!("http://{}/session", scene.nodes[0].address));
        let new = json!({ "sender_id": "6f1c7a52-6d0f-4a42-93a1-0c7f4b2b7a10", "room": "room0" });
        for _ in 0..sessions {
            let answer = client.post(&url).json(&new).send().await.unwrap().error_for_status().unwrap();
            let opened: Value = answer.json().await.unwrap();
            let text = |name: &str| opened[name].as_str().unwrap().to_owned();
            scene.sessions.push(Session { id: text("id"), token: text("producer_token") });
        }
        scene
    }

    /// Who writes them, at the first node.
    fn producer(&self) -> Role {
        let plan = Plan { address: self.nodes[0].address, sessions: self.sessions.clone() };
        Role::play("producer", &plan, Place::Anywhere)
    }

    /// So many readers of each of them at a node, all there when this returns.
    fn readers(&self, node: usize, each: usize, naps: bool) -> Role {
        let paths = self.sessions.iter().map(|session| format!("/session/{}/stream", session.id)).collect();
        let (address, count) = (self.nodes[node].address, each * self.sessions.len());
        let plan = crowd::Plan { address, count, connecting: 200, paths, headers: String::new(), naps, reads: true };
        let mut readers = Role::play("crowd", &plan, Place::Anywhere);
        let there: String = readers.says();
        assert_eq!(there, "all are there");
        readers
    }
}
