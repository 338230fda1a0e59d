//! The reply: a text that is still being written, as Redis, the engine and HTTP agree on it.
//!
//! A session is the life of one reply. Its text comes in chunks, numbered from 0; the head is the last of those that are
//! there without a hole before it. When the last chunk is among them the session is sealed, its text becomes one
//! message, and it is completed. Or it fails, or somebody cancels it. What is over never changes again.

mod cursor;

use std::str::FromStr;

use chrono::{DateTime, Utc};
use poem_openapi::Enum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use cursor::{BadCursor, Cursor, END};

/// The number of a chunk, from 0.
pub type ChunkId = u64;

/// The number of the last of so many chunks; -1 where there is none.
pub fn head(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX) - 1
}

/// Where a session is in its life: `created` before its first chunk, `streaming` while chunks come and until their text
/// is a message; then for good `completed`, `failed` or `cancelled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "SessionState", rename_all = "snake_case")]
pub enum State {
    /// Nothing has come yet.
    Created,
    /// Chunks come; or all have come, and their text is about to become a message.
    Streaming,
    /// It is a message.
    Completed,
    /// It will not be a message; the reason is told.
    Failed,
    /// Somebody has cancelled it; what was there may be a message.
    Cancelled,
}

impl State {
    /// Whether nothing changes any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The name, as Redis, JSON and metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Streaming => "streaming",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a session failed: nothing was heard of its producer for too long (`producer_timeout`), a chunk did not come
/// (`missing_chunk`), it was open for too long (`max_age`), the model failed (`upstream_error`) or was silent
/// (`upstream_timeout`), the text could not be written (`persist_failed`), the node that asked the model had to go
/// (`node_shutdown`), there was no text (`empty`), or nothing is known of it any more (`expired`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "FailureReason", rename_all = "snake_case")]
pub enum Reason {
    /// Nothing was heard of its producer for too long.
    ProducerTimeout,
    /// A chunk did not come, though later ones had.
    MissingChunk,
    /// It was open for too long.
    MaxAge,
    /// The model refused, or its answer broke off.
    UpstreamError,
    /// The model was silent for too long.
    UpstreamTimeout,
    /// The whole text was there, and could not be written.
    PersistFailed,
    /// The node that asked the model had to go.
    NodeShutdown,
    /// There was no text.
    Empty,
    /// Nothing is known of it any more.
    Expired,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::ProducerTimeout,
        Self::MissingChunk,
        Self::MaxAge,
        Self::UpstreamError,
        Self::UpstreamTimeout,
        Self::PersistFailed,
        Self::NodeShutdown,
        Self::Empty,
        Self::Expired,
    ];

    /// The name, as Redis, JSON and metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProducerTimeout => "producer_timeout",
            Self::MissingChunk => "missing_chunk",
            Self::MaxAge => "max_age",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::PersistFailed => "persist_failed",
            Self::NodeShutdown => "node_shutdown",
            Self::Empty => "empty",
            Self::Expired => "expired",
        }
    }
}

/// The word is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word of a session's")]
pub struct BadWord;

impl FromStr for State {
    type Err = BadWord;

    /// To everybody but Redis, a sealed session is one that streams.
    fn from_str(text: &str) -> Result<Self, BadWord> {
        let all = [Self::Created, Self::Streaming, Self::Completed, Self::Failed, Self::Cancelled];
        let text = if text == "sealed" { Self::Streaming.name() } else { text };
        all.into_iter().find(|state| state.name() == text).ok_or(BadWord)
    }
}

impl FromStr for Reason {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        Self::ALL.into_iter().find(|reason| reason.name() == text).ok_or(BadWord)
    }
}

/// A session that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Its id; never used again.
    pub id: Uuid,
    /// Who may cancel it, and rotate its token: the `sub` of whoever opened it; empty where nobody is asked who they are.
    pub owner: String,
    /// Who it is counted for, among those that are open.
    pub caller: String,
    /// In whose name the reply is written.
    pub sender: Uuid,
    /// The room that the message will be in.
    pub room: String,
}

/// What a producer brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Chunks in any order; those that are there already are passed over. None at all is a sign of life.
    pub chunks: Vec<(ChunkId, String)>,
    /// The number of the last chunk of all, once that is known.
    pub last: Option<ChunkId>,
    /// How many tokens the model says the reply has.
    pub tokens: Option<u64>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The state now.
    pub state: State,
    /// Whether all chunks are there, and the text waits to become a message.
    pub sealed: bool,
    /// How many chunks are there without a hole: the head is the one before.
    pub count: u64,
    /// Chunks that were new.
    pub accepted: u64,
    /// Chunks that were there already.
    pub duplicates: u64,
    /// Chunks that wait for others before them.
    pub parked: u64,
}

/// All that is known of a session, but for its text and its producer's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// The state.
    pub state: State,
    /// Whether all chunks are there, and the text waits to become a message.
    pub sealed: bool,
    /// How many chunks are there without a hole: the head is the one before.
    pub count: u64,
    /// Chunks that wait for others before them.
    pub parked: u64,
    /// Bytes of all chunks.
    pub bytes: u64,
    /// The number of the last chunk, if that is known.
    pub last: Option<ChunkId>,
    /// Who may cancel it.
    pub owner: String,
    /// In whose name it is written.
    pub sender: Uuid,
    /// The room.
    pub room: String,
    /// When it was opened.
    pub created: DateTime<Utc>,
    /// For how long it has been there, in milliseconds.
    pub age_ms: u64,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// Of which kind the model's error was.
    pub kind: Option<String>,
    /// The chunks that did not come.
    pub missing: Vec<ChunkId>,
    /// The message that it became.
    pub message: Option<i64>,
    /// Who cancelled it, where that is known.
    pub by: Option<String>,
    /// How many tokens the model says the reply has.
    pub tokens: Option<u64>,
    /// The nodes where it is read, and by how many.
    pub readers: Vec<(String, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for state in [State::Created, State::Streaming, State::Completed, State::Failed, State::Cancelled] {
            assert_eq!(state.name().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        assert_eq!("sealed".parse(), Ok(State::Streaming));
        for reason in Reason::ALL {
            assert_eq!(reason.name().parse(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
        assert_eq!("".parse::<State>(), Err(BadWord));
        assert_eq!("else".parse::<Reason>(), Err(BadWord));
    }
}
