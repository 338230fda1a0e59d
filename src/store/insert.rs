//! Adding messages: those that are posted at the same time in one statement, and each alone where that fails.

use std::{collections::HashMap, slice, sync::Arc};

use futures_util::TryFutureExt;
use sqlx::{FromRow, Row, postgres::PgRow};
use tracing::Instrument;

use super::{Store, StoreError, milliseconds, posts::Post};
use crate::{
    message::{Message, NewMessage},
    metrics::METRICS,
    telemetry::TRACES,
};

/// The rows of a group, by their place in it; the first is 1.
type Rows = HashMap<i64, Message>;

// A row may have to wait for a lock of someone else's, as where somebody has added a unique index; then those that are
// written with it wait too, and the writer. So for that there is a time of its own. The lock of the table is taken
// before this time is set: for it all wait alike, as long as a statement may take.
const ALONE: &str = "insert into messages (room, content, file, sender_id)
     select $1, $2, $3, $4 from set_config('lock_timeout', $5, true)
     returning id, room, content, file, created_date, updated_date, sender_id, session_id";

/// One statement is one transaction, and one firing of the triggers. The ids are taken before, and each row is known
/// again by its id: nothing promises in which order RETURNING tells of rows. For the rest a row is what it would be
/// alone.
const TOGETHER: &str = "with given as materialized (
         select p.*, nextval(s.name) as id
           from (select pg_get_serial_sequence('messages', 'id')::regclass as name) s,
                set_config('lock_timeout', $5, true),
                unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) with ordinality
                    p (room, content, file, sender_id, place)
     ), written as (
         insert into messages (id, room, content, file, sender_id)
         select id, room, content, file, sender_id from given order by place
         returning id, room, content, file, created_date, updated_date, sender_id, session_id
     )
     select w.*, g.place from written w join given g on g.id = w.id";

/// Moves the sequence past every id in the table. Where others have done so just now it stays: it would give ids again
/// that they have taken since.
pub(super) const SKIP_IDS: &str = "select setval(s.name, m.id)
      from (select pg_get_serial_sequence('messages', 'id')::regclass as name) s, (select max(id) as id from messages) m
     where m.id > coalesce(pg_sequence_last_value(s.name), 0)";

impl Store {
    /// Adds a message, in one transaction with others that are added at the same time.
    ///
    /// # Errors
    /// [`StoreError`]; after `Unavailable` it may or may not have been added.
    pub async fn add(&self, new: &NewMessage) -> Result<Message, StoreError> {
        let (answer, free) = self.posts.gather(new.clone())?;
        // From here until it is committed: it waits for a writer, and is written with others.
        let span = tracing::info_span!(target: TRACES, "commit", otel.kind = "client", db.system.name = "postgresql");
        if free {
            tokio::spawn(self.clone().write_posts());
        }
        self.in_time(answer.map_err(|_| sqlx::Error::WorkerCrashed)).instrument(span).await?
    }

    async fn write_posts(self) {
        self.posts.work(|group| self.write_together(group)).await;
    }

    async fn write_together(&self, group: Vec<Post>) {
        match self.limited(self.insert(&group, &self.patience)).await {
            Ok(rows) => answer(group, rows),
            // Whose fault it was shows when each is tried alone; there it holds up nobody.
            Err(error) if is_undone(&error) => {
                for post in group {
                    tokio::spawn(self.clone().write_alone(post));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                group.into_iter().for_each(|post| post.answer(Err(Arc::clone(&error).into())));
            }
        }
    }

    async fn write_alone(self, post: Post) {
        // As long as the statement itself may take.
        let patience = milliseconds(self.timeout);
        match self.in_time(self.insert(slice::from_ref(&post), &patience)).await {
            Ok(rows) => answer(vec![post], rows),
            Err(error) => post.answer(Err(error)),
        }
    }

    async fn insert(&self, group: &[Post], patience: &str) -> sqlx::Result<Rows> {
        match self.try_insert(group, patience).await {
            // Someone has written rows with ids of their own choice, which our sequence comes to only now.
            Err(error) if is_id_taken(&error) => {
                sqlx::query(SKIP_IDS).execute(&self.http).await?;
                self.try_insert(group, patience).await
            }
            inserted => inserted,
        }
    }

    async fn try_insert(&self, group: &[Post], patience: &str) -> sqlx::Result<Rows> {
        match group {
            [post] => Ok(Rows::from([(1, self.insert_alone(&post.new, patience).await?)])),
            _ => self.insert_together(group, patience).await,
        }
    }

    async fn insert_alone(&self, new: &NewMessage, patience: &str) -> sqlx::Result<Message> {
        let row = sqlx::query_as(ALONE).bind(&new.room).bind(&new.content).bind(&new.file).bind(new.sender_id);
        row.bind(patience).fetch_one(&self.http).await
    }

    async fn insert_together(&self, group: &[Post], patience: &str) -> sqlx::Result<Rows> {
        let news = || group.iter().map(|post| &post.new);
        let rows = sqlx::query(TOGETHER)
            .bind(news().map(|new| &*new.room).collect::<Vec<_>>())
            .bind(news().map(|new| &*new.content).collect::<Vec<_>>())
            .bind(news().map(|new| new.file.as_deref()).collect::<Vec<_>>())
            .bind(news().map(|new| new.sender_id).collect::<Vec<_>>())
            .bind(patience);
        let rows = rows.try_map(|row: PgRow| Ok((row.try_get("place")?, Message::from_row(&row)?)));
        Ok(rows.fetch_all(&self.http).await?.into_iter().collect())
    }
}

/// Gives each post its row. Where there is none, a trigger that somebody has added has dropped it, or changed its id.
fn answer(group: Vec<Post>, mut rows: Rows) {
    METRICS.posts.written.inc_by(rows.len() as u64);
    for (place, post) in (1..).zip(group) {
        post.answer(rows.remove(&place).ok_or_else(|| sqlx::Error::RowNotFound.into()));
    }
}

pub(super) fn is_id_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some("messages_pkey"))
}

/// Whether PostgreSQL itself says that the statement has done nothing, and it may take the same rows one by one.
/// Without its word they may have been written, and must not be written again.
fn is_undone(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    // Connection, resources, operator intervention (also a statement whose time is up), read-only, system errors.
    code.is_some_and(|code| !["08", "53", "57", "25", "58"].iter().any(|class| code.starts_with(class)))
}
