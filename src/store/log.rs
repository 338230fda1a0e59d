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

/// The most bytes of changes that one reading holds; the first change is read whatever its size.
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
    file: Option<String>,
    created_date: Option<DateTime<Utc>>,
    updated_date: Option<DateTime<Utc>>,
    sender_id: Option<Uuid>,
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
    fn place(&mut self, logged: Logged) -> Change {
        if self.tick != Some(logged.tick) {
            self.tick = Some(logged.tick);
            self.next = logged.first_position;
            self.last = [logged.new_before, logged.updated_before, logged.deleted_before];
        }
        let position = self.next;
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

impl Store {
    async fn read_past(&self, after: Position, limit: usize) -> Result<Past, StoreError> {
        let rows = sqlx::query_as(include_str!("past.sql"));
        let rows: Vec<Row> = rows.bind(after).bind(limit as i64).bind(self.event_bytes).fetch_all(&self.log).await?;
        let extent = rows.first().map(|row| row.extent).ok_or(StoreError::Failed(sqlx::Error::RowNotFound))?;
        let mut past = Past { extent, changes: Vec::new() };
        if after < extent.floor {
            return Ok(past);
        }
        let (mut ranks, mut bytes) = (Ranks::default(), 0);
        for logged in rows.into_iter().filter_map(|row| row.logged) {
            let change = ranks.place(logged);
            if change.event_id.position <= after {
                continue;
            }
            let published = Published::render(&change)?;
            bytes += published.json.len();
            if past.changes.len() == limit || (bytes > PAST_BYTES && !past.changes.is_empty()) {
                break;
            }
            past.changes.push(published);
        }
        Ok(past)
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
