//! How PostgreSQL is used.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::{
    Links,
    values::{at_least_one, bytes, size, span},
};
use crate::store;

/// How PostgreSQL is used.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// The most database connections for HTTP
    #[arg(long, env, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub database_connections: u32,

    /// How many groups of posted messages are written at the same time: few, so that the groups are large
    #[arg(long, env, default_value_t = 2, value_parser = at_least_one)]
    pub post_writers: usize,

    /// The most messages in a group: where one is refused, each is written again alone
    #[arg(long, env, default_value_t = 256, value_parser = at_least_one)]
    pub post_group: usize,

    /// The most bytes in a group of several messages: PostgreSQL holds a statement in memory more than once
    #[arg(long, env, default_value = "4MiB", value_parser = bytes)]
    pub post_group_bytes: ByteSize,

    /// How long a group waits for a lock on a row before each of its messages does so alone: one that waits holds up
    /// the others
    #[arg(long, env, default_value = "100ms", value_parser = span)]
    pub post_patience: Duration,

    /// The most posted messages without an answer: a slow disk takes no more of them within DATABASE_TIMEOUT
    #[arg(long, env, default_value_t = 10_000, value_parser = at_least_one)]
    pub post_waiting: usize,

    /// The most bytes of posted messages without an answer, or one message
    #[arg(long, env, default_value = "64MiB", value_parser = bytes)]
    pub post_waiting_bytes: ByteSize,

    /// The most database connections for reading the log
    #[arg(long, env, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub log_connections: u32,

    /// How long a request may wait for the database
    #[arg(long, env, default_value = "5s", value_parser = span)]
    pub database_timeout: Duration,

    /// How long the start waits for the database
    #[arg(long, env, default_value = "30s", value_parser = span)]
    pub database_wait: Duration,
}

impl DatabaseSettings {
    /// How to reach PostgreSQL; content above `event_bytes` is left out of events.
    pub fn options(&self, links: &Links, event_bytes: ByteSize) -> store::Options {
        store::Options {
            database: links.database_url.clone().application_name("rowcast"),
            direct: links
                .direct_database_url
                .as_ref()
                .unwrap_or(&links.database_url)
                .clone()
                .application_name("rowcast relay"),
            connections: self.database_connections,
            log_connections: self.log_connections,
            timeout: self.database_timeout,
            event_bytes: i32::try_from(event_bytes.as_u64()).unwrap_or(i32::MAX),
            together: store::Together {
                writers: self.post_writers,
                group: self.post_group,
                group_bytes: size(self.post_group_bytes),
                patience: self.post_patience,
                waiting: self.post_waiting,
                waiting_bytes: size(self.post_waiting_bytes),
            },
        }
    }
}
