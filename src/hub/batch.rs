//! The batch: what all take who come from the same place.
//!
//! Subscribers at the head are woken together, and so want the same frames. Where these are several, they are joined
//! once: a copy for each would cost as much as all else that is not the write itself.

use std::sync::{Mutex, PoisonError};

use super::ring::{Filter, Ring, Taken};
use crate::change::{EventId, Position};

/// The frames that were joined last, and what for.
#[derive(Debug, Default)]
pub(super) struct Batch(Mutex<Option<Last>>);

#[derive(Debug)]
struct Last {
    cursor: Position,
    head: EventId,
    taken: Taken,
}

impl Batch {
    /// What the ring has after `cursor`, as [`Ring::take`] says it; `max_bytes` is the same at all calls.
    pub(super) fn take(&self, ring: &Ring, cursor: Position, filter: &Filter, max_bytes: usize) -> Taken {
        let head = ring.head();
        // A single frame is not copied anyway.
        if *filter != Filter::All || head.position - cursor < 2 {
            return ring.take(cursor, filter, max_bytes);
        }
        // No code panics under this lock.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && (last.cursor, last.head) == (cursor, head)
        {
            return last.taken.clone();
        }
        let taken = ring.take(cursor, filter, max_bytes);
        if matches!(taken, Taken::Frames { .. }) {
            *last = Some(Last { cursor, head, taken: taken.clone() });
        }
        taken
    }
}
