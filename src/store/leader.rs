//! Leadership: one session of the cluster may cut ticks.
//!
//! The right is an advisory lock of the very session that ticks, so whoever loses the session loses the right. A
//! session can also outlive its process's attention (a stopped machine, a lost network): the leader therefore stamps a
//! row, and a standby that finds the stamp old ends the leader's backend. The ticks' primary key is the fence behind
//! both.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use super::{Store, StoreError, bell};
use crate::change::{EventId, Generation, Position};

/// The advisory lock of the relay: "rowcast" in ASCII.
const LOCK: i64 = 0x72_6f_77_63_61_73_74;

/// The right to cut ticks, and the session that has it.
pub struct Leadership {
    session: PgConnection,
}

impl Store {
    /// Takes the lead if nobody has it, or from a leader without a sign of life for `stalled`.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached.
    pub async fn lead(&self, node: &str, stalled: Duration) -> Result<Option<Leadership>, StoreError> {
        let mut session = PgConnection::connect_with(&self.direct).await?;
        // At once after the stalled one is gone: it was silent for long enough.
        let free =
            lock(&mut session).await? || (end_stalled(&mut session, stalled).await? && lock(&mut session).await?);
        if !free {
            session.close().await?;
            return Ok(None);
        }
        let mut leadership = Leadership { session };
        leadership.stamp(node).await?;
        Ok(Some(leadership))
    }
}

async fn lock(session: &mut PgConnection) -> Result<bool, StoreError> {
    let lock = sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(LOCK);
    Ok(lock.fetch_one(session).await?)
}

async fn end_stalled(session: &mut PgConnection, stalled: Duration) -> Result<bool, StoreError> {
    let ended = sqlx::query(END_STALLED).bind(stalled.as_secs_f64()).bind(LOCK).execute(session).await?;
    let any = ended.rows_affected() > 0;
    if any {
        tracing::warn!("ended the session of a leader that gave no sign of life");
    }
    Ok(any)
}

/// A backend in the middle of a statement is at work, however long it takes: only one that waits for its client stalls.
/// It has a second to go.
const END_STALLED: &str = "select pg_terminate_backend(a.pid, 1000)
       from feed.state s
       join pg_stat_activity a on a.pid = s.leader_pid and a.datname = current_database()
       join pg_locks l on l.pid = a.pid and l.locktype = 'advisory' and l.granted
            and (l.classid::bigint << 32 | l.objid::bigint) = $2
      where s.leader_seen < clock_timestamp() - make_interval(secs => $1) and a.state <> 'active'";

impl Leadership {
    pub(super) fn session(&mut self) -> &mut PgConnection {
        &mut self.session
    }

    /// Gives a sign of life; its instant, by PostgreSQL's clock.
    ///
    /// # Errors
    /// When the session is lost.
    pub async fn stamp(&mut self, node: &str) -> Result<DateTime<Utc>, StoreError> {
        let stamp = "update feed.state set leader = $1, leader_pid = pg_backend_pid(), leader_seen = clock_timestamp()
             returning leader_seen";
        Ok(sqlx::query_scalar(stamp).bind(node).fetch_one(&mut self.session).await?)
    }

    /// Tells writers whether they need to ring.
    ///
    /// # Errors
    /// When the session is lost.
    pub async fn set_awake(&mut self, awake: bool) -> Result<(), StoreError> {
        let flag = sqlx::query("select setval('feed.awake', $1)").bind(i64::from(awake));
        flag.execute(&mut self.session).await?;
        Ok(())
    }

    /// Whether a transaction that has written to the log is still open: it may have read the flag before it fell.
    ///
    /// # Errors
    /// When the session is lost.
    pub async fn writers(&mut self) -> Result<bool, StoreError> {
        let writers = "select exists (select from pg_locks where locktype = 'relation' and mode = 'RowExclusiveLock'
             and database = (select oid from pg_database where datname = current_database())
             and relation = 'feed.log'::regclass and pid <> pg_backend_pid())";
        Ok(sqlx::query_scalar(writers).fetch_one(&mut self.session).await?)
    }

    /// Rings for the nodes that hear nothing from Redis.
    ///
    /// # Errors
    /// When the session is lost.
    pub async fn ring(&mut self) -> Result<(), StoreError> {
        sqlx::query("select pg_notify($1, '')").bind(bell::TICK).execute(&mut self.session).await?;
        Ok(())
    }

    /// Begins a new generation if positions can no longer be compared with earlier ones: another cluster (a restored
    /// dump), another timeline (a promoted standby that may lack the last ticks), transaction ids that went back, or
    /// positions that others have seen (`published`) and this database has not.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub async fn settle(&mut self, published: Option<EventId>) -> Result<EventId, StoreError> {
        let head = self.head().await?;
        let Some(reason) = self.breach(head, published).await? else { return Ok(head) };
        let seen = published.unwrap_or(head);
        let generation = head.generation.max(seen.generation) + 1;
        let position = head.position.max(seen.position);
        tracing::warn!(reason, generation, position, "positions begin a new generation");
        self.begin(generation, position, reason).await?;
        Ok(EventId::new(generation, position))
    }

    async fn head(&mut self) -> Result<EventId, StoreError> {
        let head = "select generation, first_position + count - 1 from feed.tick order by tick desc limit 1";
        let (generation, position) = sqlx::query_as(head).fetch_one(&mut self.session).await?;
        Ok(EventId::new(generation, position))
    }

    async fn breach(&mut self, head: EventId, published: Option<EventId>) -> Result<Option<&'static str>, StoreError> {
        let facts = "select g.system_identifier <> s.system_identifier, g.timeline <> $1,
                    pg_current_xact_id() < pg_snapshot_xmax((select upto from feed.tick order by tick desc limit 1))
               from feed.generation g, pg_control_system() s order by g.generation desc limit 1";
        let timeline = self.timeline().await?;
        let (cluster, timeline, xids): (bool, bool, bool) =
            sqlx::query_as(facts).bind(timeline).fetch_one(&mut self.session).await?;
        Ok(match (xids, cluster, timeline) {
            (true, ..) => Some("transaction ids went back"),
            (_, true, _) => Some("another cluster"),
            (.., true) => Some("another timeline"),
            _ if published.is_some_and(|seen| seen > head) => Some("positions were lost"),
            _ => None,
        })
    }

    /// The timeline by the name of the current WAL file: the control file tells it only after the next checkpoint.
    async fn timeline(&mut self) -> Result<i32, StoreError> {
        let timeline = "select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer";
        Ok(sqlx::query_scalar(timeline).fetch_one(&mut self.session).await?)
    }

    /// What was committed and not yet positioned stays so, and comes first in the new generation; unless transaction
    /// ids mean something else now: then the old log means nothing.
    async fn begin(&mut self, generation: Generation, after: Position, reason: &str) -> Result<(), StoreError> {
        let timeline = self.timeline().await?;
        let mut change = self.session.begin().await?;
        let xids_kept: bool = sqlx::query_scalar(
            "select pg_current_xact_id() >= pg_snapshot_xmax((select upto from feed.tick order by tick desc limit 1))",
        )
        .fetch_one(&mut *change)
        .await?;
        sqlx::query(
            "insert into feed.generation (generation, system_identifier, timeline, reason)
             select $1, system_identifier, $2, $3 from pg_control_system()",
        )
        .bind(generation)
        .bind(timeline)
        .bind(reason)
        .execute(&mut *change)
        .await?;
        sqlx::query(
            "insert into feed.tick (tick, generation, since, upto, first_id, last_id, first_position, count,
                                    new_after, updated_after, deleted_after, bytes_after)
             select tick + 1, $1, s.snapshot, s.snapshot, 0, 0, $2, 0, null, null, null, bytes_after
               from feed.tick, lateral (select case when $3 then upto else pg_current_snapshot() end as snapshot) s
              order by tick desc limit 1",
        )
        .bind(generation)
        .bind(after + 1)
        .bind(xids_kept)
        .execute(&mut *change)
        .await?;
        if !xids_kept {
            sqlx::query("delete from feed.tick where count > 0").execute(&mut *change).await?;
            sqlx::query("truncate feed.log").execute(&mut *change).await?;
        }
        let floor = "update feed.state set floor_position = $1,
                    floor_bytes = (select bytes_after from feed.tick order by tick desc limit 1)";
        sqlx::query(floor).bind(after).execute(&mut *change).await?;
        change.commit().await?;
        Ok(())
    }
}
