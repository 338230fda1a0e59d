//! Settings: each is a flag and an environment variable, with its default and the reason for it. A file for each part
//! that is set, which also turns the settings into that part's own options.

mod chat;
mod database;
mod edge;
mod feed;
mod front;
mod http;
mod identity;
mod limits;
mod log;
mod presence;
mod sessions;
mod socketio;
mod streams;
mod traces;
mod values;

use clap::{Args, FromArgMatches, builder::Resettable};
use sqlx::postgres::PgConnectOptions;

pub use chat::ChatSettings;
pub use database::DatabaseSettings;
pub use edge::EdgeSettings;
pub use feed::FeedSettings;
pub use front::FrontSettings;
pub use http::HttpSettings;
pub use identity::{IdentitySettings, Secret};
pub(crate) use identity::{pattern, secret};
pub use limits::LimitSettings;
pub use log::{LogFormat, LogSettings};
pub use presence::PresenceSettings;
pub use sessions::SessionSettings;
pub use socketio::SocketIoSettings;
pub use streams::StreamSettings;
pub use traces::TraceSettings;
pub(crate) use values::span;
use values::{postgres, redis};

use crate::{session, store, telemetry};

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
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where HTTP is served.
    #[command(flatten)]
    pub http: HttpSettings,
    /// Who may call.
    #[command(flatten)]
    pub identity: IdentitySettings,
    /// What answers say to browsers.
    #[command(flatten)]
    pub front: FrontSettings,
    /// How connections come in.
    #[command(flatten)]
    pub edge: EdgeSettings,
    /// What each caller may ask for.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// What streams may be.
    #[command(flatten)]
    pub streams: StreamSettings,
    /// What sockets may be.
    #[command(flatten)]
    pub socketio: SocketIoSettings,
    /// What sessions may be.
    #[command(flatten)]
    pub sessions: SessionSettings,
    /// Who is there, in each room.
    #[command(flatten)]
    pub presence: PresenceSettings,
    /// Which model writes replies.
    #[command(flatten)]
    pub chat: ChatSettings,
    /// How PostgreSQL is used.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// How the feed is relayed.
    #[command(flatten)]
    pub feed: FeedSettings,
    /// What is logged.
    #[command(flatten)]
    pub log: LogSettings,
    /// Where traces go.
    #[command(flatten)]
    pub traces: TraceSettings,
}

impl Settings {
    /// How to reach PostgreSQL.
    pub fn store(&self, links: &Links) -> store::Options {
        self.database.options(links, self.feed.max_event_content)
    }

    /// How sessions behave.
    pub fn sessions(&self) -> session::Options {
        self.sessions.options(self.streams.keep_alive, self.streams.retry, self.streams.write_bytes)
    }

    /// What is logged and traced.
    pub fn telemetry(&self) -> telemetry::Options {
        telemetry::Options { traces: self.traces.options(), ..self.log.options() }
    }

    /// The settings where nothing is given.
    ///
    /// # Errors
    /// When a default is none, which a test would show.
    pub fn defaults() -> Result<Self, clap::Error> {
        let command = Self::augment_args(clap::Command::new("rowcast")).mut_args(|arg| arg.env(Resettable::Reset));
        Self::from_arg_matches(&command.try_get_matches_from(["rowcast"])?)
    }
}
