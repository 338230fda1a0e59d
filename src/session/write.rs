//! Writing: a session whose text is whole becomes one message.
//!
//! Whoever sees that it is whole writes it: the node that appended the last chunk, and where that dies, any other. It is
//! written once all the same, since the session's id is unique in the table: who comes second finds the row. So no step
//! of this needs to know what has become of the one before it, and it can be done again from the beginning:
//! read the text, insert the row, say in Redis that it is done.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{SessionError, Sessions, Step};
use crate::{
    failpoint,
    message::NewMessage,
    metrics::METRICS,
    reply::{Reason, Session},
    store::{Reply, StoreError},
};

/// Pauses between attempts: PostgreSQL may be back at once, or much later.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How much of a text is read at once.
const PIECE: usize = 256 << 10;

impl Sessions {
    /// Writes the message of a session, whether anybody waits for it or not.
    pub(super) fn write_soon(&self, id: Uuid) -> JoinHandle<()> {
        let this = self.clone();
        self.0.writers.spawn(async move { this.write(id).await })
    }

    /// Writes the message of a session, if nobody here does so already; again and again, until it is written, the
    /// session has failed, or the node stops.
    async fn write(&self, id: Uuid) {
        if !self.writing().insert(id) {
            return;
        }
        let _done = Done { sessions: self, id };
        let mut pause = PAUSE;
        while let Err(error) = self.try_write(id).await {
            // Once is enough: PostgreSQL may be away for long, and many may wait for it.
            match pause {
                PAUSE => tracing::warn!(session = %id, %error, "the message of a session is not written yet"),
                _ => tracing::debug!(session = %id, %error, "the message of a session is still not written"),
            }
            if self.0.stopped.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.0.logs.reap(id, true).await {
                Ok(Step::Sealed) | Err(_) => {}
                Ok(Step::Over { state, now }) => return self.over(state, now, Some(Reason::PersistFailed)),
                Ok(Step::Gone | Step::Open(_)) => return,
            }
        }
    }

    async fn try_write(&self, id: Uuid) -> Result<(), SessionError> {
        // Never closed.
        let _permit = self.0.writes.acquire().await;
        let Some(session) = self.0.logs.look(id).await?.filter(|session| session.sealed) else { return Ok(()) };
        let started = Instant::now();
        let Session { sender, room, count, .. } = session;
        let content = match self.text(id, count).await? {
            Some(content) if content.is_empty() => return self.fail(id, Reason::Empty, "").await,
            Some(content) => content,
            None => return self.lost(id).await,
        };
        let new = NewMessage { content, file: None, sender_id: sender, room };
        let message = match self.0.store.add_reply(id, &new).await {
            Ok(Reply::Written(message) | Reply::There(message)) => Some(message.id),
            Ok(Reply::Gone) => None,
            // It will be no other next time.
            Err(error @ StoreError::Refused(_)) => {
                tracing::error!(session = %id, %error, "the message of a session was refused; its text stays in Redis");
                return self.fail(id, Reason::PersistFailed, "").await;
            }
            Err(error) => return Err(error.into()),
        };
        failpoint::pass("written");
        let step = self.0.logs.complete(id, message).await?;
        failpoint::pass("completed");
        if let Step::Over { state, now: true } = step {
            METRICS.sessions.ended(state, None);
            METRICS.sessions.written(started.elapsed(), Duration::from_millis(session.age_ms));
        }
        Ok(())
    }

    /// The text is not whole: somebody else has written it, and Redis has thrown it away as it should; or Redis has lost
    /// what it should not. Half a text is no message.
    async fn lost(&self, id: Uuid) -> Result<(), SessionError> {
        if self.0.logs.look(id).await?.is_some_and(|session| session.sealed) {
            tracing::error!(session = %id, "Redis has lost the text of a session");
            self.fail(id, Reason::PersistFailed, "").await?;
        }
        Ok(())
    }

    /// The text of so many chunks, if they are all there.
    async fn text(&self, id: Uuid, count: u64) -> Result<Option<String>, SessionError> {
        let (mut text, mut next) = (String::new(), 0);
        while next < count {
            let page = self.0.logs.read(id, next, PIECE).await?;
            if page.texts.is_empty() {
                return Ok(None);
            }
            next += page.texts.len() as u64;
            text.extend(page.texts);
        }
        Ok(Some(text))
    }
}

/// Nobody writes it here any more.
struct Done<'a> {
    sessions: &'a Sessions,
    id: Uuid,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.sessions.writing().remove(&self.id);
    }
}
