//! Ticks: what gives changes their positions.
//!
//! `id > last` loses rows, since ids are taken before the commit and commits come in any order. Waiting until no older
//! transaction runs (the xmin horizon) stalls behind any open writer of the cluster, and (xid, id) order swaps two
//! changes of one row. Writing a position into each row doubles the work and leaves dead rows. A tick stores the
//! difference of two snapshots, as one row: everything committed in between, whenever it began, ordered by id. Nothing
//! is waited for, nothing is updated, nothing can be missed.

use chrono::{DateTime, Utc};

use super::{StoreError, leader::Leadership};
use crate::{
    change::EventId,
    metrics::{METRICS, Stage},
};

/// How a large difference is cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// The most changes in one tick.
    pub rows: i64,
    /// About the most bytes of content in one tick.
    pub bytes: i64,
}

/// Where the feed is after a tick.
pub type Head = EventId;

impl Leadership {
    /// Gives positions to all that was committed since the last tick; the new head if there was anything.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when another leader was faster: this one must step down.
    pub async fn tick(&mut self, cut: Cut) -> Result<Option<Head>, StoreError> {
        let ticks = sqlx::query_as(include_str!("tick.sql")).bind(cut.rows).bind(cut.bytes);
        let ticks: Vec<(i32, i64, DateTime<Utc>)> = ticks.fetch_all(self.session()).await.map_err(fenced)?;
        METRICS.feed.reached(Stage::Position, ticks.first().map(|(.., oldest)| *oldest));
        Ok(ticks.into_iter().map(|(generation, head, _)| EventId::new(generation, head)).max())
    }
}

fn fenced(error: sqlx::Error) -> StoreError {
    let taken = error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if taken { StoreError::Fenced } else { error.into() }
}
