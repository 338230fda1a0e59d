//! Messages that are posted at the same time are written together.
//!
//! A transaction costs a flush to the disk and a firing of the triggers, whether it writes one row or a hundred. So the
//! writers are few. A post that finds one free is written at once; those that come while all of them are busy gather,
//! and the first that is free again takes what has gathered. There is no timer: nobody waits for others to come, and
//! the busier the disk, the larger the groups.
//!
//! Writers are tasks of their own, so a client that goes away takes nothing from those it would have been written with.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::StoreError;
use crate::{
    message::{Message, NewMessage},
    metrics::METRICS,
};

/// What a message takes in memory, beside its content, at most.
const OVERHEAD: usize = 512;

/// How posts are written together.
#[derive(Debug, Clone)]
pub struct Together {
    /// The most groups that are written at the same time.
    pub writers: usize,
    /// The most posts in a group.
    pub group: usize,
    /// The most bytes in a group, if it is not one post that has more.
    pub group_bytes: usize,
    /// The most posts that have no answer yet.
    pub waiting: usize,
    /// The most bytes of them.
    pub waiting_bytes: usize,
    /// How long a group waits for a lock, before each of its posts waits alone.
    pub patience: std::time::Duration,
}

/// A message to be written, and the place where its answer is waited for.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) new: NewMessage,
    answer: oneshot::Sender<Result<Message, StoreError>>,
    _share: Share,
}

/// A post's share of what may wait, until it is answered.
#[derive(Debug)]
pub struct Share {
    _permits: [OwnedSemaphorePermit; 2],
}

impl Post {
    pub(super) fn answer(self, answer: Result<Message, StoreError>) {
        // Who has gone away needs none.
        let _ = self.answer.send(answer);
    }

    /// Whether nobody waits for the answer any more.
    fn is_forsaken(&self) -> bool {
        self.answer.is_closed()
    }
}

fn bytes(new: &NewMessage) -> usize {
    new.content.len() + OVERHEAD
}

/// The posts of a node that wait to be written, and how many writers are at work.
#[derive(Debug)]
pub(super) struct Posts {
    bounds: Together,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    gathered: VecDeque<Post>,
    writers: usize,
}

impl Posts {
    pub(super) fn new(bounds: Together) -> Self {
        let [places, bytes] = [bounds.waiting, bounds.waiting_bytes]
            .map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))));
        Self { bounds, places, bytes, state: Mutex::default() }
    }

    /// Takes a post in. Returns where its answer will be, and whether a writer is free, who then must start to
    /// [`Posts::work`].
    ///
    /// # Errors
    /// [`StoreError::Crowded`].
    pub(super) fn gather(
        &self,
        new: NewMessage,
    ) -> Result<(oneshot::Receiver<Result<Message, StoreError>>, bool), StoreError> {
        let share = self.share(&new)?;
        let (answer, answered) = oneshot::channel();
        let mut state = self.state();
        state.gathered.push_back(Post { new, answer, _share: share });
        let free = state.writers < self.bounds.writers;
        state.writers += usize::from(free);
        Ok((answered, free))
    }

    /// Takes a post's share of what may wait.
    ///
    /// # Errors
    /// [`StoreError::Crowded`].
    pub(super) fn share(&self, new: &NewMessage) -> Result<Share, StoreError> {
        // What is larger than all that may wait can still wait alone.
        let bytes = u32::try_from(bytes(new).min(self.bounds.waiting_bytes)).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.places).try_acquire_owned();
        let permits = place.and_then(|place| Ok([place, Arc::clone(&self.bytes).try_acquire_many_owned(bytes)?]));
        let refused = |_| {
            METRICS.posts.refused.inc();
            StoreError::Crowded
        };
        permits.map(|permits| Share { _permits: permits }).map_err(refused)
    }

    /// What a writer does: it writes group after group, and ends when nothing is left.
    pub(super) async fn work<W: Future<Output = ()>>(&self, write: impl Fn(Vec<Post>) -> W) {
        while let Some(group) = self.take() {
            // Posts that are dropped are told so; those that wait for this writer must not be lost with them.
            if AssertUnwindSafe(write(group)).catch_unwind().await.is_err() {
                tracing::error!("the writer of a group of messages panicked");
            }
        }
    }

    /// The next group; if there is none, there is one writer less.
    fn take(&self) -> Option<Vec<Post>> {
        let mut state = self.state();
        let group = state.group(&self.bounds);
        if group.is_empty() {
            state.writers -= 1;
            return None;
        }
        METRICS.posts.group.observe(group.len() as f64);
        Some(group)
    }

    /// How many have no answer yet.
    pub(super) fn waiting(&self) -> usize {
        self.bounds.waiting.min(Semaphore::MAX_PERMITS) - self.places.available_permits()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The oldest posts that still wait, as many as may be together.
    fn group(&mut self, bounds: &Together) -> Vec<Post> {
        let (mut group, mut size) = (Vec::new(), 0);
        while let Some(next) = self.gathered.pop_front_if(|post| {
            let fits = group.len() < bounds.group && size + bytes(&post.new) <= bounds.group_bytes;
            post.is_forsaken() || group.is_empty() || fits
        }) {
            if !next.is_forsaken() {
                size += bytes(&next.new);
                group.push(next);
            }
        }
        group
    }
}

#[cfg(test)]
#[path = "posts_tests.rs"]
mod tests;
