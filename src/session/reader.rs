//! The reader: one stream of a session, a place in its text and nothing else.
//!
//! It has no queue, no task and no timer: it takes what is on the board, and leaves its waker there. Only who is behind
//! the tail reads the log itself, a page at a time. It is polled by whoever writes it, be that a thread without a
//! runtime; so what needs one runs on the follower's.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;

use super::{
    board::{Place, Turn},
    follower::Follower,
};
use crate::{metrics::METRICS, reply::ChunkId};

/// A page of its own, on its way.
type Fetch = AbortOnDropHandle<Option<(Bytes, ChunkId)>>;

/// One stream of a session. Dropping it leaves.
pub(super) struct Reader {
    follower: Arc<Follower>,
    place: Place,
    /// What is written before anything else.
    opening: Option<Bytes>,
    fetch: Option<Fetch>,
    /// Why it has ended.
    ended: Option<&'static str>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    pub(super) fn new(follower: Arc<Follower>, place: Place, opening: Bytes, permit: OwnedSemaphorePermit) -> Self {
        METRICS.sessions.readers.inc();
        Self { follower, place, opening: Some(opening), fetch: None, ended: None, _permit: permit }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.ended.is_some() {
            return Poll::Ready(None);
        }
        if let Some(opening) = self.opening.take() {
            return Poll::Ready(Some(opening));
        }
        loop {
            if let Some(bytes) = self.fetched(cx) {
                return Poll::Ready(Some(bytes));
            }
            match self.follower.turn(&mut self.place, cx) {
                Turn::Write(bytes) => return Poll::Ready(Some(bytes)),
                Turn::Over(bytes) => return Poll::Ready(self.end("over", bytes)),
                Turn::Away(why) => return Poll::Ready(self.end(why, self.follower.retry())),
                Turn::Behind(looks) => self.fetch(looks),
                Turn::Wait => return Poll::Pending,
            }
        }
    }

    fn end(&mut self, why: &'static str, last: Bytes) -> Option<Bytes> {
        (self.ended, self.fetch) = (Some(why), None);
        Some(last)
    }

    fn fetch(&mut self, looks: u64) {
        (self.place.reads, self.place.missed) = (true, Some(looks));
        self.fetch = Some(AbortOnDropHandle::new(self.follower.page(self.place.next)));
    }

    /// The page, if it is there now and has something.
    fn fetched(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let Poll::Ready(page) = self.fetch.as_mut()?.poll_unpin(cx) else { return None };
        (self.fetch, self.place.reads) = (None, false);
        let (bytes, next) = page.ok().flatten()?;
        (self.place.next, self.place.missed) = (next, None);
        Some(bytes)
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let reader = self.get_mut();
        let polled = reader.poll_bytes(cx);
        // Who drops it before its end knows why, and counts that.
        if let (Poll::Ready(None), Some(why)) = (&polled, reader.ended) {
            METRICS.sessions.reader_ended(why);
        }
        polled.map(|bytes| bytes.map(Ok))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        METRICS.sessions.readers.dec();
        self.follower.leave(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::board::SEAT;

    fn future<T, F>(_: fn(T) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_session_with_one_reader_that_waits_takes_two_kibibytes() {
        let (reader, seat) = (size_of::<Reader>(), SEAT);
        let (follower, task) = (size_of::<Follower>(), future(Follower::run));
        eprintln!("reader {reader}, seat {seat}, follower {follower}, its task {task}");
        assert!(reader + seat <= 512, "each further one: {reader} + {seat}");
        assert!(reader + seat + follower + task <= 2048, "{reader} + {seat} + {follower} + {task}");
    }
}
