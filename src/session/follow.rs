//! Following: a reader of a session, from where it left off to the end.
//!
//! What is over is told in one event, whoever asks and however often. All others are given a place with the session's
//! [follower](super::follower). A node that goes away sends its readers away over a while, and refuses none: who comes
//! is told to come back, since a browser takes any other answer for the last word.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, future, stream, stream::BoxStream};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use uuid::Uuid;

use super::{
    Found, Sessions,
    board::{PARTS, Place},
    follower::Follower,
    frame,
    reader::Reader,
};
use crate::{
    frame::retry,
    metrics::METRICS,
    reply::{Cursor, Session, State},
    store::StoreError,
};

/// What a reader is given.
pub enum Followed {
    /// The session is over, and the reader has seen how: there is nothing more.
    Seen,
    /// Events, until the session is over, the caller's time is up or the node goes away. Who drops them earlier counts
    /// that.
    Events(BoxStream<'static, Result<Bytes, Infallible>>),
}

/// The node has its most readers; later there may be room.
#[derive(Debug, thiserror::Error)]
#[error("the most readers are here")]
pub struct Full;

impl Sessions {
    /// Follows a session from after `cursor`, or from its beginning; no longer than `until`.
    ///
    /// # Errors
    /// [`Full`].
    pub async fn follow(&self, found: Found, cursor: Option<Cursor>, until: Option<Instant>) -> Result<Followed, Full> {
        let session = match found {
            Found::Known(session) if !session.state.is_over() => *session,
            _ if cursor == Some(Cursor::End) => return Ok(Followed::Seen),
            Found::Written(message) => {
                return Ok(self.only(&frame::written(message.session_id.unwrap_or_default(), &message)));
            }
            Found::Known(session) => match self.ending(&session).await {
                Ok(ending) => return Ok(self.only(&ending)),
                // It is told when PostgreSQL is back.
                Err(_) => *session,
            },
        };
        let permit = self.permit()?;
        let mut opening = BytesMut::from(self.retry());
        let next = if session.state.is_over() {
            session.count
        } else {
            opening.extend_from_slice(&frame::connected(&session, Uuid::new_v4(), &self.0.node));
            match cursor {
                Some(Cursor::Chunk(seen)) => seen + 1,
                // Who has seen the end has seen what Redis has forgotten.
                Some(Cursor::End) | None => 0,
            }
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

    fn permit(&self) -> Result<OwnedSemaphorePermit, Full> {
        Arc::clone(&self.0.reads).try_acquire_owned().map_err(|_| {
            METRICS.sessions.readers_refused.inc();
            Full
        })
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

    /// What clients are told first, and when they are sent away. Half to one and a half times: those that were cut off
    /// together do not come back together.
    pub(super) fn retry(&self) -> Bytes {
        let base = u64::try_from(self.0.options.retry.as_millis()).unwrap_or(u64::MAX / 2).max(2);
        retry(fastrand::u64(base / 2..=base + base / 2))
    }
}

/// One piece, and an end that is counted.
fn once(bytes: Bytes, why: &'static str) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let end = stream::poll_fn(move |_| {
        METRICS.sessions.reader_ended(why);
        std::task::Poll::Ready(None)
    });
    stream::once(future::ready(Ok(bytes))).chain(end)
}
