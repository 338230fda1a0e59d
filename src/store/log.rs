//! Reading the log: changes by position, as often as anyone wants, always the same.
//!
//! The tick tells which rows and in which order; the rank in it is the position. One statement, so one snapshot: a
//! floor that is raised while it runs cannot hide a part of what it reads.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use sqlx::{FromRow, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::change::{
    Change, ChangedRow, Channel, EventId, Extent, Generation, History, Operation, Past, PastUnavailable, Position,
    Published,
};

/// About the most bytes of content that one reading holds; the first change is read whatever its size.
const PAST_BYTES: usize = 8 << 20;

/// A row of the answer: the extent, and a change unless there is none.
struct Row {
    extent: Extent,
    logged: Option<Logged>,
}

#[derive(FromRow)]
struct Logged {
    tick: i64,
    tick_generation: Generation,
    first_position: Position,
    new_before: Option<Position>,
    updated_before: Option<Position>,
    deleted_before: Option<Position>,
    op: String,
    message_id: Option<i64>,
    room: Option<String>,
    content: Option<String>,
    content_bytes: i32,
    file: Option<String>,
    created_date: Option<DateTime<Utc>>,
    updated_date: Option<DateTime<Utc>>,
    sender_id: Option<Uuid>,
    session_id: Option<Uuid>,
    transaction: String,
    at: DateTime<Utc>,
}

impl FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let extent =
            Extent { generation: row.try_get("generation")?, floor: row.try_get("floor")?, head: row.try_get("head")? };
        let logged = match row.try_get::<Option<i64>, _>("log_id")? {
            Some(_) => Some(Logged::from_row(row)?),
            None => None,
        };
        Ok(Self { extent, logged })
    }
}

impl Logged {
    fn operation(&self) -> Operation {
        match self.op.as_str() {
            "i" => Operation::Insert,
            "u" => Operation::Update,
            "d" => Operation::Delete,
            _ => Operation::Truncate,
        }
    }

    /// Whether its content is wanted, but not in the log.
    fn is_elsewhere(&self, most: i32) -> bool {
        self.content.is_none() && self.content_bytes <= most && matches!(self.op.as_str(), "i" | "u")
    }

    fn row(self) -> Option<ChangedRow> {
        Some(ChangedRow {
            id: self.message_id?,
            room: self.room?,
            content_omitted: self.content.is_none(),
            content: self.content,
            file: self.file,
            created_date: self.created_date?,
            updated_date: self.updated_date,
            sender_id: self.sender_id?,
            session_id: self.session_id,
        })
    }
}

/// Counts positions along the ticks, and keeps the last one of each channel.
#[derive(Default)]
struct Ranks {
    tick: Option<i64>,
    next: Position,
    last: [Option<Position>; Channel::ALL.len()],
}

impl Ranks {
    /// The position of the next change.
    fn next_position(&mut self, logged: &Logged) -> Position {
        if self.tick != Some(logged.tick) {
            self.tick = Some(logged.tick);
            self.next = logged.first_position;
            self.last = [logged.new_before, logged.updated_before, logged.deleted_before];
        }
        self.next
    }

    fn place(&mut self, logged: Logged) -> Change {
        let position = self.next_position(&logged);
        self.next += 1;
        let operation = logged.operation();
        let prev = self.last[operation.channel() as usize].replace(position);
        let id = |position| EventId::new(logged.tick_generation, position);
        Change {
            operation,
            event_id: id(position),
            prev: prev.map(id),
            transaction: logged.transaction.clone(),
            at: logged.at,
            row: logged.row(),
        }
    }
}

/// Content that was too large to be logged: still there, unless the row was changed again. Then a later change tells.
const LARGE: &str = "select w.nth - 1, m.content
       from unnest($1::bigint[], $2::timestamptz[], $3::integer[]) with ordinality w (id, updated_date, bytes, nth)
       join messages m on m.id = w.id and m.updated_date is not distinct from w.updated_date
        and octet_length(m.content) = w.bytes";

/// The rows of a page whose content must be had from `messages`: which change, and how to know the row again.
#[derive(Default)]
struct Large {
    changes: Vec<usize>,
    ids: Vec<Option<i64>>,
    updated: Vec<Option<DateTime<Utc>>>,
    bytes: Vec<i32>,
}

impl Large {
    fn add(&mut self, change: usize, logged: &Logged) {
        self.changes.push(change);
        self.ids.push(logged.message_id);
        self.updated.push(logged.updated_date);
        self.bytes.push(logged.content_bytes);
    }
}

impl Store {
    async fn read_past(&self, after: Position, limit: usize) -> Result<Past, StoreError> {
        let rows = sqlx::query_as(include_str!("past.sql"));
        let rows = rows.bind(after).bind(limit as i64).bind(self.event_bytes).bind(PAST_BYTES as i64);
        let rows: Vec<Row> = rows.fetch_all(&self.log).await?;
        let extent = rows.first().map(|row| row.extent).ok_or(sqlx::Error::RowNotFound)?;
        if after < extent.floor {
            return Ok(Past { extent, changes: Vec::new() });
        }
        let changes = self.changes_in(rows, after, limit).await?;
        Ok(Past { extent, changes: changes.iter().map(Published::render).collect::<Result<_, _>>()? })
    }

    /// The changes after a position, up to a number and a size.
    async fn changes_in(&self, rows: Vec<Row>, after: Position, limit: usize) -> Result<Vec<Change>, StoreError> {
        let (mut ranks, mut bytes) = (Ranks::default(), 0);
        let (mut changes, mut large) = (Vec::new(), Large::default());
        for logged in rows.into_iter().filter_map(|row| row.logged) {
            if ranks.next_position(&logged) <= after {
                ranks.place(logged);
                continue;
            }
            bytes += logged.content_bytes.min(self.event_bytes) as usize;
            if changes.len() == limit || (bytes > PAST_BYTES && !changes.is_empty()) {
                break;
            }
            if logged.is_elsewhere(self.event_bytes) {
                large.add(changes.len(), &logged);
            }
            changes.push(ranks.place(logged));
        }
        self.fill(&mut changes, large).await?;
        Ok(changes)
    }

    /// Completes changes from `messages`. A second statement, and only where it is needed: who locks that table (a
    /// TRUNCATE, an ALTER) must not hold up the reading of the log.
    async fn fill(&self, changes: &mut [Change], large: Large) -> Result<(), StoreError> {
        if large.changes.is_empty() {
            return Ok(());
        }
        let found = sqlx::query_as(LARGE).bind(large.ids).bind(large.updated).bind(large.bytes);
        let found: Vec<(i64, String)> = found.fetch_all(&self.log).await?;
        for (nth, content) in found {
            let change = large.changes.get(nth as usize).and_then(|change| changes.get_mut(*change));
            if let Some(row) = change.and_then(|change| change.row.as_mut()) {
                row.content_omitted = false;
                row.content = Some(content);
            }
        }
        Ok(())
    }

    async fn read_extent(&self) -> Result<Extent, StoreError> {
        let row = sqlx::query_as(
            "select t.generation, s.floor_position, t.first_position + t.count - 1
               from feed.state s cross join lateral (select * from feed.tick order by tick desc limit 1) t",
        );
        let (generation, floor, head) = row.fetch_one(&self.log).await?;
        Ok(Extent { generation, floor, head })
    }
}

impl History for Store {
    fn extent(&self) -> BoxFuture<'_, Result<Extent, PastUnavailable>> {
        Box::pin(async { self.read_extent().await.map_err(|error| PastUnavailable(error.into())) })
    }

    fn past(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Past, PastUnavailable>> {
        Box::pin(async move { self.read_past(after, limit).await.map_err(|error| PastUnavailable(error.into())) })
    }
}
