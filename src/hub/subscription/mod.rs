//! One subscriber: a cursor, a filter, and the loop that moves the cursor.
//!
//! Where it begins is judged once (see `resume`). Then, behind the ring it reads pages of the log, in the ring it takes
//! all that is pending in one piece, at the head it waits. It is a [`Stream`] of ready bytes; whoever writes them to a
//! socket asks for more only when there is room, and so a slow reader just moves its cursor seldom.

mod resume;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, future::BoxFuture};
use tokio::time::{Instant, Sleep};

use super::{
    Refused, Shared,
    pages::Page,
    ring::{Filter, Joined, Taken},
    slots::Slot,
};
use crate::{
    change::{EventId, Generation, PastUnavailable, Position},
    frame::{self, ResetReason},
    metrics::{self, METRICS, Stage},
};

/// One subscriber in so many has its deliveries timed: to look at the clock for each would cost as much as all else
/// that is not the write itself.
const SAMPLE: usize = 64;

/// Why a subscription ends by itself: the node goes away, its time is over, or the log cannot be read.
const BYE: &str = "bye";
const EXPIRED: &str = "expired";
const LOG: &str = "log";

type Fetch = BoxFuture<'static, Result<Arc<Page>, PastUnavailable>>;

/// One subscriber of a node. Dropping it unsubscribes.
pub struct Subscription {
    shared: Arc<Shared>,
    filter: Filter,
    /// When it is to end.
    until: Option<Instant>,
    key: usize,
    slot: Arc<Slot>,
    generation: Generation,
    cursor: Position,
    /// The last position that the client was told.
    told: Position,
    /// Only until it is at the head: most are, and each is looked at for every change.
    behind: Option<Box<Behind>>,
    /// Something was written since the last beat.
    wrote: bool,
    /// Its deliveries are timed.
    timed: bool,
    /// Why it has ended.
    ended: Option<&'static str>,
}

/// What one needs that is behind.
#[derive(Default)]
struct Behind {
    /// What is written before anything else.
    opening: Option<Bytes>,
    /// The page of the past that the cursor is in, or on its way.
    page: Option<Arc<Page>>,
    fetch: Option<Fetch>,
    /// It has come back, and has not yet been at the head: then it goes at a pace.
    returning: bool,
    /// Until its next write is due.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Subscription {
    /// Takes a place at the head. From here on nothing passes by unseen.
    pub(super) fn attach(shared: &Arc<Shared>, filter: Filter, until: Option<Instant>) -> Result<Self, Refused> {
        let (key, slot) = {
            let mut slots = shared.slots();
            if slots.len() >= shared.options.subscribers {
                return Err(Refused::Full);
            }
            slots.add(&filter, until)
        };
        if until.is_some() {
            shared.ends.notify_one();
        }
        let head = {
            let mut ring = shared.write_ring();
            ring.watch(&filter);
            ring.head()
        };
        Ok(Self {
            shared: Arc::clone(shared),
            filter,
            until,
            key,
            slot,
            generation: head.generation,
            cursor: head.position,
            told: head.position,
            behind: None,
            wrote: true,
            timed: key.is_multiple_of(SAMPLE),
            ended: None,
        })
    }

    fn behind(&mut self) -> &mut Behind {
        self.behind.get_or_insert_default()
    }

    fn turn_to(&mut self, page: Arc<Page>) {
        self.shared.pages_read.fetch_add(1, Ordering::Relaxed);
        self.behind().page = Some(page);
    }

    /// What is to be written now; `None` at the head.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(behind) = &mut self.behind
                && let Some(fetch) = &mut behind.fetch
            {
                let fetched = std::task::ready!(fetch.as_mut().poll(cx));
                behind.fetch = None;
                if let Some(bytes) = self.fetched(fetched) {
                    return Poll::Ready(Some(bytes));
                }
            }
            if self.ended.is_some() {
                return Poll::Ready(None);
            }
            if let Some(bytes) = self.at_hand() {
                return Poll::Ready(Some(bytes).filter(|bytes| !bytes.is_empty()));
            }
            let (shared, cursor) = (Arc::clone(&self.shared), self.cursor);
            self.behind().fetch = Some(Box::pin(async move { shared.pages.after(cursor).await }));
        }
    }

    /// What can be had without waiting, empty at the head; `None` when the log must be read.
    fn at_hand(&mut self) -> Option<Bytes> {
        let bytes = self.take_from_page().or_else(|| self.take_from_ring())?;
        self.went_on(bytes.len());
        Some(bytes)
    }

    /// So much is written next. One that has come back waits after each write until it is at the head: who lacks little
    /// has it at once.
    fn went_on(&mut self, bytes: usize) {
        let Some(behind) = &mut self.behind else { return };
        let due = behind.returning.then(|| self.shared.pace.reserve(bytes)).flatten();
        METRICS.streams.resume_waits.inc_by(u64::from(due.is_some()));
        behind.pause = due.map(|at| Box::pin(tokio::time::sleep_until(at)));
    }

    /// Takes a page that was fetched. Trouble that will pass ends the stream: the client comes back with its position.
    fn fetched(&mut self, page: Result<Arc<Page>, PastUnavailable>) -> Option<Bytes> {
        match page {
            Ok(page) if self.cursor < page.extent.floor => {
                let head = self.shared.ring().head();
                return Some(self.reset(ResetReason::Expired, head));
            }
            Ok(page) if page.end > self.cursor => self.turn_to(page),
            Ok(_) => {
                tracing::warn!(cursor = self.cursor, "the log holds less than the ring: a stream ends");
                self.ended = Some(LOG);
            }
            Err(error) => {
                tracing::warn!(%error, "a stream ends, since the past cannot be read");
                self.ended = Some(LOG);
            }
        }
        None
    }

    /// The wanted frames of the page after the cursor, up to a write's size; `None` when the page has no more.
    fn take_from_page(&mut self) -> Option<Bytes> {
        let page = self.behind.as_mut()?.page.take()?;
        let seen = page.frames.partition_point(|frame| frame.event_id.position <= self.cursor);
        let mut joined: Option<Joined> = None;
        for frame in &page.frames[seen..] {
            if frame.event_id.generation != self.generation {
                self.ended = Some(LOG);
                break;
            }
            if self.filter.wants(frame.room.as_deref()) {
                match &mut joined {
                    None => joined = Some(Joined::new(frame)),
                    Some(joined) if joined.len() + frame.bytes.len() <= self.shared.options.write_bytes => {
                        joined.add(frame);
                    }
                    Some(_) => {
                        self.behind().page = Some(Arc::clone(&page));
                        break;
                    }
                }
            }
            self.cursor = frame.event_id.position;
        }
        let mut joined = joined?;
        self.told = joined.last;
        let bytes = joined.bytes();
        metrics::delivered(joined.count, bytes.len());
        Some(bytes)
    }

    /// What the ring has after the cursor, empty at the head; `None` when the ring does not reach back so far.
    fn take_from_ring(&mut self) -> Option<Bytes> {
        let (head, taken) = {
            let ring = self.shared.ring();
            (ring.head(), self.shared.batch.take(&ring, self.cursor, &self.filter, self.shared.options.write_bytes))
        };
        if head.generation != self.generation {
            return Some(self.reset(ResetReason::Generation, head));
        }
        let Taken::Frames { bytes, count, captured, last, cursor } = taken else { return None };
        self.cursor = cursor;
        if !bytes.is_empty() {
            self.told = last;
            metrics::delivered(count, bytes.len());
            // How late those are who have come back says nothing of the node.
            if self.timed && self.behind.is_none() {
                METRICS.feed.reached(Stage::Socket, captured);
            }
        }
        if cursor == head.position {
            self.behind = None;
        }
        Some(bytes)
    }

    fn reset(&mut self, reason: ResetReason, head: EventId) -> Bytes {
        self.generation = head.generation;
        self.cursor = head.position;
        self.told = head.position;
        self.behind = None;
        self.shared.reset(reason, head)
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(behind) = &mut self.behind {
            if let Some(opening) = behind.opening.take() {
                return Poll::Ready(Some(opening));
            }
            // Until its write is due, no change need wake it.
            if let Some(pause) = &mut behind.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                behind.pause = None;
            }
        }
        // Who has something to write asks again by itself: until then, however slow it is, no change need wake it.
        if self.ended.is_none()
            && self.behind.as_ref().is_none_or(|behind| behind.fetch.is_none())
            && !self.slot.bye.load(Ordering::Acquire)
            && let Some(bytes) = self.at_hand().filter(|bytes| !bytes.is_empty())
        {
            self.wrote = true;
            return Poll::Ready(Some(bytes));
        }
        // First the waker, then the look: whatever comes in between wakes.
        self.slot.waker.register(cx.waker());
        if self.ended.is_none() && self.slot.bye.load(Ordering::Acquire) {
            let expired = self.slot.expired.load(Ordering::Acquire);
            self.ended = Some(if expired { EXPIRED } else { BYE });
            return Poll::Ready(Some(if expired { frame::expired() } else { frame::bye() }));
        }
        self.wait(cx)
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(bytes) = std::task::ready!(self.step(cx)) {
            self.wrote = true;
            return Poll::Ready(Some(bytes));
        }
        if self.ended.is_some() {
            return Poll::Ready(None);
        }
        match self.silence() {
            Some(bytes) => Poll::Ready(Some(bytes)),
            None => Poll::Pending,
        }
    }

    /// What is to be said at the head: nothing, unless the connection has been silent since the last beat.
    fn silence(&mut self) -> Option<Bytes> {
        if !self.slot.beat.swap(false, Ordering::AcqRel) || std::mem::take(&mut self.wrote) {
            return None;
        }
        if self.cursor == self.told {
            return Some(frame::KEEP_ALIVE);
        }
        // Others' rooms have moved on: a client that comes back later need not begin so far behind.
        self.told = self.cursor;
        Some(frame::moved(EventId::new(self.generation, self.cursor)))
    }
}

impl Stream for Subscription {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let subscription = self.get_mut();
        let polled = subscription.poll_bytes(cx);
        // Who drops it before its end knows why, and counts that.
        if let (Poll::Ready(None), Some(reason)) = (&polled, subscription.ended) {
            METRICS.streams.ended(reason);
        }
        polled.map(|bytes| bytes.map(Ok))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.slots().remove(self.key, &self.filter, self.until);
        self.shared.write_ring().unwatch(&self.filter);
    }
}
