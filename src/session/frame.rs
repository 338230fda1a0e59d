//! The events of a session, as the bytes that its readers are sent.
//!
//! Their `id:` is the number of the chunk, so a browser comes back with exactly what it has seen. What tells nothing new
//! has none, and the last event has a word: who comes back with that has seen everything. All data is JSON on one line,
//! since the grammar ends a line at CR and LF alike. No event is called `error`, which is a browser's own.

use bytes::Bytes;
use chrono::Utc;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    message::Message,
    redis::session::Page,
    reply::{ChunkId, END, Reason, Session, State, head},
    timestamp,
};

#[derive(Serialize)]
struct Connected<'a> {
    session_id: Uuid,
    connection_id: Uuid,
    state: State,
    head: i64,
    node_id: &'a str,
}

#[derive(Serialize)]
struct Chunk<'a> {
    session_id: Uuid,
    chunk_id: ChunkId,
    chunk: &'a str,
    is_final: bool,
}

#[derive(Serialize)]
struct Completed<'a> {
    session_id: Uuid,
    message_id: Option<i64>,
    chunk_count: Option<u64>,
    token_count: Option<u64>,
    message: Option<&'a Message>,
}

#[derive(Serialize)]
struct Failed<'a> {
    session_id: Uuid,
    reason: Reason,
    head: i64,
    missing: &'a [ChunkId],
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
}

#[derive(Serialize)]
struct Cancelled<'a> {
    session_id: Uuid,
    by: Option<&'a str>,
    message_id: Option<i64>,
    message: Option<&'a Message>,
}

#[derive(Serialize)]
struct Ping {
    ts: String,
}

/// A reader is attached.
pub(super) fn connected(session: &Session, connection_id: Uuid, node_id: &str) -> Bytes {
    let Session { id: session_id, state, count, .. } = *session;
    event(None, "connected", &Connected { session_id, connection_id, state, head: head(count), node_id })
}

/// A part of the text.
fn chunk(session_id: Uuid, chunk_id: ChunkId, chunk: &str, is_final: bool) -> Bytes {
    event(Some(&chunk_id.to_string()), "chunk", &Chunk { session_id, chunk_id, chunk, is_final })
}

/// A page of the text, from this chunk on.
pub(super) fn chunks(session: Uuid, from: ChunkId, page: &Page) -> impl Iterator<Item = Bytes> {
    (from..).zip(&page.texts).map(move |(id, text)| chunk(session, id, text, page.last == Some(id)))
}

/// The session is over: how, and the message that it became, if that is there.
pub(super) fn over(session: &Session, message: Option<&Message>) -> Bytes {
    let session_id = session.id;
    let message_id = message.map(|message| message.id).or(session.message);
    match session.state {
        State::Failed => event(
            Some(END),
            "session_failed",
            &Failed {
                session_id,
                // What has failed without a reason that we know was written by a newer node.
                reason: session.reason.unwrap_or(Reason::Expired),
                head: head(session.count),
                missing: &session.missing,
                kind: session.kind.as_deref(),
            },
        ),
        State::Cancelled => {
            let by = session.by.as_deref();
            event(Some(END), "session_cancelled", &Cancelled { session_id, by, message_id, message })
        }
        State::Created | State::Streaming | State::Completed => {
            let (chunk_count, token_count) = (Some(session.count), session.tokens);
            let completed = Completed { session_id, message_id, chunk_count, token_count, message };
            event(Some(END), "message_complete", &completed)
        }
    }
}

/// The session became this message, and nothing else is known of it any more.
pub(super) fn written(session_id: Uuid, message: &Message) -> Bytes {
    let message_id = Some(message.id);
    let completed = Completed { session_id, message_id, chunk_count: None, token_count: None, message: Some(message) };
    event(Some(END), "message_complete", &completed)
}

/// Nothing is known of the session any more; so many chunks were there.
pub(super) fn expired(session_id: Uuid, count: u64) -> Bytes {
    let failed = Failed { session_id, reason: Reason::Expired, head: head(count), missing: &[], kind: None };
    event(Some(END), "session_failed", &failed)
}

/// The connection lives.
pub(super) fn ping() -> Bytes {
    event(None, "ping", &Ping { ts: timestamp::text(&Utc::now()) })
}

fn event(id: Option<&str>, name: &str, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    // Texts, numbers and words: JSON holds them all.
    let json = serde_json::to_string(data).unwrap_or_default();
    format!("{id}event: {name}\ndata: {json}\n\n").into()
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
