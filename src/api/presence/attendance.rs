//! A stream that is told who is in its rooms, and is there itself, if it is known whose it is.
//!
//! It is the feed's stream with the frames of presence in between, wherever the feed has nothing to say: both yield
//! whole events. Its presence begins with its first byte and ends when it is dropped, however that comes; so whoever
//! asks for the head of it alone is nowhere. A change of presence has no place in the feed: it has no `id:`, and a
//! client that comes back is told anew who is there.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use uuid::Uuid;

use crate::{
    api::{problem::ApiError, rights},
    auth::Principal,
    presence::{Here, Presence, Watch},
};

/// What a stream asks for that is told who is there.
pub(in crate::api) struct Attendance {
    presence: Presence,
    rooms: Vec<String>,
    /// Who is there; none for one who only looks on.
    user: Option<String>,
}

impl Attendance {
    /// Of this caller in the rooms that it has named, all of which it may read.
    ///
    /// # Errors
    /// When it has named none, or says that it is another.
    pub(in crate::api) fn of(
        presence: &Presence,
        caller: &Principal,
        rooms: &[String],
        user: Option<Uuid>,
    ) -> Result<Self, ApiError> {
        if rooms.is_empty() {
            return Err(ApiError::field("presence", "needs a `room`"));
        }
        let user = rights::present(caller, ("user_id", user))?;
        Ok(Self { presence: presence.clone(), rooms: rooms.to_vec(), user })
    }

    /// The feed, with what there is to tell of its rooms in between.
    pub(in crate::api) fn beside<F>(self, mut feed: F) -> impl Stream<Item = Result<Bytes, Infallible>> + Send
    where
        F: Stream<Item = Result<Bytes, Infallible>> + Send + Unpin,
    {
        let (mut asked, mut there) = (Some(self), There::default());
        stream::poll_fn(move |cx| {
            if let Some(asked) = asked.take() {
                there = asked.begin();
            }
            match feed.poll_next_unpin(cx) {
                Poll::Pending => there.told(cx).map(|frame| Some(Ok(frame))),
                feed => feed,
            }
        })
    }

    fn begin(self) -> There {
        let Self { presence, rooms, user } = self;
        // It enters before it looks, and sees itself.
        let here = user.iter().flat_map(|user| rooms.iter().map(|room| presence.enter(room, user))).collect();
        There { _here: here, watches: rooms.iter().map(|room| presence.watch(room)).collect() }
    }
}

/// A stream's presence in its rooms, as long as it lasts.
#[derive(Default)]
struct There {
    _here: Box<[Here]>,
    watches: Box<[Watch]>,
}

impl There {
    /// What there is to tell of any room. It has no end.
    fn told(&mut self, cx: &Context<'_>) -> Poll<Bytes> {
        let mut told = self.watches.iter_mut().map(|watch| watch.poll_next(cx));
        told.find(Poll::is_ready).map_or(Poll::Pending, |told| told.map(|told| told.frame.clone()))
    }
}
