//! The hub: from position to subscriber, on one node.
//!
//! Others give every subscriber a queue and copy each change into all of them; a slow reader then costs memory until it
//! is cut off, and what it missed is lost. Here a subscriber is a cursor. The frames are in one ring; behind the ring
//! there is the log. One loop serves all cases: behind the ring, read the log; in the ring, take what is there, in one
//! write; at the head, wait. Slowness costs no memory, resuming is the same as being slow.
//!
//! The hub knows no SQL, no Redis and no HTTP. It is fed in order and without holes (see `intake`), and it reads the
//! past through [`History`] alone.

mod batch;
mod pace;
mod pages;
pub mod ring;
mod slots;
mod subscription;
mod tap;

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    change::{EventId, History, Past, PastUnavailable, Position, Published},
    frame::{Frame, ResetReason},
    metrics::{METRICS, Stage},
};
use batch::Batch;
use pace::Pace;
pub use pages::PageOptions;
use pages::Pages;
use ring::{Filter, Limits, Ring};
use slots::Slots;
pub use subscription::Subscription;
pub use tap::{Lost, Tap};

/// Into how many parts the keep-alive round is cut, so that it never is one burst.
const PARTS: usize = 16;

/// Changes read from the log at once to bring the ring to the head.
const CATCH_UP: usize = 512;

/// How the hub behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What the ring holds.
    pub ring: Limits,
    /// How the past is read.
    pub pages: PageOptions,
    /// The most bytes handed to a connection at once, unless a single frame is larger. It bounds what a slow reader
    /// holds in memory.
    pub write_bytes: usize,
    /// The most bytes a second for all subscribers together that have come back and are not yet at the head.
    pub resume_rate: u64,
    /// The `retry:` that clients are told, before jitter, in milliseconds.
    pub retry_ms: u64,
    /// The most subscribers at once.
    pub subscribers: usize,
}

/// What the hub has done and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// The last position.
    pub head: EventId,
    /// The position before the ring's first frame.
    pub ring_floor: Position,
    /// The bytes in the ring.
    pub ring_bytes: usize,
    /// When its first frame was captured, by PostgreSQL's clock.
    pub ring_oldest: Option<DateTime<Utc>>,
    /// How many are subscribed now.
    pub subscribers: usize,
    /// How many streams have begun where the client left off.
    pub resumed: u64,
    /// How many had to be told to read anew.
    pub resets: u64,
    /// How many pages of the past were handed to subscribers.
    pub pages: u64,
    /// How often the log was read for them: a page is shared by all who need it.
    pub page_reads: u64,
}

/// Why a subscription was refused; it may well be possible later.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The client's position can only be judged by the log, and that cannot be read.
    #[error(transparent)]
    Past(#[from] PastUnavailable),
    /// The client comes from a node that has heard of a new generation, of which this one has not.
    #[error("the node has not come to the client's generation yet")]
    Behind,
    /// The node has as many subscribers as it may have.
    #[error("the node has its most subscribers")]
    Full,
    /// The node goes away.
    #[error("the node is shutting down")]
    Closing,
}

/// The hub of a node; a cheap handle.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    options: Options,
    pages: Pages,
    pace: Pace,
    /// Read by every subscriber for as long as it takes to join a few frames, written once a batch. Never held
    /// together with `slots`, never across an await.
    ring: RwLock<Ring>,
    batch: Batch,
    /// Held to add, remove or list subscribers; they are woken after it is let go.
    slots: Mutex<Slots>,
    /// Someone has come whose time ends.
    ends: Notify,
    /// Something was published; only taps wait for it.
    published: Notify,
    closing: CancellationToken,
    resumed: AtomicU64,
    resets: AtomicU64,
    pages_read: AtomicU64,
}

impl Hub {
    /// A hub whose next change is the one after `head`.
    pub fn new(options: Options, history: Arc<dyn History>, head: EventId) -> Self {
        Self(Arc::new(Shared {
            pages: Pages::new(history, options.pages),
            pace: Pace::new(options.resume_rate),
            ring: RwLock::new(Ring::new(options.ring, head)),
            batch: Batch::default(),
            slots: Mutex::default(),
            ends: Notify::new(),
            published: Notify::new(),
            closing: CancellationToken::new(),
            resumed: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            pages_read: AtomicU64::new(0),
            options,
        }))
    }

    /// The last position that subscribers of this node can have.
    pub fn head(&self) -> EventId {
        self.0.ring().head()
    }

    /// Counts for whoever watches the node.
    pub fn stats(&self) -> Stats {
        let subscribers = self.0.slots().len();
        let ring = self.0.ring();
        Stats {
            head: ring.head(),
            ring_floor: ring.floor(),
            ring_bytes: ring.bytes(),
            ring_oldest: ring.oldest(),
            subscribers,
            resumed: self.0.resumed.load(Ordering::Relaxed),
            resets: self.0.resets.load(Ordering::Relaxed),
            pages: self.0.pages_read.load(Ordering::Relaxed),
            page_reads: self.0.pages.reads(),
        }
    }

    /// Adds the changes that come right after the head and wakes whom they concern.
    ///
    /// Changes that the ring has already are passed over. Returns false at a hole: what comes after it is not taken.
    #[must_use]
    pub fn publish(&self, changes: Vec<Published>) -> bool {
        let mut rooms = HashSet::new();
        let complete = self.0.push(changes, &mut rooms);
        if !rooms.is_empty() {
            let concerned = self.0.slots().concerned(&rooms);
            concerned.iter().for_each(|slot| slot.waker.wake());
            self.0.published.notify_waiters();
        }
        complete
    }

    /// Reads the log from the head of the ring up to its own, and starts anew where that cannot be.
    ///
    /// # Errors
    /// When the log cannot be read; what was read until then is kept.
    pub async fn catch_up(&self) -> Result<(), PastUnavailable> {
        loop {
            let head = self.head();
            let Past { extent, changes } = self.0.pages.history().past(head.position, CATCH_UP).await?;
            if extent.generation != head.generation || head.position < extent.floor {
                tracing::warn!(from = %head, to = extent.head, "the hub cannot go on where it was, and starts anew");
                self.restart(EventId::new(extent.generation, extent.head));
                return Ok(());
            }
            let last = changes.last().map(|change| change.event_id.position);
            // What the bus has brought meanwhile is passed over.
            if !self.publish(changes) || last.is_none_or(|last| last >= extent.head) {
                return Ok(());
            }
        }
    }

    /// Starts anew at `head`, of another generation or past a hole that cannot be filled. Subscribers are told.
    pub fn restart(&self, head: EventId) {
        self.0.pages.clear();
        self.0.write_ring().restart(head);
        let everyone = self.0.slots().concerned(&HashSet::from([None]));
        everyone.iter().for_each(|slot| slot.waker.wake());
        self.0.published.notify_waiters();
    }

    /// Attaches a subscriber at the head, or where it left off; `until` then, if there is an end.
    ///
    /// # Errors
    /// [`Refused`]: at the bound, while closing, or when the log that must judge `from` cannot be read.
    pub async fn subscribe(
        &self,
        from: Option<EventId>,
        filter: Filter,
        until: Option<Instant>,
    ) -> Result<Subscription, Refused> {
        let subscription = Subscription::attach(&self.0, filter, until)?;
        // Looked at after the place is taken: whoever is attached later than this sees the closing.
        if self.0.closing.is_cancelled() {
            return Err(Refused::Closing);
        }
        let subscription = subscription.begin(from).await?;
        METRICS.streams.opened.inc();
        Ok(subscription)
    }

    /// Writes keep-alives to silent subscribers, each about once per `interval`; runs until it is dropped.
    pub async fn keep_alive(&self, interval: Duration) {
        let mut timer = tokio::time::interval(interval / PARTS as u32);
        for part in (0..PARTS).cycle() {
            timer.tick().await;
            self.0.slots().beat(part, PARTS);
        }
    }

    /// Sends away those whose time is over; runs until it is dropped.
    pub async fn expire(&self) {
        loop {
            let next = self.0.slots().expire(Instant::now());
            let come = self.0.ends.notified();
            match next {
                // It may be that one has come who goes earlier.
                Some(next) => drop(timeout_at(next, come).await),
                None => come.await,
            }
        }
    }

    /// Sends all subscribers away, spread over `window` at most, and takes no more. They are told to come back.
    pub async fn close(&self, window: Duration) {
        self.0.closing.cancel();
        for part in 0..PARTS {
            if self.0.slots().len() == 0 {
                return;
            }
            self.0.slots().bye(part, PARTS);
            tokio::time::sleep(window / PARTS as u32).await;
        }
    }
}

impl Shared {
    fn push(&self, changes: Vec<Published>, rooms: &mut HashSet<Option<String>>) -> bool {
        let frames: Vec<Frame> = changes.into_iter().map(Frame::new).collect();
        let mut captured = Vec::with_capacity(frames.len());
        let mut ring = self.write_ring();
        let mut complete = true;
        for frame in frames {
            if frame.event_id <= ring.head() {
                continue;
            }
            let (room, at) = (frame.room.clone(), frame.captured);
            if !ring.push(frame) {
                complete = false;
                break;
            }
            rooms.insert(room);
            captured.extend(at);
        }
        drop(ring);
        METRICS.feed.reached(Stage::Node, captured);
        complete
    }

    fn reset(&self, reason: ResetReason, head: EventId) -> bytes::Bytes {
        self.resets.fetch_add(1, Ordering::Relaxed);
        METRICS.streams.reset(reason.name());
        crate::frame::reset(reason, head)
    }

    fn retry(&self) -> bytes::Bytes {
        // Half to one and a half times: clients that were cut off together do not come back together.
        let base = self.options.retry_ms.max(2);
        crate::frame::retry(fastrand::u64(base / 2..=base + base / 2))
    }

    // No code panics under these locks; if it did, what they hold would still be whole.

    fn ring(&self) -> std::sync::RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_ring(&self) -> std::sync::RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
