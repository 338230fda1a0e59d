//! The events of a session's stream as the OpenAPI document tells them.
//!
//! Their names are in the `event:` field, so that nothing is said twice in each of a thousand chunks. These types are
//! read by people and by generators of clients; the bytes are made where the session is read.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, Union};
use uuid::Uuid;

use crate::{
    message::Message,
    reply::{Reason, State},
};

/// The `data:` of an event of a session.
#[derive(Debug, Union)]
#[oai(one_of = true)]
pub enum SessionEvent {
    /// `event: connected`
    Connected(SessionConnectedEvent),
    /// `event: chunk`
    Chunk(SessionChunkEvent),
    /// `event: message_complete`
    Complete(MessageCompleteEvent),
    /// `event: session_failed`
    Failed(SessionFailedEvent),
    /// `event: session_cancelled`
    Cancelled(SessionCancelledEvent),
    /// `event: ping`
    Ping(SessionPingEvent),
}

/// `event: connected`. The stream is attached; the session is not over. Without an `id:`.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub struct SessionConnectedEvent {
    /// The session.
    pub session_id: Uuid,
    /// This stream, in logs.
    pub connection_id: Uuid,
    /// The state of the session.
    pub state: State,
    /// The number of the last chunk that is there without a hole; -1 where none is.
    pub head: i64,
    /// The node that it is read from.
    pub node_id: String,
}

/// `event: chunk`. The next chunk; its number is the `id:` too.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub struct SessionChunkEvent {
    /// The session.
    pub session_id: Uuid,
    /// The number of the chunk, from 0, without a hole.
    pub chunk_id: u64,
    /// The text.
    pub chunk: String,
    /// Whether it is the last one.
    pub is_final: bool,
}

/// `event: message_complete`. The session has become a message: put it in the place of the chunks. The `id:` is `end`.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub struct MessageCompleteEvent {
    /// The session.
    pub session_id: Uuid,
    /// The number of the message; null where it was deleted since.
    #[oai(nullable)]
    pub message_id: Option<i64>,
    /// How many chunks there were; null where that is not known any more.
    #[oai(nullable)]
    pub chunk_count: Option<u64>,
    /// How many tokens the model says it has.
    #[oai(nullable)]
    pub token_count: Option<u64>,
    /// The message; null where it was deleted since.
    #[oai(nullable)]
    pub message: Option<Message>,
}

/// `event: session_failed`. There will be no message. The `id:` is `end`.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub struct SessionFailedEvent {
    /// The session.
    pub session_id: Uuid,
    /// Why.
    pub reason: Reason,
    /// Of which kind the model's error was, where it was one.
    pub kind: Option<String>,
    /// The number of the last chunk that was there without a hole; -1 where none was.
    pub head: i64,
    /// The chunks that did not come.
    pub missing: Vec<u64>,
}

/// `event: session_cancelled`. Somebody has cancelled it. The `id:` is `end`.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub struct SessionCancelledEvent {
    /// The session.
    pub session_id: Uuid,
    /// Who: the `sub` of the token.
    #[oai(nullable)]
    pub by: Option<String>,
    /// The number of the message that was made of what was there; null where there is none.
    #[oai(nullable)]
    pub message_id: Option<i64>,
    /// That message.
    #[oai(nullable)]
    pub message: Option<Message>,
}

/// `event: ping`. Nothing has happened. Without an `id:`.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub struct SessionPingEvent {
    /// The time of the node.
    pub ts: DateTime<Utc>,
}
