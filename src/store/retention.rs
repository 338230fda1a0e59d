//! Retention: how much of the past the log keeps.
//!
//! The floor is raised first, in a transaction of its own; from then on nobody is told that the past below it can be
//! had. Then whole ticks go, oldest first, in small batches: the ranks in half a tick would be other positions.
//!
//! Before that, what goes is folded into the counts of rooms. If that fails, it goes all the same: that the log is
//! bounded comes first, and counts can be had again.

use std::time::Duration;

use super::{Store, StoreError};
use crate::metrics::METRICS;

/// What the log keeps at least, and at most.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Ticks younger than this stay, unless there are too many changes.
    pub age: Duration,
    /// The most changes.
    pub changes: i64,
    /// The most bytes, about: what they take on disk.
    pub bytes: i64,
    /// The most ticks that go in one batch.
    pub batch: i64,
}

/// What one batch took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trimmed {
    /// Ticks.
    pub ticks: u64,
    /// Changes.
    pub changes: u64,
}

/// The newest tick stays always: the next one begins where it ends. So does what was not counted ($5).
const RAISE: &str = "update feed.state set floor_position = old.position, floor_bytes = old.bytes
       from (select max(t.first_position + t.count - 1) as position, max(t.bytes_after) as bytes
               from (select * from feed.tick where first_position + count > (select floor_position + 1 from feed.state)
                      order by first_position + count limit $3) t,
                    (select tick, first_position + count - 1 as head, bytes_after
                       from feed.tick order by tick desc limit 1) n
              where t.tick < n.tick
                and (t.at < clock_timestamp() - make_interval(secs => $1)
                     or t.first_position + t.count - 1 <= n.head - $2
                     or t.bytes_after <= n.bytes_after - $4)
                and (not $5 or t.first_position + t.count - 1 <= (select position from feed.counted))) old
      where old.position > floor_position";

const DELETE_LOG: &str = "delete from feed.log l using
       (select * from feed.tick t where t.count > 0 and t.first_position + t.count - 1
               <= (select floor_position from feed.state) order by t.tick limit $1) t
       cross join lateral feed.changes_of(t.since, t.upto, t.first_id, t.last_id, t.sliced) gone
      where l.xid = gone.xid and l.id = gone.id";

const DELETE_TICKS: &str = "delete from feed.tick where tick in
       (select t.tick from feed.tick t where t.first_position + t.count - 1
               <= (select floor_position from feed.state)
           and t.tick < (select max(tick) from feed.tick) order by t.tick limit $1)";

impl Store {
    /// Lets go of one batch of what is past its time; nothing, when there is nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trim(&self, keep: Keep) -> Result<Trimmed, StoreError> {
        let counted = self.count_rooms().await;
        if let Err(error) = &counted {
            tracing::warn!(%error, "the log is trimmed, though the rooms could not be counted");
        }
        let raise = sqlx::query(RAISE).bind(keep.age.as_secs_f64()).bind(keep.changes).bind(keep.batch);
        raise.bind(keep.bytes).bind(counted.is_ok()).execute(&self.log).await?;
        let mut batch = self.log.begin().await?;
        let changes = sqlx::query(DELETE_LOG).bind(keep.batch).execute(&mut *batch).await?.rows_affected();
        let ticks = sqlx::query(DELETE_TICKS).bind(keep.batch).execute(&mut *batch).await?.rows_affected();
        batch.commit().await?;
        METRICS.feed.trimmed.inc_by(changes);
        Ok(Trimmed { ticks, changes })
    }
}
