//! The report: every part of the node with its age and counts, as people read it.

use poem_openapi::Object;
use serde::Serialize;

/// Every part of the node.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "HealthReport")]
pub struct Report {
    /// Whether the node may take traffic.
    pub ok: bool,
    /// What is not as it should be.
    pub reasons: Vec<String>,
    /// The first stage on the way of a change that is not proved to work; null if all are.
    #[oai(nullable, validator(pattern = "^(postgres|capture|relay|redis|hub)$"))]
    pub stale: Option<String>,
    /// The version of the program.
    pub version: String,
    /// Seconds since the node started.
    pub uptime_seconds: f64,
    /// The database.
    pub postgres: PostgresPart,
    /// What can be resumed; null if PostgreSQL does not answer.
    #[oai(nullable)]
    pub log: Option<LogPart>,
    /// The bus over Redis.
    pub bus: BusPart,
    /// The node's end of the feed.
    pub hub: HubPart,
    /// The relay: the leader's, and this node's.
    pub relay: RelayPart,
    /// Replies that are still being written.
    pub sessions: SessionsPart,
    /// Who is in which room.
    pub presence: PresencePart,
    /// Sockets (Socket.IO).
    pub sockets: SocketsPart,
    /// The model that replies.
    pub chat: ChatPart,
    /// The process.
    pub process: ProcessPart,
}

/// The database.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PostgresHealth")]
pub struct PostgresPart {
    /// Whether it answers.
    pub ok: bool,
    /// How long it took, in milliseconds.
    pub answer_ms: f64,
    /// Whether all triggers that capture changes are there and enabled; null if it does not answer.
    #[oai(nullable)]
    pub captures: Option<bool>,
    /// The connections for HTTP.
    pub http: PoolPart,
    /// Those for reading the log.
    pub log: PoolPart,
    /// Posted messages that have no answer yet.
    pub posts_waiting: u64,
}

/// The connections of a pool.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PoolHealth")]
pub struct PoolPart {
    /// Open, and free.
    pub idle: u64,
    /// At work.
    pub used: u64,
    /// The most of both.
    pub max: u64,
}

/// Replies that are still being written.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "SessionsHealth")]
pub struct SessionsPart {
    /// What this node is called where a session's readers are counted.
    pub node: String,
    /// Sessions that are open, all nodes together, when this one looked last.
    pub open: i64,
    /// Sessions that are read on this node.
    pub followed: u64,
    /// Their readers.
    pub readers: u64,
    /// Whether bells can be heard; if not, sessions, and rooms that are watched, are looked at now and then.
    pub bells: bool,
}

/// Who is in which room.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "PresenceHealth")]
pub struct PresencePart {
    /// Connections of this node that are in a room, each once for each room.
    pub here: u64,
    /// Those of which Redis has yet to be told how they are.
    pub untold: u64,
    /// Rooms that are watched on this node.
    pub rooms: u64,
    /// Their watchers.
    pub watchers: u64,
}

/// Sockets (Socket.IO) of this node.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "SocketsHealth")]
pub struct SocketsPart {
    /// All there are, those not yet connected among them.
    pub open: i64,
    /// Those that are connected.
    pub connected: i64,
    /// Rooms with one of them.
    pub rooms: i64,
}

/// The model that replies.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "ChatHealth")]
pub struct ChatPart {
    /// How it is spoken to.
    pub dialect: String,
    /// The model that is asked where a request names none.
    pub model: String,
    /// Replies that are being made on this node.
    pub replies: u64,
    /// Whether it answered to the end when this node asked it last: `ok` or `error`; `unknown` where it has not asked
    /// yet. It is never asked just to know.
    #[oai(validator(pattern = "^(ok|error|unknown)$"))]
    pub upstream: String,
}

/// The process. What its system does not tell is null.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "ProcessHealth")]
pub struct ProcessPart {
    /// Memory that is in use, in bytes.
    #[oai(nullable)]
    pub resident_bytes: Option<u64>,
    /// Open descriptors.
    #[oai(nullable)]
    pub open_descriptors: Option<u64>,
    /// The most of them.
    #[oai(nullable)]
    pub max_descriptors: Option<u64>,
    /// Open sockets of clients, streams among them.
    pub connections: i64,
}

/// What the log holds.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "LogHealth")]
pub struct LogPart {
    /// Positions up to this one were let go of.
    pub floor: i64,
    /// Changes that it holds.
    pub changes: i64,
    /// Their bytes, about.
    pub bytes: i64,
    /// The age of the oldest of them, in seconds; null if there is none.
    #[oai(nullable)]
    pub oldest_seconds: Option<f64>,
}

/// The bus over Redis.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "BusHealth")]
pub struct BusPart {
    /// Whether changes come over it; if not, they are read from the log.
    pub up: bool,
    /// Seconds since it was heard last; null if never.
    #[oai(nullable)]
    pub silent_seconds: Option<f64>,
    /// Seconds since the last new canary came over it; null if none ever did. One sets out every second.
    #[oai(nullable)]
    pub canary_seconds: Option<f64>,
}

/// The node's end of the feed.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "HubHealth")]
pub struct HubPart {
    /// The last position that its subscribers can have.
    pub head: String,
    /// Whether it may lack changes that the log has.
    pub behind: bool,
    /// Seconds since it was last proved to lack none, by a canary or by the log.
    pub proved_seconds: f64,
    /// Changes in the ring.
    pub ring_changes: i64,
    /// Bytes in the ring.
    pub ring_bytes: u64,
    /// Subscribers now.
    pub subscribers: u64,
    /// Streams that began where the client left off.
    pub resumed: u64,
    /// Subscribers that had to read anew.
    pub resets: u64,
    /// Pages of the log handed to subscribers.
    pub pages: u64,
    /// How often the log was read for them: a page is shared by all who need it.
    pub page_reads: u64,
}

/// The relay: the leader's, and this node's.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "RelayHealth")]
pub struct RelayPart {
    /// The node that leads the cluster, or led it last; null if nobody ever did.
    #[oai(nullable)]
    pub leader: Option<String>,
    /// Seconds since the leader's last sign of life; null if there was none. One comes every second.
    #[oai(nullable)]
    pub leader_seconds: Option<f64>,
    /// Whether this node leads.
    pub leading: bool,
    /// If it leads: the last position given.
    #[oai(nullable)]
    pub head: Option<String>,
    /// If it leads: the last position that Redis has.
    #[oai(nullable)]
    pub published: Option<String>,
    /// If it leads: seconds since Redis was last found to have all positions. That is looked at twice a second.
    #[oai(nullable)]
    pub published_seconds: Option<f64>,
}
