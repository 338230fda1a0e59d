//! Sessions: how they begin, what is appended to them, and how they end.

use std::{sync::atomic::AtomicI64, time::Duration};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::{Why, add, known, seconds};
use crate::reply::{Reason, Receipt, State};

/// Sessions, their chunks and their readers.
pub struct Sessions {
    /// Sessions that were opened on this node.
    pub opened: Counter,
    /// Sessions that are open, all nodes together, when this one looked last.
    pub open: Gauge<i64, AtomicI64>,
    /// Sessions that were not opened because the most are open.
    pub refused: Counter,
    ended: Family<Why, Counter>,
    appends_refused: Family<Why, Counter>,
    chunks: Family<Why, Counter>,
    parked: Counter,
    write_seconds: Histogram,
    seconds: Histogram,
    /// Streams of sessions that are open now.
    pub readers: Gauge<i64, AtomicI64>,
    /// Streams of sessions that were refused because the node has its most.
    pub readers_refused: Counter,
    readers_ended: Family<Why, Counter>,
    /// Readings of logs, each for all readers of a session on this node.
    pub reads: Counter,
    /// Readings of logs for one reader that was further behind.
    pub pages: Counter,
    /// Times that the connection for bells was made anew.
    pub bell_reconnects: Counter,
}

impl Sessions {
    pub(super) fn new(to: &mut Registry) -> Self {
        let sessions = Self {
            opened: add(to, "sessions_opened", "Sessions opened on this node"),
            open: add(to, "sessions_open", "Sessions that are open, all nodes together, when this one looked last"),
            refused: add(to, "sessions_refused", "Sessions not opened because there are SESSION_MAX_OPEN"),
            appends_refused: add(
                to,
                "session_appends_refused",
                "Batches not appended: no such session (unknown), not its producer (fenced), no more chunks taken (closed), \
                 another last chunk (final_conflict, beyond_final), too far ahead (window), too many chunks or bytes \
                 (too_many, too_large)",
            ),
            ended: add(
                to,
                "sessions_ended",
                "Sessions that this node has ended: as a message (completed), by somebody (cancelled), or failed, by the \
                 reason",
            ),
            chunks: add(
                to,
                "session_chunks",
                "Chunks that were brought: new ones (accepted), and such as were there already (duplicate)",
            ),
            parked: add(to, "session_parked", "Batches after which chunks waited for others before them"),
            write_seconds: seconds(),
            seconds: long(),
            readers: add(to, "session_readers", "Streams of sessions that are open now"),
            readers_refused: add(to, "session_readers_refused", "Streams of sessions beyond SESSION_MAX_READERS"),
            readers_ended: add(
                to,
                "session_readers_ended",
                "Streams of sessions that ended: the session did (over), the node went away (bye), the caller's time was \
                 up (expired), the client went away (client) or took nothing for WRITE_TIMEOUT (slow)",
            ),
            reads: add(to, "session_reads", "Readings of sessions, each for all their readers on this node"),
            pages: add(to, "session_pages", "Readings of sessions for one reader that was further behind"),
            bell_reconnects: add(to, "bell_reconnects", "Times that the connection for bells was made anew"),
        };
        to.register("session_write_seconds", "Writing the message of a session", sessions.write_seconds.clone());
        to.register("session_seconds", "Life of sessions that became a message", sessions.seconds.clone());
        let reasons = Reason::ALL.map(Reason::name);
        known(&sessions.ended, &[State::Completed.name(), State::Cancelled.name()]);
        known(&sessions.ended, &reasons);
        let refusals =
            ["unknown", "fenced", "closed", "final_conflict", "beyond_final", "window", "too_many", "too_large"];
        known(&sessions.appends_refused, &refusals);
        known(&sessions.chunks, &["accepted", "duplicate"]);
        known(&sessions.readers_ended, &["over", "bye", "expired", "client", "slow"]);
        sessions
    }

    /// A session ended; each does once.
    pub fn ended(&self, state: State, reason: Option<Reason>) {
        let reason = reason.map_or(state.name(), Reason::name);
        self.ended.get_or_create(&Why { reason }).inc();
    }

    /// A batch was not appended, for one of the reasons that the metric names.
    pub fn append_refused(&self, reason: &'static str) {
        self.appends_refused.get_or_create(&Why { reason }).inc();
    }

    /// A batch was appended.
    pub fn appended(&self, receipt: &Receipt) {
        self.chunks.get_or_create(&Why { reason: "accepted" }).inc_by(receipt.accepted);
        self.chunks.get_or_create(&Why { reason: "duplicate" }).inc_by(receipt.duplicates);
        self.parked.inc_by(u64::from(receipt.parked > 0));
    }

    /// The message of a session was written: how long that took, and how long the session had been there.
    pub fn written(&self, took: Duration, age: Duration) {
        self.write_seconds.observe(took.as_secs_f64());
        self.seconds.observe(age.as_secs_f64());
    }

    /// A stream of a session ended; each does once.
    pub fn reader_ended(&self, reason: &'static str) {
        self.readers_ended.get_or_create(&Why { reason }).inc();
    }
}

/// Buckets for the lives of replies, from a tenth of a second to ten minutes.
pub(super) fn long() -> Histogram {
    Histogram::new([0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0])
}
