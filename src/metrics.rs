//! What the node counts: every metric, its name and its words, in one place.
//!
//! There is one set for the process, so that what counts need not carry it. No label holds what a client chooses: rooms
//! and users would make as many series as there are of them.

use std::sync::{
    LazyLock,
    atomic::{AtomicI64, AtomicU64},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// The metrics of this process.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// One label: which of a few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Why {
    /// The reason, of a short list that the metric's words name.
    pub reason: &'static str,
}

/// All that is counted as it happens. What is read off the parts when someone asks (sizes, ages) is not here.
pub struct Metrics {
    /// Sockets of clients that are open, streams among them.
    pub connections: Gauge<i64, AtomicI64>,
    /// Sockets that were accepted.
    pub accepted: Counter<u64, AtomicU64>,
    /// Sockets that were answered and closed at once: `node` or `address` has its most.
    pub connections_refused: Family<Why, Counter>,
    /// Failures to accept.
    pub accept_errors: Counter<u64, AtomicU64>,
    /// Requests that came too often, by `group`.
    pub rate_limited: Family<Why, Counter>,
    /// Events handed to streams.
    pub deliveries: Counter<u64, AtomicU64>,
    registry: Registry,
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("rowcast");
        let metrics = Self {
            connections: Gauge::default(),
            accepted: Counter::default(),
            connections_refused: Family::default(),
            accept_errors: Counter::default(),
            rate_limited: Family::default(),
            deliveries: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("connections", "Open sockets of clients", metrics.connections.clone());
        registry.register("connections_accepted", "Accepted sockets", metrics.accepted.clone());
        registry.register(
            "connections_refused",
            "Sockets closed at once, because the node or the address has its most",
            metrics.connections_refused.clone(),
        );
        registry.register("accept_errors", "Failures to accept", metrics.accept_errors.clone());
        registry.register("rate_limited", "Requests that came too often", metrics.rate_limited.clone());
        registry.register("deliveries", "Events handed to streams", metrics.deliveries.clone());
        Self { registry, ..metrics }
    }

    /// Buckets for latencies, from half a millisecond to a minute.
    #[expect(dead_code, reason = "histograms are about to come")]
    fn seconds() -> Histogram {
        Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0])
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // A String takes all that is written to it.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
