//! Seats: how many sessions there may be on the node, connected or not yet.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::metrics::METRICS;

/// All seats.
pub(super) struct Seats {
    most: usize,
    taken: AtomicUsize,
}

/// A seat that is taken, until this is dropped.
pub(super) struct Seat(Arc<Seats>);

impl Seats {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicUsize::new(0) })
    }

    /// A seat, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let more = |taken| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok()?;
        METRICS.socketio.sessions.inc();
        Some(Seat(Arc::clone(self)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
        METRICS.socketio.sessions.dec();
    }
}
