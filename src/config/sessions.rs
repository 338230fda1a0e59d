//! What a session may be, and how long it has for what.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::values::{at_least_one, bytes, size, span};
use crate::{api, session};

/// What a session may be, and how long it has for what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sessions")]
pub struct SessionSettings {
    /// The most sessions that are open, all nodes together: each holds its text in Redis
    #[arg(long, env, default_value_t = 10_000)]
    pub session_max_open: u64,

    /// The most that a user, or else an address, has open, all nodes together: so that nobody takes all places; 0 is no
    /// bound
    #[arg(long, env, default_value_t = 1000)]
    pub session_max_open_per_user: u64,

    /// The most chunks of a session: each is an event for every reader
    #[arg(long, env, default_value_t = 10_000)]
    pub session_max_chunks: u64,

    /// The most bytes of a session's text: it becomes one message
    #[arg(long, env, default_value = "1MiB", value_parser = bytes)]
    pub session_max_bytes: ByteSize,

    /// The longest chunk: what all its readers are handed at once
    #[arg(long, env, default_value = "64KiB", value_parser = bytes)]
    pub session_max_chunk: ByteSize,

    /// The most chunks in one request: Redis does nothing else meanwhile
    #[arg(long, env, default_value_t = 256, value_parser = at_least_one)]
    pub session_max_batch: usize,

    /// How far a chunk may be ahead of the first that is missing: so many are held for one that is late
    #[arg(long, env, default_value_t = 256)]
    pub session_window: u64,

    /// How long a session may be open, after which it fails: one that nobody ends must not stay
    #[arg(long, env, default_value = "5min", value_parser = span)]
    pub session_max_age: Duration,

    /// How long a producer may be silent, after which its session fails; an empty batch is a sign of life
    #[arg(long, env, default_value = "60s", value_parser = span)]
    pub session_idle_timeout: Duration,

    /// How long a chunk may be missing when later ones are there, after which the session fails
    #[arg(long, env, default_value = "30s", value_parser = span)]
    pub session_missing_chunk_timeout: Duration,

    /// How often each node looks for sessions whose time is up: they may end that much too late
    #[arg(long, env, default_value = "5s", value_parser = span)]
    pub session_reap_interval: Duration,

    /// How long a node has to write the message of a session that is whole, before another one tries
    #[arg(long, env, default_value = "10s", value_parser = span)]
    pub session_lease: Duration,

    /// How long writing that message is tried, after which the session fails: longer than PostgreSQL is away
    #[arg(long, env, default_value = "10min", value_parser = span)]
    pub session_persist_timeout: Duration,

    /// The most such messages that a node writes at the same time: each has the text in memory
    #[arg(long, env, default_value_t = 8, value_parser = at_least_one)]
    pub session_writes: usize,

    /// How long Redis remembers a session that is complete; after that its message tells
    #[arg(long, env, default_value = "10min", value_parser = span)]
    pub session_keep_completed: Duration,

    /// How long Redis remembers one that failed or was cancelled: nothing else tells of it
    #[arg(long, env, default_value = "24h", value_parser = span)]
    pub session_keep_ended: Duration,

    /// How long Redis keeps a whole text that is not written yet: longer than SESSION_PERSIST_TIMEOUT
    #[arg(long, env, default_value = "24h", value_parser = span)]
    pub session_keep_sealed: Duration,

    /// The most readers of sessions on this node: each takes a descriptor and 2 KiB, over HTTP/2 or TLS 30 KiB
    #[arg(long, env, default_value_t = 20_000)]
    pub session_max_readers: usize,

    /// The most bytes of each session that a node keeps for its readers; who is further behind reads from Redis
    #[arg(long, env, default_value = "64KiB", value_parser = bytes)]
    pub session_tail: ByteSize,

    /// How often a session that is read is looked at if no bell rings: when Redis has lost one
    #[arg(long, env, default_value = "2s", value_parser = span)]
    pub session_poll: Duration,

    /// How long a producer or a reader waits for Redis: longer than REDIS_PATIENCE, since nothing else can serve them
    #[arg(long, env, default_value = "1s", value_parser = span)]
    pub session_patience: Duration,
}

impl SessionSettings {
    /// What a producer may bring at once.
    pub fn limits(&self) -> api::SessionLimits {
        api::SessionLimits {
            chunk_bytes: size(self.session_max_chunk),
            batch: self.session_max_batch,
            bytes: size(self.session_max_bytes),
            age: self.session_max_age,
        }
    }

    /// How sessions behave; `keep_alive`, `retry` and `write_bytes` are those of all streams.
    pub fn options(&self, keep_alive: Duration, retry: Duration, write_bytes: ByteSize) -> session::Options {
        session::Options {
            bounds: session::Bounds {
                open: self.session_max_open,
                each: self.session_max_open_per_user,
                chunks: self.session_max_chunks,
                bytes: self.session_max_bytes.as_u64(),
                window: self.session_window,
                age: self.session_max_age,
                idle: self.session_idle_timeout,
                missing: self.session_missing_chunk_timeout,
                lease: self.session_lease,
                persist: self.session_persist_timeout,
                keep_completed: self.session_keep_completed,
                keep_ended: self.session_keep_ended,
                keep_sealed: self.session_keep_sealed,
            },
            reap: self.session_reap_interval,
            writes: self.session_writes,
            readers: self.session_max_readers,
            tail_bytes: size(self.session_tail),
            page_bytes: size(write_bytes),
            poll: self.session_poll,
            patience: self.session_patience,
            keep_alive,
            retry,
        }
    }
}
