//! What changes a session: opening, appending, another producer, and the end.

use std::sync::LazyLock;

use ::redis::{Script, ScriptInvocation};
use uuid::Uuid;

use super::{Sessions, bell, milliseconds};
use crate::{
    redis::Away,
    reply::{Batch, ChunkId, Opening, Reason, Receipt, State},
};

static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("open.lua")));
static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("append.lua")));
static ROTATE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("rotate.lua")));
static END: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("end.lua")));
static READERS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("readers.lua")));

/// Up to here a script counts every number: they are floating-point there.
const EXACT: u64 = 1 << 53;

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

/// Why a batch was not appended. Nothing of it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAppended {
    /// There is no such session.
    #[error("there is no such session")]
    Unknown,
    /// The token is not its producer's, or not any more.
    #[error("the token is not that of the session's producer")]
    Fenced,
    /// It takes no more chunks.
    #[error("the session takes no more chunks")]
    Closed,
    /// The last chunk was another one before, or later chunks are there.
    #[error("the last chunk cannot be this one")]
    FinalConflict,
    /// A chunk comes after the last one.
    #[error("a chunk comes after the last one")]
    BeyondFinal,
    /// A chunk is too far ahead.
    #[error("a chunk is too far ahead")]
    Window,
    /// A chunk's number is beyond the most chunks.
    #[error("the session would have too many chunks")]
    TooMany,
    /// There would be too many bytes.
    #[error("the session would be too large")]
    TooLarge,
}

/// Why there is no other producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRotated {
    /// There is no such session.
    Unknown,
    /// It takes no more chunks.
    Closed,
}

/// Where a step towards the end has brought a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is no such session.
    Gone,
    /// It goes on; nothing is to be done yet.
    Open(State),
    /// Its text is whole: it is to be written.
    Sealed,
    /// It is over.
    Over {
        /// How.
        state: State,
        /// It was not before.
        now: bool,
    },
}

impl Step {
    fn of(text: &str, now: bool) -> Self {
        match text {
            "sealed" => Self::Sealed,
            "early" => Self::Open(State::Streaming),
            text => match text.parse() {
                Ok(state) if State::is_over(state) => Self::Over { state, now },
                Ok(state) => Self::Open(state),
                Err(_) => Self::Gone,
            },
        }
    }
}

impl Sessions {
    /// Opens a session, whose producer has this token; or finds the same one open.
    ///
    /// # Errors
    /// [`Away`]; then it may be open or not, and can be opened again.
    pub async fn open(&self, opening: &Opening, token: &str) -> Result<Opened, Away> {
        let Opening { id, owner, caller, sender, room } = opening;
        let bounds = &self.bounds;
        let mut call = OPEN.key(self.key(*id, ""));
        call.key(self.key(*id, ":log")).key(self.key(*id, ":parked")).key(self.due_key());
        call.key(self.caller_key(caller));
        call.arg(id.to_string()).arg(owner).arg(sender.to_string()).arg(room).arg(token);
        call.arg(bounds.open).arg(milliseconds(bounds.idle)).arg(milliseconds(bounds.age));
        call.arg(milliseconds(bounds.age.saturating_mul(2))).arg(bounds.each).arg(caller);
        let answer: Vec<String> = self.invoke(&call).await?;
        let number = |place: usize| answer.get(place).and_then(|text| text.parse().ok()).unwrap_or_default();
        let (count, born) = (number(2), number(3));
        Ok(match answer.first().map(String::as_str) {
            Some("new") => Opened::New { born },
            // Who has our token is us: the answer to the first try was lost.
            Some("there") if answer.get(1).is_some_and(|held| held == token) => Opened::New { born },
            Some("there") => {
                let token = answer.get(1).cloned().unwrap_or_default();
                let state = answer.get(4).and_then(|state| state.parse().ok()).unwrap_or(State::Streaming);
                Opened::There { token, count, born, state }
            }
            Some("full") => Opened::Full,
            Some("many") => Opened::Many,
            _ => Opened::Taken,
        })
    }

    /// Appends a batch: all of it, or nothing.
    ///
    /// # Errors
    /// [`Away`]; then it may be appended or not, and can be appended again.
    pub async fn append(
        &self,
        id: Uuid,
        token: &str,
        batch: &Batch,
    ) -> Result<Result<Receipt, (NotAppended, u64)>, Away> {
        let mut call = APPEND.key(self.key(id, ""));
        call.key(self.key(id, ":log")).key(self.key(id, ":parked")).key(self.due_key());
        call.arg(id.to_string()).arg(token);
        self.bound(&mut call);
        call.arg(self.line.name(&bell(id))).arg(optional(batch.last)).arg(optional(batch.tokens));
        for (number, text) in &batch.chunks {
            call.arg(*number).arg(text);
        }
        let answer: Vec<::redis::Value> = self.invoke(&call).await?;
        Ok(receipt(&answer))
    }

    fn bound(&self, call: &mut ScriptInvocation<'_>) {
        let bounds = &self.bounds;
        call.arg(bounds.window).arg(bounds.chunks.min(EXACT)).arg(bounds.bytes);
        for time in
            [bounds.idle, bounds.missing, bounds.age, bounds.lease, bounds.age.saturating_mul(2), bounds.keep_sealed]
        {
            call.arg(milliseconds(time));
        }
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

    /// Cancels a session; what is there is to be written, if that is wanted and there is something.
    ///
    /// # Errors
    /// [`Away`]; then it may be cancelled or not, and can be cancelled again.
    pub async fn cancel(&self, id: Uuid, by: &str, keep: bool) -> Result<Step, Away> {
        self.end(id, "cancel", |call| {
            call.arg(by).arg(u8::from(keep));
        })
        .await
    }

    /// Lets a session fail. A text that is whole fails only because it cannot be written.
    ///
    /// # Errors
    /// [`Away`]; then it may have failed or not.
    pub async fn fail(&self, id: Uuid, reason: Reason, kind: &str) -> Result<Step, Away> {
        self.end(id, "fail", |call| {
            call.arg(reason.name()).arg(kind);
        })
        .await
    }

    /// Completes a session whose text is written, as a message with this number; none where that is gone again.
    ///
    /// # Errors
    /// [`Away`]; then it may be completed or not, and can be completed again.
    pub async fn complete(&self, id: Uuid, message: Option<i64>) -> Result<Step, Away> {
        let message = message.map(|message| message.to_string()).unwrap_or_default();
        self.end(id, "complete", |call| {
            call.arg(message);
        })
        .await
    }

    /// Does what is due for a session. `held` by whoever writes its message just now, it need not be due: the lease
    /// begins anew, unless it was tried for too long.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn reap(&self, id: Uuid, held: bool) -> Result<Step, Away> {
        let bounds = &self.bounds;
        let times = [bounds.idle, bounds.missing, bounds.age, bounds.persist].map(milliseconds);
        self.end(id, "reap", |call| {
            call.arg(&times).arg(u8::from(held));
        })
        .await
    }

    async fn end(&self, id: Uuid, verb: &str, with: impl FnOnce(&mut ScriptInvocation<'_>)) -> Result<Step, Away> {
        let bounds = &self.bounds;
        let mut call = END.key(self.key(id, ""));
        call.key(self.key(id, ":log")).key(self.key(id, ":parked")).key(self.due_key());
        call.arg(id.to_string()).arg(self.line.name(&bell(id))).arg(verb);
        for time in [bounds.keep_completed, bounds.keep_ended, bounds.keep_sealed, bounds.lease] {
            call.arg(milliseconds(time));
        }
        with(&mut call);
        let (state, now): (String, u8) = self.invoke(&call).await?;
        Ok(Step::of(&state, now == 1))
    }

    /// Notes how many readers a session has on a node, which is believed for `keep`.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn note_readers(&self, id: Uuid, node: &str, count: u64, keep: std::time::Duration) -> Result<(), Away> {
        let mut call = READERS.key(self.key(id, ":readers"));
        call.arg(node).arg(count).arg(milliseconds(keep));
        self.invoke(&call).await
    }

    async fn invoke<T: ::redis::FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Away> {
        self.line.ask(|mut redis| async move { call.invoke_async(&mut redis).await }).await
    }
}

fn optional(number: Option<u64>) -> String {
    number.map(|number: ChunkId| number.to_string()).unwrap_or_default()
}

fn receipt(answer: &[::redis::Value]) -> Result<Receipt, (NotAppended, u64)> {
    let text = |place: usize| answer.get(place).and_then(|value| ::redis::from_redis_value_ref::<String>(value).ok());
    let number = |place: usize| text(place).and_then(|text| text.parse().ok()).unwrap_or_default();
    let refused = |why| Err((why, number(1)));
    match text(0).as_deref() {
        Some("ok") => {
            let state = text(1).unwrap_or_default();
            Ok(Receipt {
                sealed: state == "sealed",
                state: state.parse().unwrap_or(State::Streaming),
                count: number(2),
                accepted: number(3),
                duplicates: number(4),
                parked: number(5),
            })
        }
        Some("fenced") => refused(NotAppended::Fenced),
        Some("closed") => refused(NotAppended::Closed),
        Some("final_conflict") => refused(NotAppended::FinalConflict),
        Some("beyond_final") => refused(NotAppended::BeyondFinal),
        Some("window") => refused(NotAppended::Window),
        Some("too_many") => refused(NotAppended::TooMany),
        Some("too_large") => refused(NotAppended::TooLarge),
        _ => refused(NotAppended::Unknown),
    }
}
