//! The frame: a change as the bytes of a server-sent event, made once per node and shared by all its subscribers.
//!
//! The grammar ends a line at CR, LF and CRLF alike, so one stray line end would tear an event apart or forge one.
//! Every text in a frame is therefore JSON on one line (JSON escapes both characters), and ids are digits and a hyphen.
//! Events carry no `event:` field: a browser's `onmessage` sees them all, the `type` is in the JSON.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::change::{EventId, Operation, Published};

/// A comment line: it only shows that the connection lives. No empty line after it, since some clients take that for an
/// event without data.
pub const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n");

/// One change, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its place in the feed.
    pub event_id: EventId,
    /// The room that it concerns; none for every room.
    pub room: Option<String>,
    /// When the change was captured, if that is known.
    pub captured: Option<DateTime<Utc>>,
    /// The whole event, with the empty line that ends it.
    pub bytes: Bytes,
}

impl Frame {
    /// The frame of a change.
    pub fn new(change: Published) -> Self {
        let Published { event_id, operation, room, captured, json } = change;
        let kind = match operation {
            Operation::Insert => "new_message",
            Operation::Update => "updated_message",
            Operation::Delete => "deleted_message",
            Operation::Truncate => "truncated",
        };
        debug_assert!(!json.contains(['\r', '\n']), "Published keeps its JSON on one line");
        let event = format!("id: {event_id}\ndata: {{\"type\":\"{kind}\",\"data\":{json}}}\n\n");
        Self { event_id, room, captured, bytes: event.into() }
    }

    /// The JSON of the change, as it was published.
    pub fn json(&self) -> &[u8] {
        // The frame was made above, and nothing before the data has a brace but the one around it.
        let begin = self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'{').map(|(at, _)| at).nth(1);
        let end = self.bytes.len().saturating_sub(3);
        begin.and_then(|begin| self.bytes.get(begin..end)).unwrap_or_default()
    }
}

/// Why a stream could not go on where the client left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, poem_openapi::Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum ResetReason {
    /// The position is older than what the log keeps.
    Expired,
    /// The position belongs to another generation of the feed, or was never given out.
    Generation,
}

impl ResetReason {
    /// As clients read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Generation => "generation",
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Notice {
    Connected { message: &'static str, event_id: EventId, resumed: bool },
    Reset { reason: ResetReason, head: EventId, reread: &'static str },
    Bye { message: &'static str },
}

/// How long a client waits before it connects again.
pub fn retry(milliseconds: u64) -> Bytes {
    format!("retry: {milliseconds}\n\n").into()
}

/// The stream is attached at `at`: from there on nothing is missed.
pub fn connected(at: EventId, resumed: bool) -> Bytes {
    notice(Some(at), &attached(at, resumed))
}

/// The same, where a [`reset`] follows. It gives no position: a client that is cut off between the two comes back with
/// its own, and is told of the reset again.
pub fn connected_elsewhere(at: EventId) -> Bytes {
    notice(None, &attached(at, false))
}

fn attached(at: EventId, resumed: bool) -> Notice {
    Notice::Connected { message: "Connected to message stream", event_id: at, resumed }
}

/// What came between the client's position and `head` cannot be told: read the messages anew.
pub fn reset(reason: ResetReason, head: EventId) -> Bytes {
    notice(Some(head), &Notice::Reset { reason, head, reread: "/message" })
}

/// The server goes away: come back, another one goes on from the last id.
pub fn bye() -> Bytes {
    notice(None, &Notice::Bye { message: "The server is going away; reconnect to go on" })
}

/// The token that opened the stream is no longer valid: come back with a new one.
pub fn expired() -> Bytes {
    notice(None, &Notice::Bye { message: "The token has expired; reconnect with a new one to go on" })
}

/// Moves the position of a client that had nothing to see, without an event.
pub fn moved(to: EventId) -> Bytes {
    format!("id: {to}\n\n").into()
}

fn notice(id: Option<EventId>, notice: &Notice) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    // Fields are numbers, fixed texts and digits: JSON holds them all.
    let json = serde_json::to_string(notice).unwrap_or_default();
    format!("{id}data: {json}\n\n").into()
}

#[cfg(test)]
#[path = "frame_tests.rs"]
pub(crate) mod tests;
