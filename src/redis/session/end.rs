//! How a session ends.

use std::sync::LazyLock;

use ::redis::{Script, ScriptInvocation};
use uuid::Uuid;

use super::{Logs, bell, milliseconds};
use crate::{
    redis::Away,
    reply::{Reason, State},
};

static END: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("end.lua")));

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

impl Logs {
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

    async fn end(&self, id: Uuid, step: &str, with: impl FnOnce(&mut ScriptInvocation<'_>)) -> Result<Step, Away> {
        let bounds = &self.bounds;
        let times = [bounds.keep_completed, bounds.keep_ended, bounds.keep_sealed, bounds.lease].map(milliseconds);
        let mut call = self.of(&END, id);
        call.arg(id.to_string()).arg(self.line.name(&bell(id))).arg(step).arg(&times);
        with(&mut call);
        let (state, now): (String, u8) = self.invoke(&call).await?;
        Ok(Step::of(&state, now == 1))
    }
}
