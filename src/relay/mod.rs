//! The relay: turns committed changes into positioned, published ones. One node leads, the others stand by.
//!
//! The leader runs two loops that do not wait for each other. The ticker gives positions, in PostgreSQL, durably. The
//! publisher carries what has a position to Redis. When Redis is away, ticks go on, and the log serves.
//!
//! Every second the leader gives a sign of life in PostgreSQL. Its instant is the canary, which takes the way of the
//! changes from there to every node: whoever hears a new one knows that all before it has come.
//!
//! A crash between the two loses nothing: Redis knows the last position that it has published, and the next leader goes
//! on after it. A leader that wakes from a long stop finds its session ended, so it can tick no more; a publication it
//! may still send is dropped by Redis, which has that position already.

mod publisher;
mod ticker;

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    change::{EventId, Heartbeat},
    redis::{Publisher, Redis},
    store::{Cut, Keep, Store, StoreError, bell},
};
use publisher::{Carrier, PublishError};
use ticker::Ticker;

/// How long to wait before trying to lead again, while another node leads. With the patience of `stalled` (3 s) it
/// bounds how long nobody may lead: less than 5 s.
const STANDBY: Duration = Duration::from_secs(1);

/// The same after trouble: maybe nobody leads.
const RETRY: Duration = Duration::from_millis(200);

/// How the relay works.
#[derive(Debug, Clone)]
pub struct Options {
    /// What this node is called where people look for the leader.
    pub node: String,
    /// The pause between two looks while there is work, or up to four times as long where a look takes long.
    pub interval: Duration,
    /// How long after the last change the relay stays awake.
    pub linger: Duration,
    /// After how long without a sign of life a leader is taken for stalled.
    pub stalled: Duration,
    /// How a large difference is cut.
    pub cut: Cut,
    /// How much of the past is kept.
    pub keep: Keep,
    /// How often the past is trimmed.
    pub trim_every: Duration,
    /// How often changes are folded into the counts of rooms.
    pub count_every: Duration,
}

/// What the relay of this node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Whether it leads.
    pub leading: bool,
    /// Since when.
    pub since: Option<Instant>,
    /// The last position that it gave or found.
    pub head: Option<EventId>,
    /// The last position that Redis has.
    pub published: Option<EventId>,
    /// When Redis was last found to have all positions.
    pub proved: Option<Instant>,
}

/// Why a term of leadership ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("PostgreSQL did not answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// The relay of a node.
pub struct Relay {
    store: Store,
    redis: Redis,
    options: Options,
    status: watch::Sender<Status>,
}

impl Relay {
    /// A relay that does nothing until it runs.
    pub fn new(store: Store, redis: Redis, options: Options) -> Self {
        Self { store, redis, options, status: watch::Sender::default() }
    }

    /// Where its status can be seen.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Leads whenever nobody else does, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(Box::pin(self.work())).await;
    }

    async fn work(&self) {
        let mut warned = false;
        loop {
            let ended = self.term().await;
            let led = self.status.send_replace(Status::default()).leading;
            let Err(error) = ended else {
                tokio::time::sleep(STANDBY).await;
                continue;
            };
            // While PostgreSQL is away, every attempt fails alike: that is said once.
            if led || !warned {
                tracing::warn!(%error, "the relay does not lead");
            }
            warned = true;
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Leads until something goes wrong; returns at once if another node leads.
    async fn term(&self) -> Result<(), Ended> {
        let attempt = self.store.lead(&self.options.node, self.options.stalled);
        let Some(mut leadership) = tokio::time::timeout(self.options.stalled, attempt).await?? else {
            return Ok(());
        };
        let mut publisher = Publisher::new(self.redis.clone());
        // If Redis is away now, the carrier looks again before it publishes.
        let published = publisher.position().await.unwrap_or_default();
        let head = leadership.settle(published).await?;
        tracing::info!(%head, "the relay leads");
        let now = Some(Instant::now());
        self.status.send_replace(Status { leading: true, since: now, head: Some(head), published, proved: now });

        let (heart, felt) = watch::channel(Heartbeat { event_id: head, canary: None });
        let failing = Arc::default();
        let bell = self.store.bell(bell::WAKE).await?;
        let ticker = Ticker::new(leadership, bell, &self.options, &self.status, heart, Arc::clone(&failing));
        let carrier = Carrier::new(publisher, self.store.clone(), felt, failing, &self.status);
        tokio::select! {
            ended = ticker.run() => ended,
            ended = carrier.run() => Err(ended.into()),
            () = Box::pin(self.trim()) => Ok(()),
            () = Box::pin(self.count()) => Ok(()),
        }
    }

    /// Keeps the counts of rooms near the head. Trouble here is no reason to stop leading: asking takes longer.
    async fn count(&self) {
        let mut timer = tokio::time::interval(self.options.count_every);
        let mut warned = false;
        loop {
            timer.tick().await;
            let counted = self.store.count_rooms().await;
            if let (Err(error), false) = (&counted, warned) {
                tracing::warn!(%error, "the rooms cannot be counted");
            }
            warned = counted.is_err();
        }
    }

    /// Trims the past, a batch at a time. Trouble here is no reason to stop leading.
    async fn trim(&self) {
        let mut timer = tokio::time::interval(self.options.trim_every);
        loop {
            timer.tick().await;
            loop {
                match self.store.trim(self.options.keep).await {
                    Ok(trimmed) if trimmed.ticks == 0 => break,
                    Ok(trimmed) => tracing::debug!(trimmed.ticks, trimmed.changes, "trimmed the log"),
                    Err(error) => {
                        tracing::warn!(%error, "the log could not be trimmed");
                        break;
                    }
                }
            }
        }
    }
}
