//! The change: one captured change of one row, as relay, bus, log and hub agree on it.
//!
//! A change is rendered as JSON once per cluster, by whoever reads it from the log first (the relay, for the bus; a
//! node, for what the bus lost). The rendering depends on nothing but the log, so both give the same bytes.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use poem_openapi::Enum;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Dense: 1, 2, 3, … within a generation. A hole is a loss, always.
pub type Position = i64;

/// Positions of different generations cannot be compared.
pub type Generation = i32;

/// A place in the feed, `<generation>-<position>`: the `id:` of an event and the `Last-Event-ID` of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Which numbering the position belongs to.
    pub generation: Generation,
    /// The place in that numbering.
    pub position: Position,
}

/// What was given is no event id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of an earlier event, like `1-42`")]
pub struct BadEventId;

impl EventId {
    /// The id at `position` of `generation`.
    pub const fn new(generation: Generation, position: Position) -> Self {
        Self { generation, position }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.generation, self.position)
    }
}

impl FromStr for EventId {
    type Err = BadEventId;

    fn from_str(text: &str) -> Result<Self, BadEventId> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let (generation, position) = text.split_once('-').ok_or(BadEventId)?;
        if !digits(generation) || !digits(position) {
            return Err(BadEventId);
        }
        let generation = generation.parse().map_err(|_| BadEventId)?;
        let position = position.parse().map_err(|_| BadEventId)?;
        Ok(Self { generation, position })
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What happened to the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "UPPERCASE")]
#[oai(rename = "ChangeOperation", rename_all = "UPPERCASE")]
pub enum Operation {
    /// The row is new.
    Insert,
    /// The row is different now.
    Update,
    /// The row is gone.
    Delete,
    /// All rows are gone.
    Truncate,
}

/// The channel that a change travels on; each has its own chain of `prev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// `new_messages`
    New,
    /// `updated_messages`
    Updated,
    /// `deleted_messages`: deletions and truncations.
    Deleted,
}

impl Channel {
    /// All channels, in the order of their index.
    pub const ALL: [Self; 3] = [Self::New, Self::Updated, Self::Deleted];

    /// The name, before any configured prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new_messages",
            Self::Updated => "updated_messages",
            Self::Deleted => "deleted_messages",
        }
    }
}

impl Operation {
    /// The channel that such a change travels on.
    pub const fn channel(self) -> Channel {
        match self {
            Self::Insert => Channel::New,
            Self::Update => Channel::Updated,
            Self::Delete | Self::Truncate => Channel::Deleted,
        }
    }
}

/// The row of a change: as it is now, or for a deletion as it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedRow {
    /// The number of the message.
    pub id: i64,
    /// Its room.
    pub room: String,
    /// Its text; none where it is too large for the feed or was replaced since.
    pub content: Option<String>,
    /// Says that the text must be had from `GET /message/{id}`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub content_omitted: bool,
    /// Its file name.
    pub file: Option<String>,
    /// When it was written.
    #[serde(with = "crate::timestamp")]
    pub created_date: DateTime<Utc>,
    /// When it was last changed.
    #[serde(with = "crate::timestamp::optional")]
    pub updated_date: Option<DateTime<Utc>>,
    /// Who wrote it.
    pub sender_id: Uuid,
    /// The session whose reply it is; none for what was not written by one.
    pub session_id: Option<Uuid>,
}

/// A change with its place in the feed: one flat JSON object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What happened.
    pub operation: Operation,
    /// The row; none for a truncation.
    #[serde(flatten)]
    pub row: Option<ChangedRow>,
    /// Its place.
    pub event_id: EventId,
    /// The place of the change before it on the same channel; none for the first.
    pub prev: Option<EventId>,
    /// The transaction that made the change, as decimal digits: equal for the changes of one transaction.
    pub transaction: String,
    /// When the change was captured.
    #[serde(with = "crate::timestamp")]
    pub at: DateTime<Utc>,
}

/// A change as it travels: its JSON, and what a node needs to know without reading all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its place in the feed.
    pub event_id: EventId,
    /// What happened.
    pub operation: Operation,
    /// The room that it concerns; none for a truncation, which concerns every room.
    pub room: Option<String>,
    /// When it was captured, by PostgreSQL's clock, if it tells.
    pub captured: Option<DateTime<Utc>>,
    /// The flat JSON object, on one line.
    pub json: String,
}

/// What came over the bus is no change of ours.
#[derive(Debug, thiserror::Error)]
#[error("not a change: {0}")]
pub struct BadChange(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Routing {
    operation: Operation,
    event_id: EventId,
    #[serde(default)]
    room: Option<String>,
    #[serde(default, with = "crate::timestamp::optional")]
    at: Option<DateTime<Utc>>,
}

impl Published {
    /// Renders a change.
    ///
    /// # Errors
    /// If JSON cannot hold it, which no row of `messages` can bring about.
    pub fn render(change: &Change) -> Result<Self, BadChange> {
        Ok(Self {
            event_id: change.event_id,
            operation: change.operation,
            room: change.row.as_ref().map(|row| row.room.clone()),
            captured: Some(change.at),
            json: serde_json::to_string(change)?,
        })
    }

    /// Reads what came over the bus.
    ///
    /// # Errors
    /// If it is not the JSON of a change.
    pub fn parse(json: String) -> Result<Self, BadChange> {
        let Routing { operation, event_id, room, at: captured } = serde_json::from_str(&json)?;
        // Someone else's JSON may span lines; an event's data must not. In JSON's texts these two are escaped.
        let json = if json.contains(['\r', '\n']) { json.replace(['\r', '\n'], " ") } else { json };
        Ok(Self { event_id, operation, room, captured, json })
    }
}

/// What the relay says every half second: how far the feed has come, and the canary that came so far.
///
/// A canary is the instant of the leader's last sign of life, by PostgreSQL's clock. It takes the way of the changes:
/// it is sent when all that was committed before it has been. It is no change, and takes no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// How far the feed has come.
    pub event_id: EventId,
    /// The canary; none before the leader's first sign of life.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::timestamp::optional")]
    pub canary: Option<DateTime<Utc>>,
}

/// What a node hears from the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Subscribed: from here on every change comes by.
    Up,
    /// A change.
    Change(Published),
    /// The feed has come this far, and the canary with it.
    Heartbeat(Heartbeat),
    /// Nothing can be heard any more.
    Down,
}

/// What the log holds at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The generation of the head.
    pub generation: Generation,
    /// Positions up to this one are gone for good.
    pub floor: Position,
    /// The last position.
    pub head: Position,
}

/// A part of the past.
#[derive(Debug, Clone)]
pub struct Past {
    /// The log when it was read.
    pub extent: Extent,
    /// The changes after the asked position, without a hole; empty where that position is below the floor.
    pub changes: Vec<Published>,
}

/// Why the past could not be read; it may well be possible later.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be read: {0}")]
pub struct PastUnavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where the past can be read. The hub knows the log by this alone.
pub trait History: Send + Sync + 'static {
    /// What the log holds now.
    fn extent(&self) -> BoxFuture<'_, Result<Extent, PastUnavailable>>;

    /// The changes after `after`, at most `limit` of them, in order.
    fn past(&self, after: Position, limit: usize) -> BoxFuture<'_, Result<Past, PastUnavailable>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_event_id_is_read_back(generation in 0..=Generation::MAX, position in 0..=Position::MAX) {
            let id = EventId::new(generation, position);
            prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        }

        #[test]
        fn only_digits_make_an_event_id(text in "[-+ 0-9a-z\r\n]{0,12}") {
            if let Ok(id) = text.parse::<EventId>() {
                let (generation, position) = text.split_once('-').unwrap();
                prop_assert_eq!(generation.parse(), Ok(id.generation));
                prop_assert_eq!(position.parse(), Ok(id.position));
                prop_assert!(!text.contains(['+', ' ', '\r', '\n']));
            }
        }

        #[test]
        fn what_is_nearly_an_event_id_is_one_or_an_error(
            text in crate::frame::tests::damaged((any::<i64>(), any::<i128>()).prop_map(|(a, b)| format!("{a}-{b}"))),
        ) {
            let text = String::from_utf8_lossy(&text);
            if let Ok(id) = text.parse::<EventId>() {
                prop_assert!(id >= EventId::new(0, 0));
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<EventId>(&json).ok(), text.parse().ok());
        }
    }
}
