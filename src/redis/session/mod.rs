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
//! Whatever changes a session is one script, beside the file that calls it; so nodes and producers need no lock and no agreement; and the clock is
//! Redis's own. Data never travels over the channel: what is lost there is a moment, not a chunk.

mod append;
mod end;
mod open;
mod read;
mod readers;

use std::{sync::Arc, time::Duration};

use ::redis::{FromRedisValue, Script, ScriptInvocation};
use uuid::Uuid;

pub use append::NotAppended;
pub use end::Step;
pub use open::{NotRotated, Opened};
pub use read::Page;

use super::{Away, Line, milliseconds};

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

impl Bounds {
    /// How long an open session is kept at most: somebody may be late in ending it, but not for ever.
    fn keep_open(&self) -> Duration {
        self.age.saturating_mul(2)
    }
}

/// The logs of all sessions; a cheap handle.
#[derive(Clone)]
pub struct Logs {
    line: Line,
    bounds: Arc<Bounds>,
}

impl Logs {
    /// Logs of sessions within these bounds.
    pub fn new(line: Line, bounds: Bounds) -> Self {
        Self { line, bounds: bounds.into() }
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

    /// A script with the keys that all need which change a session.
    fn of<'a>(&self, script: &'a Script, id: Uuid) -> ScriptInvocation<'a> {
        let mut call = script.key(self.key(id, ""));
        call.key(self.key(id, ":log")).key(self.key(id, ":parked")).key(self.due_key());
        call
    }

    async fn invoke<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Away> {
        self.line.ask(|mut redis| async move { call.invoke_async(&mut redis).await }).await
    }
}

/// The channel on which the bell of a session rings, before any prefix.
pub fn bell(id: Uuid) -> String {
    format!("session:{{{id}}}:bell")
}
