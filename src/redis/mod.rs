//! All Redis: the fast road from the relay to every node, what nodes count and remember together for a while, who is
//! in which room, how each node is, and the logs of replies that are still being written.
//!
//! Redis may lose any message, and all it holds. Positions show a message that is lost, and the log repairs it; a
//! budget that is lost is full again, a key that is lost is a new one; who is there, and how a node is, is told again; a
//! reply that is lost has failed, and its readers are told so. Nothing here tries harder.

pub mod bells;
mod bus;
mod limit;
mod line;
mod memory;
mod nodes;
pub mod presence;
mod publish;
pub mod session;

use std::time::Duration;

pub use bus::{Bus, subscribe};
pub use limit::{Rate, Taken};
pub use line::{Away, Line};
pub use memory::Record;
pub use nodes::Beat;
pub use publish::Publisher;

/// How long a connection, and a command on it, may take: a road slower than this is closed, and the log is taken.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Why Redis did not do what was asked. It always may later.
#[derive(Debug, thiserror::Error)]
#[error("Redis is unavailable: {0}")]
pub struct RedisError(#[from] ::redis::RedisError);

/// Redis, as Rowcast uses it; a cheap handle.
#[derive(Debug, Clone)]
pub struct Redis {
    client: ::redis::Client,
    prefix: String,
}

impl Redis {
    /// Reads the address; connections are made when they are needed. All channels and keys begin with `prefix`.
    ///
    /// # Errors
    /// When the address is not one of Redis.
    pub fn new(url: &str, prefix: &str) -> Result<Self, RedisError> {
        Ok(Self { client: ::redis::Client::open(url)?, prefix: prefix.to_owned() })
    }

    /// The full name of a channel or key.
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn connect(&self) -> Result<::redis::aio::MultiplexedConnection, RedisError> {
        let config = ::redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        Ok(self.client.get_multiplexed_async_connection_with_config(&config).await?)
    }
}

/// As Redis counts time. Nothing here lasts longer than it can count.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(1 << 50)
}
