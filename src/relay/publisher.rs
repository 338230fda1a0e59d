//! The carrier: takes what has a position from the log to Redis, in order, each change once.
//!
//! It keeps no state of its own: Redis says how far it got. After any trouble it asks again and goes on from there.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tracing::{Instrument, Span};

use super::Status;
use crate::{
    change::{EventId, Heartbeat, History as _, PastUnavailable, Position},
    failpoint,
    metrics::{METRICS, Stage},
    redis::{Publisher, RedisError},
    store::Store,
    telemetry::TRACES,
};

/// How often Redis hears how far the feed has come, whatever else it hears. Nodes take a longer silence for deafness.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How long to wait after trouble.
const PAUSE: Duration = Duration::from_millis(250);

/// Changes read from the log at once: a whole tick of the largest size.
const PAGE: usize = 1024;

/// Changes published at once: Redis does nothing else meanwhile.
const BATCH: usize = 256;

/// What ends the leader's term; anything else is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    #[error("Redis has positions up to {redis}, PostgreSQL only up to {head}")]
    Ahead { redis: EventId, head: EventId },
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Past(#[from] PastUnavailable),
    #[error("the log has nothing after {at}, though the feed has come to {head}")]
    Nothing { at: EventId, head: EventId },
    #[error(transparent)]
    Fatal(#[from] PublishError),
}

pub(super) struct Carrier<'a> {
    publisher: Publisher,
    store: Store,
    heart: watch::Receiver<Heartbeat>,
    failing: Arc<AtomicBool>,
    status: &'a watch::Sender<Status>,
}

impl<'a> Carrier<'a> {
    pub(super) fn new(
        publisher: Publisher,
        store: Store,
        heart: watch::Receiver<Heartbeat>,
        failing: Arc<AtomicBool>,
        status: &'a watch::Sender<Status>,
    ) -> Self {
        Self { publisher, store, heart, failing, status }
    }

    pub(super) async fn run(mut self) -> PublishError {
        loop {
            match self.carry().await {
                Ok(never) => match never {},
                Err(Trouble::Fatal(error)) => return error,
                Err(error) => {
                    if !self.failing.swap(true, Ordering::Relaxed) {
                        tracing::warn!(%error, "publishing fails; nodes read the log");
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn carry(&mut self) -> Result<Infallible, Trouble> {
        let head = self.heart.borrow().event_id;
        // A Redis without a position has no subscriber that has seen one either: nodes fill the hole from the log.
        let mut at = self.publisher.position().await?.unwrap_or(head);
        // At once: nodes that are of another generation, or have missed something meanwhile, wait for this.
        let mut due = Instant::now();
        loop {
            let heartbeat = self.publish(at).await?;
            at = heartbeat.event_id;
            if due <= Instant::now() {
                self.publisher.heartbeat(heartbeat).await?;
                due = Instant::now() + HEARTBEAT;
            }
            if self.failing.swap(false, Ordering::Relaxed) {
                tracing::info!("publishing works again");
            }
            let more = self.heart.wait_for(|now| now.event_id != at);
            // Either way there is something to do.
            let _ = tokio::time::timeout_at(due, more).await;
        }
    }

    /// Publishes from `at` up to the head. All that was committed before the canary that it returns is in Redis then.
    async fn publish(&mut self, mut at: EventId) -> Result<Heartbeat, Trouble> {
        loop {
            let heartbeat = *self.heart.borrow();
            let head = heartbeat.event_id;
            if at > head {
                return Err(PublishError::Ahead { redis: at, head }.into());
            }
            if at == head {
                self.note(head, at);
                return Ok(heartbeat);
            }
            let past = self.store.past(at.position, PAGE).await?;
            let extent = past.extent;
            // What is below the floor, or of an earlier generation, cannot be had any more.
            let skip = at.position < extent.floor || at.generation < extent.generation;
            if skip {
                at = EventId::new(extent.generation, at.position.max(extent.floor));
            }
            if past.changes.is_empty() && !skip {
                return Err(Trouble::Nothing { at, head });
            }
            // A skip is told even where nothing follows it.
            let batches = past.changes.chunks(BATCH).chain(past.changes.is_empty().then_some(&[][..]));
            for batch in batches {
                let expected = EventId::new(at.generation, at.position + batch.len() as Position);
                at = self.publisher.publish(at, batch, skip).instrument(span(at, expected)).await?.unwrap_or(at);
                failpoint::pass("published");
                self.note(head, at);
                if at != expected {
                    break;
                }
                METRICS.feed.reached(Stage::Publish, batch.first().and_then(|oldest| oldest.captured));
            }
        }
    }

    fn note(&self, head: EventId, at: EventId) {
        self.status.send_modify(|status| {
            status.published = Some(at);
            if at == head {
                status.proved = Some(Instant::now());
            }
        });
    }
}

/// The span of a batch: it is of no request, and may hold the changes of many.
fn span(at: EventId, last: EventId) -> Span {
    tracing::info_span!(
        target: TRACES,
        "publish",
        otel.kind = "producer",
        messaging.system = "redis",
        messaging.batch.message_count = last.position - at.position,
        rowcast.generation = at.generation,
        rowcast.first = at.position + 1,
        rowcast.last = last.position,
    )
}
