//! The end that somebody wants: a session is cancelled, or its producer cannot go on.
//!
//! Redis decides, so of all who end a session at the same time one does, and the others hear how.

use uuid::Uuid;

use super::{SessionError, Sessions, Step};
use crate::{
    metrics::METRICS,
    reply::{Reason, State},
};

impl Sessions {
    /// Cancels a session; what is there becomes a message, if that is wanted and there is something. The state then: one
    /// whose text is whole already is completed.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn cancel(&self, id: Uuid, by: &str, keep: bool) -> Result<Option<State>, SessionError> {
        match self.0.logs.cancel(id, by, keep).await? {
            Step::Gone => Ok(None),
            Step::Over { state, now } => {
                self.over(state, now, None);
                Ok(Some(state))
            }
            Step::Open(state) => Ok(Some(state)),
            Step::Sealed => {
                // Somebody waits for the answer, and it says more when the message is there; but not for ever.
                let _ = tokio::time::timeout(self.0.options.patience, self.write_soon(id)).await;
                let session = self.0.logs.look(id).await?;
                Ok(Some(session.map_or(State::Streaming, |session| session.state)))
            }
        }
    }

    /// Lets a session fail, because of its producer; the `kind` of a model's error is told with it.
    ///
    /// # Errors
    /// [`SessionError`]; then it may have failed or not.
    pub async fn fail(&self, id: Uuid, reason: Reason, kind: &str) -> Result<(), SessionError> {
        if let Step::Over { state, now } = self.0.logs.fail(id, reason, kind).await? {
            self.over(state, now, Some(reason));
        }
        Ok(())
    }

    /// Counts how a session ended, if it did by this.
    pub(super) fn over(&self, state: State, now: bool, reason: Option<Reason>) {
        if now {
            METRICS.sessions.ended(state, reason);
        }
    }
}
