//! Settings: each is a flag and an environment variable, with its default and the reason for it.

use std::{net::IpAddr, time::Duration};

use bytesize::ByteSize;
use clap::{Args, FromArgMatches, ValueEnum, builder::Resettable};
use sqlx::postgres::PgConnectOptions;

use crate::{edge, hub, message::Limits, relay, store};

/// Where PostgreSQL and Redis are.
#[derive(Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct Links {
    /// PostgreSQL, as `postgres://user:password@host:port/database`
    #[arg(long, env, hide_env_values = true, value_name = "URL", value_parser = postgres)]
    pub database_url: PgConnectOptions,

    /// PostgreSQL without a transaction pooler between, for the leader's lock and for LISTEN [default: DATABASE_URL]
    #[arg(long, env, hide_env_values = true, value_name = "URL", value_parser = postgres)]
    pub direct_database_url: Option<PgConnectOptions>,

    /// Redis, as `redis://:password@host:port/0`, or `rediss://` for TLS
    #[arg(long, env, hide_env_values = true, value_name = "URL", value_parser = redis)]
    pub redis_url: String,
}

impl Links {
    /// Links to these two, for a program that has started them itself.
    ///
    /// # Errors
    /// When one is no such address.
    pub fn to(database: &str, redis_url: &str) -> anyhow::Result<Self> {
        let database_url = postgres(database).map_err(anyhow::Error::msg)?;
        let redis_url = redis(redis_url).map_err(anyhow::Error::msg)?;
        Ok(Self { database_url, direct_database_url: None, redis_url })
    }
}

/// All that can be set, beside where things are.
#[derive(Clone, Args)]
pub struct Settings {
    /// The address to listen on
    #[arg(long, env, default_value = "0.0.0.0", help_heading = "HTTP")]
    pub host: IpAddr,

    /// The port to listen on; 0 takes a free one, which is printed
    #[arg(long, env, default_value_t = 8000, help_heading = "HTTP")]
    pub port: u16,

    /// The longest content of a message: large enough for any text a person reads
    #[arg(long, env, default_value = "1MiB", value_parser = bytes, help_heading = "HTTP")]
    pub max_content: ByteSize,

    /// The most rooms in one stream's filter: each is looked up at every change
    #[arg(long, env, default_value_t = 64, help_heading = "HTTP")]
    pub max_rooms: usize,

    /// The most streams on this node: each takes a descriptor and 1 KiB, over HTTP/2 25 KiB
    #[arg(long, env, default_value_t = 50_000, help_heading = "HTTP")]
    pub max_streams: usize,

    /// The most connections let in a second: when thousands come at once, those who are there must not wait for them
    #[arg(long, env, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..), help_heading = "HTTP")]
    pub accept_rate: u32,

    /// Threads that write the streams of plain HTTP/1.1, each some 150,000 events a second and more when they come thick; 0
    /// leaves them to the HTTP library, as those of HTTP/2 are
    #[arg(long, env, default_value_t = 2, help_heading = "HTTP")]
    pub writers: usize,

    /// How long a client may take nothing before it is closed: longer than a phone changes networks
    #[arg(long, env, default_value = "30s", value_parser = span, help_heading = "HTTP")]
    pub write_timeout: Duration,

    /// What the kernel holds for a slow client: without a bound it is 4 MiB
    #[arg(long, env, default_value = "64KiB", value_parser = bytes, help_heading = "HTTP")]
    pub send_buffer: ByteSize,

    /// How often a silent stream is kept alive: shorter than the 30 s after which some proxies close
    #[arg(long, env, default_value = "15s", value_parser = span, help_heading = "HTTP")]
    pub keep_alive: Duration,

    /// How long a client waits before it reconnects, half to one and a half times this
    #[arg(long, env, default_value = "2s", value_parser = span, help_heading = "HTTP")]
    pub retry: Duration,

    /// Over how long streams are sent away at shutdown, so that they do not all come back at once
    #[arg(long, env, default_value = "5s", value_parser = span, help_heading = "HTTP")]
    pub drain: Duration,

    /// The most changes in the ring: what a client can resume without the database
    #[arg(long, env, default_value_t = 65_536, help_heading = "Hub")]
    pub ring_changes: usize,

    /// The most bytes in the ring
    #[arg(long, env, default_value = "64MiB", value_parser = bytes, help_heading = "Hub")]
    pub ring_bytes: ByteSize,

    /// The most bytes handed to a stream at once: what a slow one holds in memory
    #[arg(long, env, default_value = "32KiB", value_parser = bytes, help_heading = "Hub")]
    pub write_bytes: ByteSize,

    /// The most bytes a second for all streams together that resume: those at the head must not wait for them
    #[arg(long, env, default_value = "256MiB", value_parser = bytes, help_heading = "Hub")]
    pub resume_rate: ByteSize,

    /// Changes read from the log at once for clients that are behind the ring
    #[arg(long, env, default_value_t = 256, value_parser = at_least_one, help_heading = "Hub")]
    pub page_changes: usize,

    /// Bytes of such pages kept for the next client
    #[arg(long, env, default_value = "32MiB", value_parser = bytes, help_heading = "Hub")]
    pub page_cache: ByteSize,

    /// Such pages read at the same time: resuming clients must not take the whole database
    #[arg(long, env, default_value_t = 2, value_parser = at_least_one, help_heading = "Hub")]
    pub page_loads: usize,

    /// The most database connections for HTTP
    #[arg(long, env, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Database")]
    pub database_connections: u32,

    /// How many groups of posted messages are written at the same time: few, so that the groups are large
    #[arg(long, env, default_value_t = 2, value_parser = at_least_one, help_heading = "Database")]
    pub post_writers: usize,

    /// The most messages in a group: where one is refused, each is written again alone
    #[arg(long, env, default_value_t = 256, value_parser = at_least_one, help_heading = "Database")]
    pub post_group: usize,

    /// The most bytes in a group of several messages: PostgreSQL holds a statement in memory more than once
    #[arg(long, env, default_value = "4MiB", value_parser = bytes, help_heading = "Database")]
    pub post_group_bytes: ByteSize,

    /// How long a group waits for a lock on a row before each of its messages does so alone: one that waits holds up the others
    #[arg(long, env, default_value = "100ms", value_parser = span, help_heading = "Database")]
    pub post_patience: Duration,

    /// The most posted messages without an answer: a slow disk takes no more of them within DATABASE_TIMEOUT
    #[arg(long, env, default_value_t = 10_000, value_parser = at_least_one, help_heading = "Database")]
    pub post_waiting: usize,

    /// The most bytes of posted messages without an answer, or one message
    #[arg(long, env, default_value = "64MiB", value_parser = bytes, help_heading = "Database")]
    pub post_waiting_bytes: ByteSize,

    /// The most database connections for reading the log
    #[arg(long, env, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Database")]
    pub log_connections: u32,

    /// How long a request may wait for the database
    #[arg(long, env, default_value = "5s", value_parser = span, help_heading = "Database")]
    pub database_timeout: Duration,

    /// How long the start waits for the database
    #[arg(long, env, default_value = "30s", value_parser = span, help_heading = "Database")]
    pub database_wait: Duration,

    /// Content above this is not put into events: they say so, and clients read the message
    #[arg(long, env, default_value = "1MiB", value_parser = bytes, help_heading = "Feed")]
    pub max_event_content: ByteSize,

    /// What the names of all Redis channels and keys begin with: databases that share a Redis need one each
    #[arg(long, env, default_value = "", help_heading = "Feed")]
    pub redis_prefix: String,

    /// The pause between two looks at the log while there is work; up to four times as long where a look takes long
    #[arg(long, env, default_value = "1ms", value_parser = span, help_heading = "Feed")]
    pub relay_interval: Duration,

    /// How long the relay stays awake after the last change: while it is, writers need not ring
    #[arg(long, env, default_value = "100ms", value_parser = span, help_heading = "Feed")]
    pub relay_linger: Duration,

    /// After how long without a sign of life another node takes the lead; one comes every second, so 2s at least
    #[arg(long, env, default_value = "3s", value_parser = patience, help_heading = "Feed")]
    pub relay_stalled: Duration,

    /// The most changes in a tick: readers hold one in memory
    #[arg(long, env, default_value_t = 1000, value_parser = clap::value_parser!(i64).range(1..), help_heading = "Feed")]
    pub tick_changes: i64,

    /// About the most bytes of content in a tick
    #[arg(long, env, default_value = "4MiB", value_parser = bytes, help_heading = "Feed")]
    pub tick_bytes: ByteSize,

    /// How long changes can be resumed
    #[arg(long, env, default_value = "3days", value_parser = span, help_heading = "Feed")]
    pub retention: Duration,

    /// The most changes that can be resumed, whatever their age: about 250 bytes each
    #[arg(long, env, default_value_t = 10_000_000, value_parser = clap::value_parser!(i64).range(1..), help_heading = "Feed")]
    pub retention_changes: i64,

    /// The most bytes of changes that can be resumed, whatever their age: what the log takes on disk, about
    #[arg(long, env, default_value = "10GiB", value_parser = bytes, help_heading = "Feed")]
    pub retention_bytes: ByteSize,

    /// How often the log is trimmed
    #[arg(long, env, default_value = "10s", value_parser = span, help_heading = "Feed")]
    pub trim_every: Duration,

    /// Ticks trimmed at once: small, so that nothing waits for it
    #[arg(long, env, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..), help_heading = "Feed")]
    pub trim_ticks: i64,

    /// What is logged, like `info` or `rowcast=debug,warn`; what the database driver warns of, our own lines say better
    #[arg(long, env, default_value = "info,sqlx=error", value_parser = log_filter, help_heading = "Log")]
    pub log: String,

    /// How it is written, to standard error
    #[arg(long, env, default_value = "text", help_heading = "Log")]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// The settings where nothing is given.
    ///
    /// # Errors
    /// When a default is none, which a test would show.
    pub fn defaults() -> Result<Self, clap::Error> {
        let command = Self::augment_args(clap::Command::new("rowcast")).mut_args(|arg| arg.env(Resettable::Reset));
        Self::from_arg_matches(&command.try_get_matches_from(["rowcast"])?)
    }

    /// How large a message may be.
    pub fn limits(&self) -> Limits {
        Limits { content_bytes: size(self.max_content) }
    }

    /// What sockets are set to.
    pub fn edge(&self) -> edge::Options {
        edge::Options {
            accept_rate: self.accept_rate,
            write_timeout: self.write_timeout,
            send_buffer: size(self.send_buffer),
            writers: self.writers,
        }
    }

    /// How the hub behaves.
    pub fn hub(&self) -> hub::Options {
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

    /// How the relay works.
    pub fn relay(&self, node: String) -> relay::Options {
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
        }
    }

    /// How to reach PostgreSQL.
    pub fn store(&self, links: &Links) -> store::Options {
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
            event_bytes: i32::try_from(self.max_event_content.as_u64()).unwrap_or(i32::MAX),
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

fn size(bytes: ByteSize) -> usize {
    usize::try_from(bytes.as_u64()).unwrap_or(usize::MAX)
}

fn postgres(text: &str) -> Result<PgConnectOptions, String> {
    let postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let options = postgres.then(|| text.parse().ok()).flatten();
    options.ok_or_else(|| "must be like postgres://user:password@host:port/database".to_owned())
}

fn redis(text: &str) -> Result<String, String> {
    // The library's own message would repeat the password.
    crate::redis::Redis::new(text, "").map_err(|_| "must be like redis://:password@host:port/0".to_owned())?;
    Ok(text.to_owned())
}

fn bytes(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size),
        _ => Err("must be a size like 64KiB or 1MiB".to_owned()),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(span) if !span.is_zero() => Ok(span),
        _ => Err("must be a time like 250ms, 15s or 3days".to_owned()),
    }
}

fn patience(text: &str) -> Result<Duration, String> {
    match span(text)? {
        short if short < Duration::from_secs(2) => Err("must be 2s or more".to_owned()),
        enough => Ok(enough),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("must be a number, 1 or more".to_owned()),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::try_new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}
