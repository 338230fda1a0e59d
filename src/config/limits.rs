//! Who a caller is to the network, and how much each may ask for.

use std::time::Duration;

use clap::Args;

use super::values::{rate, span};
use crate::{
    api::{Proxies, ProxyHeader},
    limit::{self, Rate, WithoutRedis},
};

/// Who a caller is to the network, and how much each may ask for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Callers")]
pub struct LimitSettings {
    /// How many trusted proxies there are between clients and this node: so many entries of PROXY_HEADER are theirs,
    /// the others anybody's; at 0 the header is not believed
    #[arg(long, env, default_value_t = 0)]
    pub proxy_hops: usize,

    /// The header in which the proxies name their clients; only one, since they pass on the other as it came
    #[arg(long, env, default_value = "x-forwarded-for")]
    pub proxy_header: ProxyHeader,

    /// How often a user, or else an address, may read messages and sessions, all nodes together, like `100/1s` or
    /// `600/1min`, which is also how many at once; who serves strangers sets it, and where it is not set such requests
    /// are not counted
    #[arg(long, env, value_name = "RATE", value_parser = rate)]
    pub rate_read: Option<Rate>,

    /// The same for posting, changing and deleting messages, and for opening and cancelling sessions and handing them to
    /// another producer
    #[arg(long, env, value_name = "RATE", value_parser = rate)]
    pub rate_write: Option<Rate>,

    /// The same for opening streams: a browser opens one again every few seconds while its network fails
    #[arg(long, env, value_name = "RATE", value_parser = rate)]
    pub rate_stream: Option<Rate>,

    /// How often one address may bring chunks of sessions, like `100/1s`: one producer comes some 20 times a second, and
    /// many may work behind one address
    #[arg(long, env, value_name = "RATE", value_parser = rate)]
    pub rate_chunk: Option<Rate>,

    /// How often a user, or else an address, may ask the model: each reply is paid, so there is a limit where none is
    /// set
    #[arg(long, env, value_name = "RATE", default_value = "10/1min", value_parser = rate)]
    pub rate_chat: Option<Rate>,

    /// Whether requests that have such a limit are served while Redis, which counts them, is away
    #[arg(long, env, default_value = "open")]
    pub rate_without_redis: WithoutRedis,

    /// How long a request waits for Redis: it answers in a millisecond, or it is away
    #[arg(long, env, default_value = "250ms", value_parser = span)]
    pub redis_patience: Duration,

    /// The most streams that a user, or else an address, has open on this node; 0 is no bound, since behind one address
    /// there may be thousands of users
    #[arg(long, env, default_value_t = 0)]
    pub max_streams_per_user: usize,

    /// How long a message that was posted with an `Idempotency-Key` can be posted again and is not written twice:
    /// longer than a client tries; half a KiB in Redis each
    #[arg(long, env, default_value = "24h", value_parser = span)]
    pub idempotency_keep: Duration,
}

impl LimitSettings {
    /// Who may say where a request comes from.
    pub fn proxies(&self) -> Proxies {
        Proxies { hops: self.proxy_hops, header: self.proxy_header }
    }

    /// How often each caller may ask.
    pub fn rates(&self) -> limit::Options {
        limit::Options {
            read: self.rate_read,
            write: self.rate_write,
            stream: self.rate_stream,
            chunk: self.rate_chunk,
            chat: self.rate_chat,
            without_redis: self.rate_without_redis,
        }
    }
}
