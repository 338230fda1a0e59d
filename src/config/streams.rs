//! What a stream may be, and what the hub holds for all of them.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::values::{at_least_one, bytes, size, span};
use crate::hub;

/// What a stream may be, and what the hub holds for all of them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Streams")]
pub struct StreamSettings {
    /// The most rooms in one stream's filter: each is looked up at every change
    #[arg(long, env, default_value_t = 64)]
    pub max_rooms: usize,

    /// The most streams on this node: each takes a descriptor and 1 KiB, over HTTP/2 or TLS 30 KiB
    #[arg(long, env, default_value_t = 50_000)]
    pub max_streams: usize,

    /// How often a silent stream is kept alive: shorter than the 30 s after which some proxies close
    #[arg(long, env, default_value = "15s", value_parser = span)]
    pub keep_alive: Duration,

    /// How long a client waits before it reconnects, half to one and a half times this
    #[arg(long, env, default_value = "2s", value_parser = span)]
    pub retry: Duration,

    /// Over how long streams are sent away at shutdown, so that they do not all come back at once
    #[arg(long, env, default_value = "5s", value_parser = span)]
    pub drain: Duration,

    /// The most changes in the ring: what a client can resume without the database
    #[arg(long, env, default_value_t = 65_536)]
    pub ring_changes: usize,

    /// The most bytes in the ring
    #[arg(long, env, default_value = "64MiB", value_parser = bytes)]
    pub ring_bytes: ByteSize,

    /// The most bytes handed to a stream at once: what a slow one holds in memory
    #[arg(long, env, default_value = "32KiB", value_parser = bytes)]
    pub write_bytes: ByteSize,

    /// The most bytes a second for all streams together that resume: those at the head must not wait for them
    #[arg(long, env, default_value = "256MiB", value_parser = bytes)]
    pub resume_rate: ByteSize,

    /// Changes read from the log at once for clients that are behind the ring
    #[arg(long, env, default_value_t = 256, value_parser = at_least_one)]
    pub page_changes: usize,

    /// Bytes of such pages kept for the next client
    #[arg(long, env, default_value = "32MiB", value_parser = bytes)]
    pub page_cache: ByteSize,

    /// Such pages read at the same time: resuming clients must not take the whole database
    #[arg(long, env, default_value_t = 2, value_parser = at_least_one)]
    pub page_loads: usize,
}

impl StreamSettings {
    /// How the hub behaves.
    pub fn options(&self) -> hub::Options {
        hub::Options {
            ring: hub::ring::Limits { frames: self.ring_changes, bytes: size(self.ring_bytes) },
            pages: hub::PageOptions {
                positions: self.page_changes,
                kept_bytes: size(self.page_cache),
                loads: self.page_loads,
            },
            write_bytes: size(self.write_bytes),
            resume_rate: self.resume_rate.as_u64(),
            retry_ms: self.retry.as_millis() as u64,
            subscribers: self.max_streams,
        }
    }
}
