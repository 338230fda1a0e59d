//! Following: a reader of a session, from where it left off to the end.
//!
//! What is over is told in one event, whoever asks and however often. All others are given a place with the session's
//! [follower](super::follower). A node that goes away sends its readers away over a while, and refuses none: who comes
//! is told to come back, since a browser takes any other answer for the last word.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, future, stream, stream::BoxStream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use uuid::Uuid;

use super::{
    Found, Message, Session, SessionError, Sessions, State, StoreError,
    board::{PARTS, Place},
    follower::Follower,
    frame,
    reader::Reader,
};
use crate::{frame::retry, metrics::METRICS, reply::Cursor};

/// What a reader is given.
pub enum Followed {
    /// The session is over, and the reader has seen how: there is nothing more.
    Seen,
    /// Events, until the session is over, the caller's time is up or the node goes away. Who drops them earlier counts
    /// that.
    Events(BoxStream<'static, Result<Bytes, Infallible>>),
}

/// Why a session cannot be followed now.
#[derive(Debug, thiserror::Error)]
pub enum NotFollowed {
    /// The node has its most readers.
    #[error("the most readers are here")]
    Full,
    /// It cannot be reached.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Sessions {
    /// Follows a session from after `cursor`, or from its beginning; no longer than `until`.
    ///
    /// # Errors
    /// [`NotFollowed`].
    pub async fn follow(
        &self,
        found: Found,
        cursor: Option<Cursor>,
        until: Option<Instant>,
    ) -> Result<Followed, NotFollowed> {
        let session = match found {
            Found::Known(session) => *session,
            Found::Written(_) if cursor == Some(Cursor::End) => return Ok(Followed::Seen),
            Found::Written(message) => {
                return Ok(self.only(&frame::written(message.session_id.unwrap_or_default(), &message)));
            }
        };
        let mut opening = BytesMut::from(self.retry());
        if !session.state.is_over() {
            opening.extend_from_slice(&frame::connected(&session, Uuid::new_v4(), &self.0.node));
        } else if cursor == Some(Cursor::End) {
            return Ok(Followed::Seen);
        } else if let Ok(ending) = self.ending(&session).await {
            return Ok(self.only(&ending));
        }
        let Some(permit) = self.place() else {
            METRICS.sessions.readers_refused.inc();
            return Err(NotFollowed::Full);
        };
        let next = match cursor {
            // How it ended is told when PostgreSQL is back, and nothing before it.
            _ if session.state.is_over() => session.count,
            Some(Cursor::Chunk(seen)) => seen + 1,
            // Redis has forgotten that it was over.
            Some(Cursor::End) | None => 0,
        };
        let (follower, place) = self.attach(session, next, until);
        let reader = Reader::new(follower, place, opening.freeze(), permit);
        // Looked at after the place is taken: whoever is attached later than this sees the closing.
        if self.0.closing.is_cancelled() {
            return Ok(Followed::Events(once(self.retry(), "bye").boxed()));
        }
        Ok(Followed::Events(reader.boxed()))
    }

    /// Sends all readers away, over this time.
    pub async fn close(&self, window: Duration) {
        self.0.closing.cancel();
        for part in 0..PARTS {
            let followers: Vec<_> = self.followers().values().cloned().collect();
            if followers.is_empty() {
                return;
            }
            followers.iter().for_each(|follower| follower.bye(Some(part)));
            tokio::time::sleep(window / PARTS as u32).await;
        }
    }

    /// A place with the session's follower, which is started if there is none.
    fn attach(&self, session: Session, next: u64, until: Option<Instant>) -> (Arc<Follower>, Place) {
        let mut followers = self.followers();
        if let Some(follower) = followers.get(&session.id) {
            return (Arc::clone(follower), follower.sit(next, until));
        }
        let id = session.id;
        let follower = Arc::new(Follower::new(self.clone(), session));
        let place = follower.sit(next, until);
        followers.insert(id, Arc::clone(&follower));
        tokio::spawn(Arc::clone(&follower).run());
        (follower, place)
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.places).try_acquire_owned().ok()
    }

    fn only(&self, event: &Bytes) -> Followed {
        let mut bytes = BytesMut::from(self.retry());
        bytes.extend_from_slice(event);
        Followed::Events(once(bytes.freeze(), "over").boxed())
    }

    /// How a session ended, as its readers are told.
    pub(super) async fn ending(&self, session: &Session) -> Result<Bytes, StoreError> {
        let message = match session.state {
            State::Completed => self.message(session).await?,
            State::Cancelled if session.message.is_some() => self.message(session).await?,
            _ => None,
        };
        Ok(frame::over(session, message.as_ref()))
    }

    /// The message that a session became, as long as it is where its readers may see it.
    pub(super) async fn message(&self, session: &Session) -> Result<Option<Message>, StoreError> {
        let message = self.0.store.reply(session.id).await?;
        Ok(message.filter(|message| message.room == session.room && message.sender_id == session.sender))
    }

    /// What clients are told first, and when they are sent away. Half to one and a half times: those that were cut off
    /// together do not come back together.
    pub(super) fn retry(&self) -> Bytes {
        let base = u64::try_from(self.0.options.retry.as_millis()).unwrap_or(u64::MAX / 2).max(2);
        retry(fastrand::u64(base / 2..=base + base / 2))
    }
}

/// As many places as there may be readers.
pub(super) fn places(readers: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(readers.min(Semaphore::MAX_PERMITS)))
}

/// One piece, and an end that is counted.
fn once(bytes: Bytes, why: &'static str) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let end = stream::poll_fn(move |_| {
        METRICS.sessions.reader_ended(why);
        std::task::Poll::Ready(None)
    });
    stream::once(future::ready(Ok(bytes))).chain(end)
}
