//! What PostgreSQL knows of the feed's health, in one statement.

use std::time::Duration;

use super::{Store, StoreError};
use crate::change::Position;

/// How the feed is, as far as PostgreSQL can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// The node that led last.
    pub leader: Option<String>,
    /// The age of its last sign of life, by the clock that made it; none if nobody has ever led.
    pub stamped: Option<Duration>,
    /// Whether each trigger that captures changes is there and enabled.
    pub captures: bool,
    /// What the log holds.
    pub log: Held,
}

/// What the log holds, and how much it has let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Positions up to this one are gone for good.
    pub floor: Position,
    /// Changes.
    pub changes: i64,
    /// Their bytes, about.
    pub bytes: i64,
    /// The age of the oldest tick; none if there is no change.
    pub oldest: Option<Duration>,
}

/// Triggers that fire in ordinary sessions: `O`, and `A`, which also fire for replicated rows.
const VITALS: &str = "select leader, extract(epoch from clock_timestamp() - leader_seen)::float8,
       (select count(*) = 4 from pg_trigger
         where tgrelid = to_regclass('messages') and tgenabled in ('O', 'A')
           and tgname in ('feed_insert', 'feed_update', 'feed_delete', 'feed_truncate')),
       s.floor_position, t.first_position + t.count - 1 - s.floor_position, t.bytes_after - s.floor_bytes,
       (select extract(epoch from clock_timestamp() - at)::float8 from feed.tick
         where first_position + count > s.floor_position + 1 order by first_position + count limit 1)
  from feed.state s cross join lateral (select * from feed.tick order by tick desc limit 1) t";

type Answer = (Option<String>, Option<f64>, bool, Position, i64, i64, Option<f64>);

impl Store {
    /// How the feed is; an answer also tells that PostgreSQL gives one.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn vitals(&self) -> Result<Vitals, StoreError> {
        let vitals = sqlx::query_as(VITALS).fetch_one(&self.http);
        let (leader, seconds, captures, floor, changes, bytes, oldest): Answer = self.in_time(vitals).await?;
        // A clock that was set back makes an age below zero.
        let age = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let log = Held { floor, changes, bytes, oldest: oldest.map(age) };
        Ok(Vitals { leader, stamped: seconds.map(age), captures, log })
    }
}
