//! What PostgreSQL knows of the feed's health, in one statement.

use std::time::Duration;

use super::{Store, StoreError};

/// How the feed is, as far as PostgreSQL can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// The node that led last.
    pub leader: Option<String>,
    /// The age of its last sign of life, by the clock that made it; none if nobody has ever led.
    pub stamped: Option<Duration>,
    /// Whether each trigger that captures changes is there and enabled.
    pub captures: bool,
}

/// Triggers that fire in ordinary sessions: `O`, and `A`, which also fire for replicated rows.
const VITALS: &str = "select leader, extract(epoch from clock_timestamp() - leader_seen)::float8,
       (select count(*) = 4 from pg_trigger
         where tgrelid = to_regclass('messages') and tgenabled in ('O', 'A')
           and tgname in ('feed_insert', 'feed_update', 'feed_delete', 'feed_truncate'))
  from feed.state";

impl Store {
    /// How the feed is; an answer also tells that PostgreSQL gives one.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn vitals(&self) -> Result<Vitals, StoreError> {
        let vitals = sqlx::query_as(VITALS).fetch_one(&self.http);
        let (leader, seconds, captures): (_, Option<f64>, _) = self.in_time(vitals).await?;
        // A clock that was set back makes an age below zero.
        let stamped = seconds.map(|age| Duration::try_from_secs_f64(age).unwrap_or_default());
        Ok(Vitals { leader, stamped, captures })
    }
}
