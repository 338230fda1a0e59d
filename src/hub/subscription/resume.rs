//! The beginning of a subscription: where the client left off, whether it goes on from there, what it reads first.
//!
//! Memory judges where it can: what the ring still has is nobody else's affair, so clients that come back at once cost
//! PostgreSQL nothing. Only a position before the ring, or ahead of this node, needs the log.

use std::sync::atomic::Ordering;

use bytes::BytesMut;

use super::Subscription;
use crate::{
    change::{EventId, Position},
    frame::{self, ResetReason},
    hub::{Refused, ring::Taken},
    metrics::{METRICS, Outcome, Source},
};

impl Subscription {
    /// Moves to where the client left off, if that can be had, and prepares what the client reads first.
    pub(in crate::hub) async fn begin(mut self, from: Option<EventId>) -> Result<Self, Refused> {
        let refused = match from {
            Some(from) => self.resume(from).await?,
            None => None,
        };
        let resumed = from.is_some() && refused.is_none();
        let here = EventId::new(self.generation, self.cursor);
        let mut opening = BytesMut::from(self.shared.retry());
        match refused {
            None => opening.extend_from_slice(&frame::connected(here, resumed)),
            Some(reason) => {
                opening.extend_from_slice(&frame::connected_elsewhere(here));
                opening.extend_from_slice(&self.shared.reset(reason, here));
            }
        }
        if resumed {
            self.shared.resumed.fetch_add(1, Ordering::Relaxed);
        }
        self.told = self.cursor;
        self.behind().opening = Some(opening.freeze());
        Ok(self)
    }

    async fn resume(&mut self, from: EventId) -> Result<Option<ResetReason>, Refused> {
        let (source, judged) = if from.generation < self.generation {
            (Source::Ring, Ok(Some(ResetReason::Generation)))
        } else if from > EventId::new(self.generation, self.cursor) {
            (Source::Log, self.judge_ahead(from).await)
        } else if self.has_lost(from.position) {
            (Source::Log, self.judge_behind(from.position).await)
        } else {
            (Source::Ring, Ok(None))
        };
        let outcome = match judged {
            Ok(None) => Outcome::Resumed,
            Ok(Some(_)) => Outcome::Reset,
            Err(_) => Outcome::Refused,
        };
        METRICS.streams.came_back(source, outcome);
        if outcome == Outcome::Resumed {
            self.cursor = from.position;
            self.behind().returning = true;
        }
        judged
    }

    /// Whether something that is wanted has left the ring.
    fn has_lost(&self, after: Position) -> bool {
        matches!(self.shared.ring().take(after, &self.filter, 0), Taken::Behind)
    }

    /// This node may be a moment behind the one that the client comes from.
    async fn judge_ahead(&mut self, from: EventId) -> Result<Option<ResetReason>, Refused> {
        let extent = self.shared.pages.history().extent().await?;
        if EventId::new(extent.generation, extent.head) < from {
            return Ok(Some(ResetReason::Generation));
        }
        if from.generation > self.generation { Err(Refused::Behind) } else { Ok(None) }
    }

    async fn judge_behind(&mut self, from: Position) -> Result<Option<ResetReason>, Refused> {
        let page = self.shared.pages.after(from).await?;
        if from < page.extent.floor {
            return Ok(Some(ResetReason::Expired));
        }
        self.turn_to(page);
        Ok(None)
    }
}
