//! A session, as whoever may read it sees it.

use chrono::{DateTime, Utc};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    message::Message,
    reply::{ChunkId, Reason, Session, State, head},
    session::Found,
};

/// All that may be known of a session. Redis forgets one that is over, after a while; of one that became a message that
/// still tells, and the rest is null.
#[derive(Serialize, Object)]
#[oai(rename = "Session")]
pub(super) struct SessionView {
    /// Its id.
    pub id: Uuid,
    /// The state.
    pub state: State,
    /// Whether the text is whole, and about to become a message.
    #[oai(nullable)]
    pub sealed: Option<bool>,
    /// The number of the last chunk that is there without a hole; -1 where none is.
    #[oai(nullable)]
    pub head: Option<i64>,
    /// Chunks that wait for others before them.
    #[oai(nullable)]
    pub parked: Option<u64>,
    /// Bytes of all chunks.
    #[oai(nullable)]
    pub bytes: Option<u64>,
    /// The conversation that the message is, or will be, in.
    pub room: String,
    /// In whose name it is written.
    pub sender_id: Uuid,
    /// By how many streams it is read, all nodes together, some seconds ago.
    #[oai(nullable)]
    pub listeners: Option<u64>,
    /// The nodes where it is read.
    #[oai(nullable)]
    pub nodes: Option<Vec<String>>,
    /// The number of the message that it became; null where there is none, or none any more.
    #[oai(nullable)]
    pub message_id: Option<i64>,
    /// Why it failed.
    #[oai(nullable)]
    pub reason: Option<Reason>,
    /// Of which kind the model's error was.
    #[oai(nullable)]
    pub kind: Option<String>,
    /// The chunks that did not come, where it failed for that; a hundred at most.
    #[oai(nullable)]
    pub missing: Option<Vec<ChunkId>>,
    /// When it was opened.
    #[oai(nullable)]
    #[serde(with = "crate::timestamp::optional")]
    pub created_date: Option<DateTime<Utc>>,
    /// How long ago that is, in milliseconds.
    #[oai(nullable)]
    pub age_ms: Option<u64>,
    /// How many tokens the model says the reply has.
    #[oai(nullable)]
    pub token_count: Option<u64>,
}

impl SessionView {
    /// What is known of the session with this id.
    pub(super) fn new(id: Uuid, found: Found) -> Self {
        match found {
            Found::Known(session) => Self::known(*session),
            Found::Written(message) => Self::written(id, *message),
        }
    }

    fn known(session: Session) -> Self {
        let Session { id, state, sealed, parked, bytes, room, reason, kind, missing, age_ms, .. } = session;
        let (nodes, listeners): (Vec<_>, Vec<_>) = session.readers.into_iter().unzip();
        Self {
            id,
            state,
            sealed: Some(sealed),
            head: Some(head(session.count)),
            parked: Some(parked),
            bytes: Some(bytes),
            room,
            sender_id: session.sender,
            listeners: Some(listeners.into_iter().sum()),
            nodes: Some(nodes),
            message_id: session.message,
            reason,
            kind,
            missing: Some(missing),
            created_date: Some(session.created),
            age_ms: Some(age_ms),
            token_count: session.tokens,
        }
    }

    fn written(id: Uuid, Message { id: message, room, sender_id, .. }: Message) -> Self {
        Self {
            id,
            state: State::Completed,
            sealed: None,
            head: None,
            parked: None,
            bytes: None,
            room,
            sender_id,
            listeners: None,
            nodes: None,
            message_id: Some(message),
            reason: None,
            kind: None,
            missing: None,
            created_date: None,
            age_ms: None,
            token_count: None,
        }
    }
}
