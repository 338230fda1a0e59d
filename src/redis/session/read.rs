//! What tells of a session: its chunks, all else that is known of it, and which sessions are due.

use std::{collections::HashMap, sync::LazyLock};

use ::redis::{AsyncCommands, Script};
use chrono::DateTime;
use uuid::Uuid;

use super::{Logs, readers::believed};
use crate::{
    redis::Away,
    reply::{ChunkId, Session, State},
};

static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("read.lua")));

/// The most chunks that are read at once.
const PAGE: usize = 256;

/// A part of a session's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The state; none where there is no such session.
    pub state: Option<State>,
    /// How many chunks are there without a hole.
    pub count: u64,
    /// The number of the last chunk of all, if that is known.
    pub last: Option<ChunkId>,
    /// The texts of the chunks, from the one that was asked for; no more than fit.
    pub texts: Vec<String>,
}

impl Logs {
    /// The chunks from this one on, as many as fit in so many bytes, and one at least if there is one.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn read(&self, id: Uuid, from: ChunkId, bytes: usize) -> Result<Page, Away> {
        let mut call = READ.key(self.key(id, ""));
        call.key(self.key(id, ":log")).arg(from).arg(PAGE).arg(bytes);
        let answer: Vec<String> = self.invoke(&call).await?;
        let mut answer = answer.into_iter();
        let mut next = || answer.next().unwrap_or_default();
        let (state, count, last) = (next(), next(), next());
        Ok(Page {
            state: state.parse().ok(),
            count: count.parse().unwrap_or_default(),
            last: last.parse().ok(),
            texts: answer.collect(),
        })
    }

    /// Whether a session still takes chunks.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn is_open(&self, id: Uuid) -> Result<bool, Away> {
        let key = &self.key(id, "");
        let state: Option<String> = self.line.ask(|mut redis| async move { redis.hget(key, "state").await }).await?;
        Ok(matches!(state.as_deref(), Some("created" | "streaming")))
    }

    /// Whether a session's producer has this token; none where there is no such session.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn is_producer(&self, id: Uuid, token: &str) -> Result<Option<bool>, Away> {
        let key = &self.key(id, "");
        let held: Option<String> = self.line.ask(|mut redis| async move { redis.hget(key, "token").await }).await?;
        Ok(held.map(|held| held == token))
    }

    /// All that is known of a session, but for its text; none if nothing is.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn look(&self, id: Uuid) -> Result<Option<Session>, Away> {
        let mut pipe = ::redis::pipe();
        // In no transaction, which Redis refuses where memory is full; each of these is one by itself.
        pipe.hgetall(self.key(id, "")).hgetall(self.key(id, ":readers")).cmd("TIME");
        let pipe = &pipe;
        let answer = self.line.ask(|mut redis| async move { pipe.query_async(&mut redis).await }).await?;
        let (fields, readers, (seconds, micros)): (Fields, Fields, (u64, u64)) = answer;
        Ok(session(id, &fields, readers, seconds * 1000 + micros / 1000))
    }

    /// Sessions that something is to be done for, by Redis's clock; so many at most. And how many are open.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn due(&self, most: isize) -> Result<(Vec<Uuid>, u64), Away> {
        let key = &self.due_key();
        let (seconds, micros): (u64, u64) =
            self.line.ask(|mut redis| async move { ::redis::cmd("TIME").query_async(&mut redis).await }).await?;
        let mut pipe = ::redis::pipe();
        pipe.zrangebyscore_limit(key, 0, seconds * 1000 + micros / 1000, 0, most).zcard(key);
        let pipe = &pipe;
        let answer = self.line.ask(|mut redis| async move { pipe.query_async(&mut redis).await }).await?;
        let (due, open): (Vec<String>, u64) = answer;
        Ok((due.iter().filter_map(|id| id.parse().ok()).collect(), open))
    }
}

type Fields = HashMap<String, String>;

fn session(id: Uuid, fields: &Fields, readers: Fields, now: u64) -> Option<Session> {
    let text = |name: &str| fields.get(name).filter(|text| !text.is_empty());
    let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
    let born = number("born")?;
    Some(Session {
        id,
        state: text("state")?.parse().ok()?,
        sealed: text("state")? == "sealed",
        count: number("count")?,
        parked: number("parked").unwrap_or_default(),
        bytes: number("bytes").unwrap_or_default(),
        last: number("last"),
        owner: text("owner").cloned().unwrap_or_default(),
        sender: text("sender")?.parse().ok()?,
        room: text("room")?.clone(),
        created: DateTime::from_timestamp_millis(i64::try_from(born).ok()?)?,
        age_ms: now.saturating_sub(born),
        reason: text("reason").and_then(|reason| reason.parse().ok()),
        kind: text("kind").cloned(),
        missing: text("missing")
            .into_iter()
            .flat_map(|list| list.split(','))
            .filter_map(|id| id.parse().ok())
            .collect(),
        message: text("message").and_then(|message| message.parse().ok()),
        by: text("by").cloned(),
        tokens: number("tokens"),
        readers: believed(readers, now),
    })
}
