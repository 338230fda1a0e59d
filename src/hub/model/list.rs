//! The plain list: every change that ever got a position, and the part of it that the log still has.

use std::sync::{Mutex, MutexGuard};

use futures_util::future::BoxFuture;
use proptest::sample::Index;
use tokio::sync::watch;

use crate::{
    change::{EventId, Extent, History, Operation, Past, PastUnavailable, Published},
    hub::ring::Filter,
};

/// The most bytes of changes that one reading gives; the first change is given whatever its size.
const PAST_BYTES: usize = 500;

/// How the log answers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mood {
    /// Nothing is answered for now.
    pub(super) held: bool,
    /// What is held back was looked up before, not after.
    pub(super) stale: bool,
    /// Whoever is answered is answered with an error.
    pub(super) broken: bool,
}

/// The list, as a log.
pub(super) struct List {
    state: Mutex<State>,
    mood: watch::Sender<Mood>,
}

struct State {
    extent: Extent,
    changes: Vec<Published>,
    troubles: usize,
}

impl State {
    /// What the log has of the list.
    fn past(&self, after: i64, limit: usize) -> Past {
        let Extent { generation, floor, .. } = self.extent;
        let first = EventId::new(generation, after);
        let there = self.changes.iter().filter(|change| change.event_id > first && after >= floor);
        let mut bytes = 0;
        let mut fits = |change: &&Published| {
            let first = bytes == 0;
            bytes += change.json.len();
            first || bytes <= PAST_BYTES
        };
        Past { extent: self.extent, changes: there.take(limit).take_while(|change| fits(change)).cloned().collect() }
    }
}

impl List {
    pub(super) fn new(head: EventId) -> Self {
        let extent = Extent { generation: head.generation, floor: head.position, head: head.position };
        let state = State { extent, changes: Vec::new(), troubles: 0 };
        Self { state: Mutex::new(state), mood: watch::Sender::default() }
    }

    pub(super) fn extent(&self) -> Extent {
        self.state().extent
    }

    pub(super) fn head(&self) -> EventId {
        let Extent { generation, head, .. } = self.extent();
        EventId::new(generation, head)
    }

    /// Everything that ever got a position, in that order.
    pub(super) fn changes(&self) -> Vec<Published> {
        self.state().changes.clone()
    }

    /// The change after `at` that `filter` wants, in the generation of `at`.
    pub(super) fn next(&self, at: EventId, filter: &Filter) -> Option<Published> {
        let state = self.state();
        let later = state.changes.iter().filter(|change| change.event_id > at);
        let mut wanted = later.filter(|change| filter.wants(change.room.as_deref()));
        wanted.next().filter(|change| change.event_id.generation == at.generation).cloned()
    }

    /// How often anything happened that may end a stream.
    pub(super) fn troubles(&self) -> usize {
        self.state().troubles
    }

    pub(super) fn trouble(&self) {
        self.state().troubles += 1;
    }

    pub(super) fn commit(&self, room: Option<String>, size: usize) {
        let mut state = self.state();
        state.extent.head += 1;
        let event_id = EventId::new(state.extent.generation, state.extent.head);
        let operation = if room.is_some() { Operation::Insert } else { Operation::Truncate };
        let json = format!(r#"{{"event_id":"{event_id}","content":"{}"}}"#, "x".repeat(size));
        state.changes.push(Published { event_id, operation, room, captured: None, json });
    }

    /// Raises the floor by a part of what is there.
    pub(super) fn trim(&self, part: Index) {
        let extent = &mut self.state().extent;
        extent.floor += part.index((extent.head - extent.floor) as usize + 1) as i64;
    }

    /// Begins a new generation: after the head, or before it where the last changes were lost with another server.
    pub(super) fn begin(&self, lost: i64, further: i64) {
        let mut state = self.state();
        let Extent { generation, floor, head } = state.extent;
        let head = (head - lost).max(floor) + further;
        state.extent = Extent { generation: generation + 1, floor: head, head };
        state.troubles += 1;
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    async fn answer<T>(&self, look: impl Fn(&State) -> T) -> Result<T, PastUnavailable> {
        let early = self.mood.borrow().stale.then(|| look(&self.state()));
        let mood = *self.mood.subscribe().wait_for(|mood| !mood.held).await.unwrap();
        if mood.broken {
            self.trouble();
            return Err(PastUnavailable("away".into()));
        }
        Ok(early.unwrap_or_else(|| look(&self.state())))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl History for List {
    fn extent(&self) -> BoxFuture<'_, Result<Extent, PastUnavailable>> {
        Box::pin(self.answer(|state| state.extent))
    }

    fn past(&self, after: i64, limit: usize) -> BoxFuture<'_, Result<Past, PastUnavailable>> {
        Box::pin(self.answer(move |state| state.past(after, limit)))
    }
}
