//! What the node counts: the names and words of every metric, and how they become text.
//!
//! There is one set for the process, so that what counts need not carry it. No label holds what a client chooses: rooms
//! and users would make as many series as there are of them.
//!
//! What happens is counted when it happens ([`METRICS`]). Sizes and ages are read off the parts when someone asks
//! ([`Readings`], filled by `health`): a gauge that is kept up to date costs on every change, and is wrong wherever
//! that is forgotten. What is not known then, as the log's size without PostgreSQL, is left out; a zero would be a lie.

mod ages;
mod chat;
mod feed;
mod http;
mod presence;
mod process;
mod readings;
mod sessions;
mod socketio;
mod streams;
mod tally;

use std::sync::{
    LazyLock,
    atomic::{AtomicI64, AtomicU64},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};

pub use ages::Counted;
pub use chat::Chat;
pub use feed::{Feed, Posts, Stage};
pub use http::Http;
pub use presence::Presence;
pub use process::{Process, resident_bytes};
pub use readings::Readings;
pub use sessions::Sessions;
pub use socketio::SocketIo;
pub use streams::{Outcome, Source, Streams};
pub use tally::delivered;

/// The metrics of this process.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// One label: which of a few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Why {
    /// The reason, of a short list that the metric's words name.
    pub reason: &'static str,
}

/// All that is counted as it happens.
pub struct Metrics {
    /// Sockets of clients that are open, streams among them.
    pub connections: Gauge<i64, AtomicI64>,
    /// Sockets that were accepted.
    pub accepted: Counter<u64, AtomicU64>,
    /// Sockets that were closed at once: `node` or `address` has its most.
    pub connections_refused: Family<Why, Counter>,
    /// Failures to accept.
    pub accept_errors: Counter<u64, AtomicU64>,
    /// Requests that came too often (`read`, `write`, `stream`, `chunk`, `chat`), and streams beyond the most of a
    /// caller (`open_streams`).
    pub rate_limited: Family<Why, Counter>,
    /// Requests and their answers.
    pub http: Http,
    /// Streams.
    pub streams: Streams,
    /// Sockets.
    pub socketio: SocketIo,
    /// Sessions.
    pub sessions: Sessions,
    /// Who is in which room.
    pub presence: Presence,
    /// Replies of the model.
    pub chat: Chat,
    /// Changes on their way.
    pub feed: Feed,
    /// Posts that are written together.
    pub posts: Posts,
    registry: Registry,
}

impl Metrics {
    fn new() -> Self {
        let mut to = Registry::with_prefix("rowcast");
        let metrics = Self {
            connections: add(&mut to, "connections", "Open sockets of clients, streams among them"),
            accepted: add(&mut to, "connections_accepted", "Accepted sockets"),
            connections_refused: add(
                &mut to,
                "connections_refused",
                "Sockets closed at once, because the node (node) or the network they come from (address) has its most",
            ),
            accept_errors: add(&mut to, "accept_errors", "Failures to accept"),
            rate_limited: add(
                &mut to,
                "rate_limited",
                "Requests refused: reading, writing, opening streams, bringing chunks or asking the model came too often \
                 (read, write, stream, chunk, chat), or the caller has its most streams (open_streams)",
            ),
            http: Http::new(&mut to),
            streams: Streams::new(&mut to),
            socketio: SocketIo::new(&mut to),
            sessions: Sessions::new(&mut to),
            presence: Presence::new(&mut to),
            chat: Chat::new(&mut to),
            feed: Feed::new(&mut to),
            posts: Posts::new(&mut to),
            registry: to,
        };
        known(&metrics.connections_refused, &["node", "address"]);
        known(&metrics.rate_limited, &["read", "write", "stream", "chat", "chunk", "open_streams", "open_sessions"]);
        metrics
    }

    /// Events of changes handed to streams and to sockets.
    pub fn deliveries(&self) -> u64 {
        tally::sum().0 + self.socketio.deliveries.get()
    }

    /// The text that Prometheus reads, in the form of OpenMetrics: what was counted, and what was read just now.
    pub fn render(&self, mut readings: Readings) -> String {
        let (events, bytes) = tally::sum();
        readings.counter("deliveries", "Events of changes handed to streams", events);
        readings.counter("delivered_bytes", "Their bytes", bytes);
        let mut written = String::new();
        // A String takes all that is written to it.
        let _ = text::encode_registry(&mut written, &self.registry);
        let _ = text::encode_registry(&mut written, readings.registry());
        let _ = text::encode_eof(&mut written);
        written
    }
}

/// A metric under its name.
fn add<M: Metric + Clone + Default>(to: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    to.register(name, help, metric.clone());
    metric
}

/// Begins the series of these reasons at 0: from nothing to 1 is no rise that Prometheus sees.
fn known(family: &Family<Why, Counter>, reasons: &[&'static str]) {
    for reason in reasons {
        drop(family.get_or_create(&Why { reason }));
    }
}

/// Buckets for latencies, from half a millisecond to a minute.
fn seconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0])
}
