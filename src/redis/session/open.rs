//! How a session is opened, and how another producer takes it over.

use std::sync::LazyLock;

use ::redis::Script;
use uuid::Uuid;

use super::{Logs, milliseconds};
use crate::{
    redis::Away,
    reply::{Opening, State},
};

static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("open.lua")));
static ROTATE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("rotate.lua")));

/// What came of opening a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It is new.
    New {
        /// When it was opened, in milliseconds since 1970.
        born: u64,
    },
    /// The same one is open already.
    There {
        /// Its producer's token.
        token: String,
        /// How many chunks are there without a hole.
        count: u64,
        /// When it was opened, in milliseconds since 1970.
        born: u64,
        /// Its state.
        state: State,
    },
    /// The id is another session's, or that of one that is over.
    Taken,
    /// The most sessions are open.
    Full,
    /// The caller has its most open.
    Many,
}

/// Why there is no other producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRotated {
    /// There is no such session.
    Unknown,
    /// It takes no more chunks.
    Closed,
}

impl Logs {
    /// Opens a session, whose producer has this token; or finds the same one open.
    ///
    /// # Errors
    /// [`Away`]; then it may be open or not, and can be opened again.
    pub async fn open(&self, opening: &Opening, token: &str) -> Result<Opened, Away> {
        let Opening { id, owner, caller, sender, room } = opening;
        let bounds = &self.bounds;
        let mut call = self.of(&OPEN, *id);
        call.key(self.caller_key(caller));
        call.arg(id.to_string()).arg(owner).arg(sender.to_string()).arg(room).arg(token).arg(bounds.open);
        call.arg(&[bounds.idle, bounds.age, bounds.keep_open()].map(milliseconds)).arg(bounds.each).arg(caller);
        let answer: Vec<String> = self.invoke(&call).await?;
        let text = |place: usize| answer.get(place).map(String::as_str).unwrap_or_default();
        let (held, count, born) = (text(1), text(2).parse().unwrap_or_default(), text(3).parse().unwrap_or_default());
        Ok(match text(0) {
            "new" => Opened::New { born },
            // Who has our token is us: the answer to the first try was lost.
            "there" if held == token => Opened::New { born },
            "there" => {
                let state = text(4).parse().unwrap_or(State::Streaming);
                Opened::There { token: held.to_owned(), count, born, state }
            }
            "full" => Opened::Full,
            "many" => Opened::Many,
            _ => Opened::Taken,
        })
    }

    /// Gives the producer another token; how many chunks are there without a hole, and the state.
    ///
    /// # Errors
    /// [`Away`]; then it may have another one or not.
    pub async fn rotate(&self, id: Uuid, token: &str) -> Result<Result<(u64, State), NotRotated>, Away> {
        let mut call = ROTATE.key(self.key(id, ""));
        call.arg(token);
        let (done, count, state): (String, u64, String) = self.invoke(&call).await?;
        Ok(match &*done {
            "ok" => Ok((count, state.parse().unwrap_or(State::Streaming))),
            "closed" => Err(NotRotated::Closed),
            _ => Err(NotRotated::Unknown),
        })
    }
}
