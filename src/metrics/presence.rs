//! Presence: what watchers are told, and what that takes.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::{Why, add, known};

/// Who is in which room.
pub struct Presence {
    told: Family<Why, Counter>,
    /// Watchers that were told anew who is there, because they were too far behind.
    pub behind: Counter,
    /// Readings of rooms, each for all watchers on this node.
    pub reads: Counter,
    /// Connections whose time was over, swept by this node.
    pub expired: Counter,
    /// Calls to Redis that failed; what they were to tell is told again.
    pub failed: Counter,
}

impl Presence {
    pub(super) fn new(to: &mut Registry) -> Self {
        let presence = Self {
            told: add(
                to,
                "presence_told",
                "What watchers of rooms were told, each once for all of a room: who is there (state), who came and went \
                 (joined, left)",
            ),
            behind: add(to, "presence_behind", "Watchers that were told anew who is there, because they were slow"),
            reads: add(to, "presence_reads", "Readings of rooms, each for all their watchers"),
            expired: add(to, "presence_expired", "Connections whose time was over, swept by this node"),
            failed: add(to, "presence_failed", "Calls to Redis to tell who is here, or to sweep, that failed"),
        };
        known(&presence.told, &["state", "joined", "left"]);
        presence
    }

    /// Watchers of a room are told something, of one of the kinds that the metric names.
    pub fn told(&self, reason: &'static str) {
        self.told.get_or_create(&Why { reason }).inc();
    }
}
