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
#[derive(Debug, Clone)]
pub struct Query {
    /// Only what comes after this place, newest first.
    pub after: Option<Cursor>,
    /// Only these rooms.
    pub within: Within,
    /// Only this sender.
    pub sender_id: Option<Uuid>,
    /// The most messages.
    pub limit: i64,
}

/// Which rooms a page is made of.
#[derive(Debug, Clone)]
pub enum Within {
    /// All of them.
    Everything,
    /// One.
    Room(String),
    /// Several, each once.
    Rooms(Vec<String>),
}

/// What of a message decided that it may be changed: it is changed only if that is still so.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The room it was in.
    pub room: String,
    /// Who had written it.
    pub sender_id: Uuid,
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
// One range of the index for each room, however many messages lie between those of the rooms.
const PAGE_ROOMS: &str = "select m.id, m.room, m.content, m.file, m.created_date, m.updated_date, m.sender_id
     from unnest($4::text[]) as one(room) cross join lateral (
         select id, room, content, file, created_date, updated_date, sender_id from messages
         where (created_date, id) < ($1, $2) and room = one.room
         order by created_date desc, id desc limit $3) as m
     order by m.created_date desc, m.id desc limit $3";
const PAGE_ROOMS_SENDER: &str = "select id, room, content, file, created_date, updated_date, sender_id from messages
     where (created_date, id) < ($1, $2) and room = any($4) and sender_id = $5
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
        let of = |text| sqlx::query_as(text).bind(before).bind(id).bind(query.limit);
        let rows = match (&query.within, query.sender_id) {
            (Within::Everything, None) => of(PAGE),
            (Within::Everything, Some(sender)) => of(PAGE_SENDER).bind(sender),
            (Within::Room(room), None) => of(PAGE_ROOM).bind(room),
            (Within::Room(room), Some(sender)) => of(PAGE_BOTH).bind(room).bind(sender),
            (Within::Rooms(rooms), None) => of(PAGE_ROOMS).bind(rooms),
            (Within::Rooms(rooms), Some(sender)) => of(PAGE_ROOMS_SENDER).bind(rooms).bind(sender),
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

    /// Changes a message, if it is there and as it was `seen`; the message as it is then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn patch(
        &self,
        id: i64,
        patch: &MessagePatch,
        seen: Option<&Seen>,
    ) -> Result<Option<Message>, StoreError> {
        let row = sqlx::query_as(
            "update messages set content = coalesce($2, content), file = case when $3 then $4 else file end
             where id = $1 and ($5::text is null or (room = $5 and sender_id = $6))
             returning id, room, content, file, created_date, updated_date, sender_id",
        );
        let given = !matches!(patch.file, MaybeUndefined::Undefined);
        let row = row.bind(id).bind(&patch.content).bind(given).bind(patch.file.value());
        let row = row.bind(seen.map(|seen| &seen.room)).bind(seen.map(|seen| seen.sender_id));
        self.in_time(row.fetch_optional(&self.http)).await
    }

    /// Deletes a message; whether it was there, and as it was `seen`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, id: i64, seen: Option<&Seen>) -> Result<bool, StoreError> {
        let delete =
            sqlx::query("delete from messages where id = $1 and ($2::text is null or (room = $2 and sender_id = $3))");
        let delete = delete.bind(id).bind(seen.map(|seen| &seen.room)).bind(seen.map(|seen| seen.sender_id));
        let done = self.in_time(delete.execute(&self.http)).await?;
        Ok(done.rows_affected() > 0)
    }
}

/// After the last date that the table accepts: the year 10000.
const END_OF_TIME: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_800, 0) {
    Some(end) => end,
    None => DateTime::<Utc>::MAX_UTC,
};
