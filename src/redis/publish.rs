//! The sending end of the bus: batches of changes, each published once.

use ::redis::{AsyncCommands, Script, aio::MultiplexedConnection};

use super::{Redis, RedisError};
use crate::change::{Channel, EventId, Heartbeat, Published};

/// The channel on which the relay says, twice a second, how far the feed has come.
pub(super) const HEARTBEAT: &str = "feed_heartbeat";

/// The key of the last published position.
const POSITION: &str = "feed:position";

/// Publishes to Redis over one connection, made anew after any trouble.
pub struct Publisher {
    redis: Redis,
    connection: Option<MultiplexedConnection>,
    script: Script,
}

impl Publisher {
    /// A publisher; it connects with its first call.
    pub fn new(redis: Redis) -> Self {
        Self { redis, connection: None, script: Script::new(include_str!("publish.lua")) }
    }

    /// The last position that this Redis has published; none when it has never been used, or was emptied.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn position(&mut self) -> Result<Option<EventId>, RedisError> {
        let key = self.redis.name(POSITION);
        let held: Option<String> = self.run(async move |mut redis| redis.get(key).await).await?;
        Ok(held.and_then(|held| held.parse().ok()))
    }

    /// Publishes the changes after `after`, except those that were. Returns the last published position: if it lies
    /// before `after`, nothing was published and the batch must begin there; unless `skip` says that this cannot be.
    ///
    /// # Errors
    /// When Redis does not answer; the batch may have been published or not, and can be sent again.
    pub async fn publish(
        &mut self,
        after: EventId,
        changes: &[Published],
        skip: bool,
    ) -> Result<Option<EventId>, RedisError> {
        let mut call = self.script.key(self.redis.name(POSITION));
        call.arg(after.generation).arg(after.position).arg(i32::from(skip));
        for channel in Channel::ALL {
            call.arg(self.redis.name(channel.name()));
        }
        for change in changes {
            call.arg(change.operation.channel() as usize + 1).arg(&change.json);
        }
        let connection = self.connection.take();
        let mut connection = match connection {
            Some(connection) => connection,
            None => self.redis.connect().await?,
        };
        let last: String = call.invoke_async(&mut connection).await?;
        drop(call);
        self.connection = Some(connection);
        Ok(last.parse().ok())
    }

    /// Says how far the feed has come, and the canary with it.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn heartbeat(&mut self, heartbeat: Heartbeat) -> Result<(), RedisError> {
        let channel = self.redis.name(HEARTBEAT);
        let beat = serde_json::json!(heartbeat).to_string();
        self.run(async move |mut redis| redis.publish(channel, beat).await).await
    }

    async fn run<T>(
        &mut self,
        command: impl AsyncFnOnce(MultiplexedConnection) -> ::redis::RedisResult<T>,
    ) -> Result<T, RedisError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.redis.connect().await?,
        };
        let done = command(connection.clone()).await?;
        self.connection = Some(connection);
        Ok(done)
    }
}
