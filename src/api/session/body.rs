//! What is sent and answered as JSON about sessions.

use std::time::Duration;

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

use super::SessionLimits;
use crate::{
    api::problem::{ApiError, FieldError},
    message::DEFAULT_ROOM,
    reply::{Batch, ChunkId, Opening, Receipt, State, head},
};

/// A session that is to be opened.
#[derive(Deserialize, Object)]
#[oai(deny_unknown_fields, example)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSession {
    /// Its id, if you choose it: one that was never used before. Then the call can be repeated.
    #[oai(nullable)]
    #[serde(default)]
    pub id: Option<Uuid>,
    /// In whose name the reply is written.
    pub sender_id: Uuid,
    /// The conversation that the message will be in.
    #[oai(default = "default_room", validator(pattern = "^[A-Za-z0-9_.:@-]{1,64}$"))]
    #[serde(default = "default_room")]
    pub room: String,
}

impl Example for NewSession {
    fn example() -> Self {
        Self { id: None, sender_id: uuid!("0c544734-1888-5ee1-94a9-a8334a166413"), room: default_room() }
    }
}

fn default_room() -> String {
    DEFAULT_ROOM.to_owned()
}

/// A session that is open, for who has opened it.
#[derive(Serialize, Object)]
pub(super) struct OpenedSession {
    /// Its id.
    pub id: Uuid,
    /// The state.
    pub state: State,
    /// The conversation that the message will be in.
    pub room: String,
    /// Where it is followed.
    pub stream_url: String,
    /// Where its producer brings chunks.
    pub chunk_url: String,
    /// What the producer sends as `X-Producer-Token`. Who has it may write the reply: give it to nobody else.
    pub producer_token: String,
    /// The number of the last chunk that is there without a hole; -1 where none is.
    pub head: i64,
    /// When it fails, if it is not over by then.
    #[serde(with = "crate::timestamp")]
    pub expires_at: DateTime<Utc>,
}

impl OpenedSession {
    /// A session that was opened at `born`, in milliseconds since 1970.
    pub(super) fn new(
        opening: Opening,
        state: State,
        producer_token: String,
        count: u64,
        born: u64,
        age: Duration,
    ) -> Self {
        let Opening { id, room, .. } = opening;
        let (place, head) = (place(id), head(count));
        let (stream_url, chunk_url) = (format!("{place}/stream"), format!("{place}/chunk"));
        // Redis's clock counts as far as ours.
        let end = u128::from(born) + age.as_millis();
        let end = i64::try_from(end).ok().and_then(DateTime::from_timestamp_millis);
        let expires_at = end.unwrap_or(DateTime::<Utc>::MAX_UTC);
        Self { id, state, room, stream_url, chunk_url, producer_token, head, expires_at }
    }
}

/// The path of a session.
pub(super) fn place(id: Uuid) -> String {
    format!("/session/{id}")
}

/// What a producer brings.
#[derive(Deserialize, Object)]
#[oai(deny_unknown_fields, example)]
#[serde(deny_unknown_fields)]
pub(super) struct NewChunks {
    /// Chunks, in any order; at most 256, unless the server is set otherwise.
    #[oai(validator(max_items = 256))]
    pub chunks: Vec<NewChunk>,
    /// The number of the last chunk of all, once that is known.
    #[oai(nullable, validator(minimum(value = "0")))]
    #[serde(default)]
    pub final_chunk_id: Option<ChunkId>,
    /// How many tokens the model says the reply has.
    #[oai(nullable, validator(minimum(value = "0")))]
    #[serde(default)]
    pub token_count: Option<u64>,
}

impl Example for NewChunks {
    fn example() -> Self {
        let chunk = |chunk_id, chunk: &str, is_final| NewChunk { chunk_id, chunk: chunk.to_owned(), is_final };
        let chunks = vec![chunk(0, "Hello", false), chunk(1, " world", true)];
        Self { chunks, final_chunk_id: None, token_count: Some(2) }
    }
}

/// A chunk.
#[derive(Deserialize, Object)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
pub(super) struct NewChunk {
    /// Its number, from 0. What is under a number never changes.
    #[oai(validator(minimum(value = "0")))]
    pub chunk_id: ChunkId,
    /// The text: at most 64 KiB of UTF-8 unless the server is set otherwise, no NUL.
    #[oai(validator(max_length = 65536, pattern = "^[^\\u0000]*$"))]
    pub chunk: String,
    /// Whether it is the last one: the same as its number in `final_chunk_id`.
    #[oai(default)]
    #[serde(default)]
    pub is_final: bool,
}

impl NewChunks {
    /// The same as one batch.
    ///
    /// # Errors
    /// [`ApiError::Invalid`], naming each field that breaks a rule.
    pub(super) fn batch(self, limits: &SessionLimits) -> Result<Batch, ApiError> {
        let Self { chunks, final_chunk_id: mut last, token_count: tokens } = self;
        let (given, most) = (chunks.len(), limits.batch);
        if given > most {
            return Err(ApiError::field("chunks", format!("must be at most {most} chunks, is {given}")));
        }
        let mut errors = Vec::new();
        for (place, NewChunk { chunk_id, chunk, is_final }) in chunks.iter().enumerate() {
            let (length, most) = (chunk.len(), limits.chunk_bytes);
            let mut wrong =
                |field, detail| errors.push(FieldError { field: format!("chunks[{place}].{field}"), detail });
            if length > most {
                wrong("chunk", format!("must be at most {most} bytes of UTF-8, is {length}"));
            }
            // PostgreSQL's text does not hold it, and the message would fail at the very end.
            if chunk.contains('\0') {
                wrong("chunk", "must not contain the character U+0000".to_owned());
            }
            if *is_final && last.get_or_insert(*chunk_id) != chunk_id {
                wrong("is_final", "must not be true: another chunk is said to be the last one".to_owned());
            }
        }
        if !errors.is_empty() {
            return Err(ApiError::Invalid(errors));
        }
        let chunks = chunks.into_iter().map(|NewChunk { chunk_id, chunk, .. }| (chunk_id, chunk)).collect();
        Ok(Batch { chunks, last, tokens })
    }
}

/// What became of what a producer has brought.
#[derive(Serialize, Object)]
pub(super) struct ChunksReceipt {
    /// The state now.
    pub state: State,
    /// Whether the text is whole, and about to become a message.
    pub sealed: bool,
    /// The number of the last chunk that is there without a hole; -1 where none is.
    pub head: i64,
    /// Chunks that were new.
    pub accepted: u64,
    /// Chunks that were there already.
    pub duplicates: u64,
    /// Chunks that wait for others before them.
    pub parked: u64,
}

impl From<Receipt> for ChunksReceipt {
    fn from(Receipt { state, sealed, count, accepted, duplicates, parked }: Receipt) -> Self {
        Self { state, sealed, head: head(count), accepted, duplicates, parked }
    }
}

/// How a session stands after it was to be cancelled.
#[derive(Serialize, Object)]
pub(super) struct CancelledSession {
    /// The state now.
    pub state: State,
}

/// Another token for a session's producer.
#[derive(Serialize, Object)]
pub(super) struct ProducerToken {
    /// What the producer sends as `X-Producer-Token` from now on.
    pub producer_token: String,
    /// The number of the last chunk that is there without a hole; -1 where none is: go on from there.
    pub head: i64,
    /// The state.
    pub state: State,
}
