//! The figures of a node, as it tells them to all others, and as people read them.
//!
//! Nodes of two versions run beside each other while they are replaced: what the other one does not tell is nothing,
//! and what this one does not know is passed over.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

/// How a node is, and what came through it in the second before it told so.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(default)]
pub struct Figures {
    /// The address on which it listens for clients.
    pub address: String,
    /// The version of the program.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: f64,
    /// Its end of the feed: the last position that its subscribers can have.
    pub head: String,
    /// Whether it may lack changes that the log has.
    pub behind: bool,
    /// Whether changes come to it over Redis; if not, it reads them from the log.
    pub bus_up: bool,
    /// What it knows as the leader; null if it does not lead.
    #[oai(nullable)]
    pub leads: Option<LeaderFigures>,
    /// Streams that are open (`GET /stream`).
    pub streams: u64,
    /// Sockets that are connected (Socket.IO).
    pub sockets: i64,
    /// Open sockets of clients, streams among them.
    pub connections: i64,
    /// Changes a second that came to it.
    pub changes_per_second: f64,
    /// Events of changes a second that it handed to streams and sockets.
    pub deliveries_per_second: f64,
    /// Messages a second that were posted to it and written.
    pub posts_per_second: f64,
    /// How old changes were when it handed them on, in the last ten seconds; null if there was none.
    #[oai(nullable)]
    pub latency: Option<LatencyFigures>,
    /// The changes that it has in memory.
    pub ring: RingFigures,
    /// Memory that it has in use, in bytes; null where the system does not tell.
    #[oai(nullable)]
    pub resident_bytes: Option<u64>,
}

/// What only a leader knows.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(default)]
#[oai(rename = "LeaderHealth")]
pub struct LeaderFigures {
    /// Seconds since it leads.
    pub seconds: f64,
    /// The last position given.
    pub head: String,
    /// The last position that Redis has; null while that is not known.
    #[oai(nullable)]
    pub published: Option<String>,
    /// Positions that Redis does not have yet; null while that is not known.
    #[oai(nullable)]
    pub lag_changes: Option<u64>,
    /// Seconds since Redis was last found to have all positions. That is looked at twice a second.
    #[oai(nullable)]
    pub lag_seconds: Option<f64>,
}

/// How old changes were, from their capture in the writer's transaction.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(default)]
#[oai(rename = "LatencyHealth")]
pub struct LatencyFigures {
    /// Where that was looked at: as they were handed to the sockets of streams (`socket`: for one stream in 64), or,
    /// where no such stream was open, as they came to the node (`node`).
    pub stage: String,
    /// How many were looked at.
    pub samples: u64,
    /// Half of them were not older, in milliseconds.
    pub p50_ms: f64,
    /// 99 in 100 were not older, in milliseconds.
    pub p99_ms: f64,
}

/// The changes that a node has in memory.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Object)]
#[serde(default)]
#[oai(rename = "RingHealth")]
pub struct RingFigures {
    /// How many.
    pub changes: i64,
    /// Their bytes.
    pub bytes: u64,
    /// The age of the oldest of them, in seconds; null if there is none.
    #[oai(nullable)]
    pub seconds: Option<f64>,
}
