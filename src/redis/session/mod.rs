//! Sessions in Redis: the log of a text that is still being written, and all that is known of it.
//!
//! | key | what it is |
//! |---|---|
//! | `session:{id}` | a hash: state, counts, times, who and where |
//! | `session:{id}:log` | a stream: the chunks up to the head, the n-th under `n-0` |
//! | `session:{id}:parked` | a hash: chunks that wait for others before them |
//! | `session:{id}:readers` | a hash: how many read on each node, and until when that is believed |
//! | `session:{id}:bell` | a channel: something has changed, look (see [`super::bells`]) |
//! | `sessions` | a sorted set: those that are open, by their next deadline |
//! | `sessions:{caller}` | a sorted set: those that one caller has open, where that is bounded |
//!
//! Whatever changes a session is one script, so nodes and producers need no lock and no agreement; and the clock is
//! Redis's own. Data never travels over the channel: what is lost there is a moment, not a chunk.

mod read;
mod write;

use std::time::Duration;

use uuid::Uuid;

pub use read::Page;
pub use write::{NotAppended, NotRotated, Opened, Step};

use super::Line;

/// What a session may be, and how long it has for what.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The most sessions that are open.
    pub open: u64,
    /// The most that one caller has open; 0 is no bound.
    pub each: u64,
    /// The most chunks of one.
    pub chunks: u64,
    /// The most bytes of one.
    pub bytes: u64,
    /// How far a chunk may be ahead of the first that is missing.
    pub window: u64,
    /// How long one may be open.
    pub age: Duration,
    /// How long its producer may be silent.
    pub idle: Duration,
    /// How long a chunk may be missing, where others after it are there.
    pub missing: Duration,
    /// How long whoever writes the message has, before another node tries.
    pub lease: Duration,
    /// For how long writing the message is tried.
    pub persist: Duration,
    /// How long a completed session is remembered here; then its message tells.
    pub keep_completed: Duration,
    /// How long a failed or cancelled one is remembered.
    pub keep_ended: Duration,
    /// How long a whole text is kept, whatever happens.
    pub keep_sealed: Duration,
}

/// All sessions, over a connection of their own; a cheap handle.
#[derive(Clone)]
pub struct Sessions {
    line: Line,
    bounds: std::sync::Arc<Bounds>,
}

impl Sessions {
    /// Sessions within these bounds.
    pub fn new(line: Line, bounds: Bounds) -> Self {
        Self { line, bounds: bounds.into() }
    }

    /// What sessions may be.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    fn key(&self, id: Uuid, part: &str) -> String {
        self.line.name(&format!("session:{{{id}}}{part}"))
    }

    /// As `end.lua` makes it of the key of all.
    fn caller_key(&self, caller: &str) -> String {
        format!("{}:{caller}", self.due_key())
    }

    fn due_key(&self) -> String {
        self.line.name("sessions")
    }
}

/// The channel on which the bell of a session rings, before any prefix.
pub(super) fn bell(id: Uuid) -> String {
    format!("session:{{{id}}}:bell")
}

/// As Redis counts time. Nothing here lasts longer than it can count.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(1 << 50)
}

/// Whose bell rings on this channel, before any prefix.
pub(super) fn of_bell(channel: &str) -> Option<Uuid> {
    channel.strip_prefix("session:{")?.strip_suffix("}:bell")?.parse().ok()
}
