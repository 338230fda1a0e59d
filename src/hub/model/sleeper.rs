//! Polls by hand, and notices a wake that was forgotten.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whoever polls something, and sleeps while that is pending.
#[derive(Default)]
pub(super) struct Sleeper {
    wakes: Arc<Wakes>,
    /// The wakes before it fell asleep; none while it is awake.
    asleep_since: Option<usize>,
}

impl Sleeper {
    /// Whether polling is worth while.
    pub(super) fn is_awake(&self) -> bool {
        self.asleep_since.is_none_or(|wakes| self.count() > wakes)
    }

    /// Polls. Who was not woken may look, but must not find anything.
    pub(super) fn poll<T>(&mut self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let (awake, before) = (self.is_awake(), self.count());
        let polled = poll(&mut Context::from_waker(&Waker::from(Arc::clone(&self.wakes))));
        assert!(awake || polled.is_pending(), "there was something to do, and nobody woke");
        self.asleep_since = polled.is_pending().then_some(before);
        polled
    }

    fn count(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}
