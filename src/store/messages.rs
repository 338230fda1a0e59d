//! Statements on the table `messages`, but for adding to it (see [`super::insert`]). The triggers do the rest.

use chrono::{DateTime, Utc};
use poem_openapi::types::MaybeUndefined;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::{
    cursor::Cursor,
    message::{Message, MessagePatch},
};

/// Which messages a page is made of.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Only what comes after this place, newest first.
    pub after: Option<Cursor>,
    /// Only this room.
    pub room: Option<String>,
    /// Only this sender.
    pub sender_id: Option<Uuid>,
    /// The most messages.
    pub limit: i64,
}

// One text per shape, so that each has a plan with its own index.
const PAGE: &str = "select id, room, content, file, created_date, updated_date, sender_id from messages
     where (created_date, id) < ($1, $2)
     order by created_date desc, id desc limit $3";
const PAGE_ROOM: &str = "select id, room, content, file, created_date, updated_date, sender_id from messages
     where (created_date, id) < ($1, $2) and room = $4
     order by created_date desc, id desc limit $3";
const PAGE_SENDER: &str = "select id, room, content, file, created_date, updated_date, sender_id from messages
     where (created_date, id) < ($1, $2) and sender_id = $4
     order by created_date desc, id desc limit $3";
const PAGE_BOTH: &str = "select id, room, content, file, created_date, updated_date, sender_id from messages
     where (created_date, id) < ($1, $2) and room = $4 and sender_id = $5
     order by created_date desc, id desc limit $3";

impl Store {
    /// The messages that match, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(&self, query: &Query) -> Result<Vec<Message>, StoreError> {
        let (before, id) = match query.after {
            Some(Cursor { created_date, id }) => (created_date, id.unwrap_or(i64::MIN)),
            None => (DateTime::<Utc>::MAX_UTC.min(END_OF_TIME), i64::MAX),
        };
        let rows = match (&query.room, query.sender_id) {
            (None, None) => sqlx::query_as(PAGE).bind(before).bind(id).bind(query.limit),
            (Some(room), None) => sqlx::query_as(PAGE_ROOM).bind(before).bind(id).bind(query.limit).bind(room),
            (None, Some(sender)) => sqlx::query_as(PAGE_SENDER).bind(before).bind(id).bind(query.limit).bind(sender),
            (Some(room), Some(sender)) => {
                sqlx::query_as(PAGE_BOTH).bind(before).bind(id).bind(query.limit).bind(room).bind(sender)
            }
        };
        self.in_time(rows.fetch_all(&self.http)).await
    }

    /// One message, if it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, id: i64) -> Result<Option<Message>, StoreError> {
        let row = sqlx::query_as(
            "select id, room, content, file, created_date, updated_date, sender_id from messages where id = $1",
        );
        self.in_time(row.bind(id).fetch_optional(&self.http)).await
    }

    /// Changes a message, if it is there; the message as it is then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn patch(&self, id: i64, patch: &MessagePatch) -> Result<Option<Message>, StoreError> {
        let row = sqlx::query_as(
            "update messages set content = coalesce($2, content), file = case when $3 then $4 else file end
             where id = $1
             returning id, room, content, file, created_date, updated_date, sender_id",
        );
        let given = !matches!(patch.file, MaybeUndefined::Undefined);
        let row = row.bind(id).bind(&patch.content).bind(given).bind(patch.file.value());
        self.in_time(row.fetch_optional(&self.http)).await
    }

    /// Deletes a message; whether it was there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, id: i64) -> Result<bool, StoreError> {
        let delete = sqlx::query("delete from messages where id = $1").bind(id).execute(&self.http);
        let done = self.in_time(delete).await?;
        Ok(done.rows_affected() > 0)
    }
}

/// After the last date that the table accepts: the year 10000.
const END_OF_TIME: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_800, 0) {
    Some(end) => end,
    None => DateTime::<Utc>::MAX_UTC,
};
