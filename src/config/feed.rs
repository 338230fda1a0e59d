//! How the feed is relayed, and how much of it is kept.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::values::{bytes, patience, size, span};
use crate::{relay, store};

/// How the feed is relayed, and how much of it is kept.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Feed")]
pub struct FeedSettings {
    /// Content above this is not put into events: they say so, and clients read the message
    #[arg(long, env, default_value = "1MiB", value_parser = bytes)]
    pub max_event_content: ByteSize,

    /// What the names of all Redis channels and keys begin with: databases that share a Redis need one each
    #[arg(long, env, default_value = "")]
    pub redis_prefix: String,

    /// The pause between two looks at the log while there is work; up to four times as long where a look takes long
    #[arg(long, env, default_value = "1ms", value_parser = span)]
    pub relay_interval: Duration,

    /// How long the relay stays awake after the last change: while it is, writers need not ring
    #[arg(long, env, default_value = "100ms", value_parser = span)]
    pub relay_linger: Duration,

    /// After how long without a sign of life another node takes the lead; one comes every second, so 2s at least
    #[arg(long, env, default_value = "3s", value_parser = patience)]
    pub relay_stalled: Duration,

    /// The most changes in a tick: readers hold one in memory
    #[arg(long, env, default_value_t = 1000, value_parser = clap::value_parser!(i64).range(1..))]
    pub tick_changes: i64,

    /// About the most bytes of content in a tick
    #[arg(long, env, default_value = "4MiB", value_parser = bytes)]
    pub tick_bytes: ByteSize,

    /// How long changes can be resumed
    #[arg(long, env, default_value = "3days", value_parser = span)]
    pub retention: Duration,

    /// The most changes that can be resumed, whatever their age: about 250 bytes each
    #[arg(long, env, default_value_t = 10_000_000, value_parser = clap::value_parser!(i64).range(1..))]
    pub retention_changes: i64,

    /// The most bytes of changes that can be resumed, whatever their age: what the log takes on disk, about
    #[arg(long, env, default_value = "10GiB", value_parser = bytes)]
    pub retention_bytes: ByteSize,

    /// How often changes are added to the counts of rooms: until then, who asks for rooms sums them
    #[arg(long, env, default_value = "1s", value_parser = span)]
    pub count_every: Duration,

    /// How often the log is trimmed
    #[arg(long, env, default_value = "10s", value_parser = span)]
    pub trim_every: Duration,

    /// Ticks trimmed at once: small, so that nothing waits for it
    #[arg(long, env, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    pub trim_ticks: i64,
}

impl FeedSettings {
    /// How the relay works.
    pub fn options(&self, node: String) -> relay::Options {
        relay::Options {
            node,
            interval: self.relay_interval,
            linger: self.relay_linger,
            stalled: self.relay_stalled,
            cut: store::Cut { rows: self.tick_changes, bytes: size(self.tick_bytes) as i64 },
            keep: store::Keep {
                age: self.retention,
                changes: self.retention_changes,
                bytes: i64::try_from(self.retention_bytes.as_u64()).unwrap_or(i64::MAX),
                batch: self.trim_ticks,
            },
            trim_every: self.trim_every,
            count_every: self.count_every,
        }
    }
}
