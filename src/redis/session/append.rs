//! How a batch of chunks is appended.

use std::sync::LazyLock;

use ::redis::{Script, Value, from_redis_value_ref};
use uuid::Uuid;

use super::{Logs, bell, milliseconds};
use crate::{
    redis::Away,
    reply::{Batch, Receipt, State},
};

static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("append.lua")));

/// Up to here a script counts every number: they are floating-point there.
const EXACT: u64 = 1 << 53;

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

impl NotAppended {
    const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Fenced,
        Self::Closed,
        Self::FinalConflict,
        Self::BeyondFinal,
        Self::Window,
        Self::TooMany,
        Self::TooLarge,
    ];

    fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|why| why.name() == word).unwrap_or(Self::Unknown)
    }

    /// The name, as the script and metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Fenced => "fenced",
            Self::Closed => "closed",
            Self::FinalConflict => "final_conflict",
            Self::BeyondFinal => "beyond_final",
            Self::Window => "window",
            Self::TooMany => "too_many",
            Self::TooLarge => "too_large",
        }
    }
}

impl Logs {
    /// Appends a batch: all of it, or nothing. Where nothing was, how many chunks are there without a hole, too.
    ///
    /// # Errors
    /// [`Away`]; then it may be appended or not, and can be appended again.
    pub async fn append(
        &self,
        id: Uuid,
        token: &str,
        batch: &Batch,
    ) -> Result<Result<Receipt, (NotAppended, u64)>, Away> {
        let bounds = &self.bounds;
        let times = [bounds.idle, bounds.missing, bounds.age, bounds.lease, bounds.keep_open(), bounds.keep_sealed]
            .map(milliseconds);
        let optional = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let mut call = self.of(&APPEND, id);
        call.arg(id.to_string()).arg(token).arg(self.line.name(&bell(id)));
        call.arg(bounds.window).arg(bounds.chunks.min(EXACT)).arg(bounds.bytes).arg(&times);
        call.arg(optional(batch.last)).arg(optional(batch.tokens));
        for (number, text) in &batch.chunks {
            call.arg(*number).arg(text);
        }
        let answer: Vec<Value> = self.invoke(&call).await?;
        Ok(receipt(&answer))
    }
}

fn receipt(answer: &[Value]) -> Result<Receipt, (NotAppended, u64)> {
    let text = |place: usize| answer.get(place).and_then(|value| from_redis_value_ref::<String>(value).ok());
    let number = |place: usize| text(place).and_then(|text| text.parse().ok()).unwrap_or_default();
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
        word => Err((NotAppended::of(word.unwrap_or_default()), number(1))),
    }
}
