//! Statements on the table `messages`, but for adding to it (see [`super::insert`]). The triggers do the rest.

use chrono::{DateTime, Utc};
use poem_openapi::types::MaybeUndefined;
use sqlx::{FromRow, Row, postgres::PgRow};
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
    pub limit: usize,
    /// The most bytes of content, if it is not one message that has more.
    pub bytes: usize,
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

/// A page of messages.
#[derive(Debug)]
pub struct Page {
    /// The messages, newest first.
    pub messages: Vec<Message>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// A statement for a page: of what is chosen so ($1 to $3 are its place and number), newest first, as much as there is room
/// for in $4 bytes, and one message at least. With each comes how many were chosen. The lengths of large texts are had
/// without reading them.
macro_rules! page {
    ($chosen:literal) => {
        concat!(
            "select id, room, content, file, created_date, updated_date, sender_id, session_id, chosen from (
                 select *, count(*) over () as chosen, sum(octet_length(content)) over (
                     order by created_date desc, id desc rows between unbounded preceding and current row) as bytes
                 from (",
            $chosen,
            ") as chosen) as page
             where bytes <= $4 or bytes = octet_length(content)
             order by created_date desc, id desc"
        )
    };
}

// One text per shape, so that each has a plan with its own index.
const PAGE: &str =
    page!("select * from messages where (created_date, id) < ($1, $2) order by created_date desc, id desc limit $3");
const PAGE_ROOM: &str = page!(
    "select * from messages where (created_date, id) < ($1, $2) and room = $5
     order by created_date desc, id desc limit $3"
);
const PAGE_SENDER: &str = page!(
    "select * from messages where (created_date, id) < ($1, $2) and sender_id = $5
     order by created_date desc, id desc limit $3"
);
const PAGE_BOTH: &str = page!(
    "select * from messages where (created_date, id) < ($1, $2) and room = $5 and sender_id = $6
     order by created_date desc, id desc limit $3"
);
// One range of the index for each room, however many messages lie between those of the rooms.
const PAGE_ROOMS: &str = page!(
    "select m.* from unnest($5::text[]) as one(room) cross join lateral (
         select * from messages where (created_date, id) < ($1, $2) and room = one.room
         order by created_date desc, id desc limit $3) as m
     order by m.created_date desc, m.id desc limit $3"
);
const PAGE_ROOMS_SENDER: &str = page!(
    "select * from messages where (created_date, id) < ($1, $2) and room = any($5) and sender_id = $6
     order by created_date desc, id desc limit $3"
);

impl Page {
    fn of(rows: Vec<PgRow>, limit: usize) -> sqlx::Result<Self> {
        let chosen: i64 = rows.first().map(|row| row.try_get("chosen")).transpose()?.unwrap_or_default();
        let messages: Vec<_> = rows.iter().take(limit).map(Message::from_row).collect::<sqlx::Result<_>>()?;
        let has_more = chosen > messages.len() as i64;
        Ok(Self { messages, has_more })
    }
}

impl Store {
    /// The messages that match, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(&self, query: &Query) -> Result<Page, StoreError> {
        let (before, id) = match query.after {
            Some(Cursor { created_date, id }) => (created_date, id.unwrap_or(i64::MIN)),
            None => (DateTime::<Utc>::MAX_UTC.min(END_OF_TIME), i64::MAX),
        };
        // One more than is wanted, only to know that it is there.
        let (wanted, bytes) = (query.limit as i64 + 1, i64::try_from(query.bytes).unwrap_or(i64::MAX));
        let of = |text| sqlx::query(text).bind(before).bind(id).bind(wanted).bind(bytes);
        let rows = match (&query.within, query.sender_id) {
            (Within::Everything, None) => of(PAGE),
            (Within::Everything, Some(sender)) => of(PAGE_SENDER).bind(sender),
            (Within::Room(room), None) => of(PAGE_ROOM).bind(room),
            (Within::Room(room), Some(sender)) => of(PAGE_BOTH).bind(room).bind(sender),
            (Within::Rooms(rooms), None) => of(PAGE_ROOMS).bind(rooms),
            (Within::Rooms(rooms), Some(sender)) => of(PAGE_ROOMS_SENDER).bind(rooms).bind(sender),
        };
        let rows = async { Page::of(rows.fetch_all(&self.http).await?, query.limit) };
        self.in_time(rows).await
    }

    /// One message, if it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, id: i64) -> Result<Option<Message>, StoreError> {
        let row = sqlx::query_as(
            "select id, room, content, file, created_date, updated_date, sender_id, session_id
             from messages where id = $1",
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
             returning id, room, content, file, created_date, updated_date, sender_id, session_id",
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
