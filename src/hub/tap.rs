//! A tap: the frames themselves, one by one, for who makes something else of them than a stream.
//!
//! It begins at the head and has no past: it looks into the ring alone. Who falls out of the ring has lost something,
//! and is told so; then it goes on from the head. While nobody waits at a tap, publishing does not know of it.

use std::{pin::pin, sync::Arc};

use super::{Hub, Shared};
use crate::{change::EventId, frame::Frame};

/// The most frames that are taken at once.
const MOST: usize = 256;

/// A place in the feed, and what comes after it.
pub struct Tap {
    shared: Arc<Shared>,
    at: EventId,
}

/// Frames have passed by that cannot be had any more. What comes next is what comes after the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the feed has gone on without its reader")]
pub struct Lost;

impl Hub {
    /// A tap at the head: every change that is published from now on comes out of it.
    pub fn tap(&self) -> Tap {
        Tap { shared: Arc::clone(&self.0), at: self.head() }
    }
}

impl Tap {
    /// The next frames, at least one, in order. Dropping the future loses none.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn next(&mut self) -> Result<Vec<Frame>, Lost> {
        loop {
            let shared = Arc::clone(&self.shared);
            let mut published = pin!(shared.published.notified());
            // First the place in the queue, then the look: whatever comes in between wakes.
            published.as_mut().enable();
            let frames = self.take()?;
            if !frames.is_empty() {
                return Ok(frames);
            }
            published.await;
        }
    }

    fn take(&mut self) -> Result<Vec<Frame>, Lost> {
        let ring = self.shared.ring();
        let head = ring.head();
        let frames = match head.generation == self.at.generation {
            true => ring.after(self.at.position, MOST),
            false => None,
        };
        drop(ring);
        self.at = frames.as_ref().map_or(head, |frames| frames.last().map_or(self.at, |last| last.event_id));
        frames.ok_or(Lost)
    }
}
