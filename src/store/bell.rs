//! Bells: NOTIFY, heard. A bell says "look", never what there is to see, and it may be missed: whoever waits for one
//! looks once more after a while, and after every trouble with the connection.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{Store, StoreError};

/// Rung by a writer while the relay sleeps. Only the leader listens.
pub const WAKE: &str = "feed_wake";

/// Rung by the relay while Redis is away. Only nodes that hear nothing from Redis listen.
pub const TICK: &str = "feed_tick";

/// How long connecting may take: whoever wants to listen has other work, too.
const PATIENCE: Duration = Duration::from_secs(2);

/// A connection that listens.
pub struct Bell(PgListener);

impl Store {
    /// Listens to a channel; whatever is rung from here on is heard.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached.
    pub async fn bell(&self, channel: &str) -> Result<Bell, StoreError> {
        let one = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let pool = one.acquire_timeout(PATIENCE).connect_with(self.direct.clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(channel).await?;
        Ok(Bell(listener))
    }
}

impl Bell {
    /// Waits until it is rung, at most `floor`. What was rung in between counts once.
    ///
    /// # Errors
    /// When the connection is lost for good; bells may have been missed.
    pub async fn wait(&mut self, floor: Duration) -> Result<(), StoreError> {
        // `None` is a connection that was lost and is back: look, like after a ring.
        if let Ok(rung) = tokio::time::timeout(floor, self.0.try_recv()).await {
            rung?;
        }
        while self.0.next_buffered().is_some() {}
        Ok(())
    }
}
