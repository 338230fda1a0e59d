//! How Redis is told who is here: soon after somebody comes or goes, again and again as long as they are here, and for
//! the last time when the node goes.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    Presence,
    registry::{Batch, PARTS},
};
use crate::metrics::METRICS;

/// How many rooms are told of at the same time.
const ROOMS: usize = 16;

/// How long to wait before something is told again that could not be.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a node that stops tries to tell who leaves with it. Others see it anyway, but later.
const LAST: Duration = Duration::from_secs(2);

impl Presence {
    /// Tells of all changes; for ever, or as long as there are any.
    pub(super) async fn tell(&self, ever: bool) {
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < ROOMS
                && let Some(batch) = self.take()
            {
                under_way.push(self.tell_of(batch));
            }
            if !ever && under_way.is_empty() {
                return;
            }
            tokio::select! {
                Some(()) = under_way.next() => {}
                () = self.0.changed.notified() => {}
            }
        }
    }

    /// Apart, since no lock must be held where its answer is used.
    fn take(&self) -> Option<Batch> {
        self.registry().take(self.0.options.ttl)
    }

    async fn tell_of(&self, batch: Batch) {
        let number = self.0.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let touched = self.0.rooms.touch(&batch.room, &self.0.node, number, &batch.entries).await;
        if let Err(error) = &touched {
            METRICS.presence.failed.inc();
            if error.is_refusal() {
                tracing::warn!(room = &*batch.room, %error, "nobody can be told who is in a room");
            }
            // It keeps its place among those that are under way: others need not wait for this room.
            tokio::time::sleep(PAUSE).await;
        }
        self.registry().done(batch, touched.is_ok());
    }

    /// Lets it be told again who is here, a part of the rooms after the other; for ever.
    pub(super) async fn beat(&self) {
        let every = self.0.options.beat() / PARTS as u32;
        let mut tick = tokio::time::interval(every.max(Duration::from_millis(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for part in (0..PARTS).cycle() {
            tick.tick().await;
            self.registry().beat(part);
            self.0.changed.notify_one();
        }
    }

    /// All that are still here leave, and may be back on another node before anybody notices.
    pub(super) async fn leave(&self) {
        self.registry().go_all(Instant::now() + self.0.options.grace);
        if tokio::time::timeout(LAST, self.tell(false)).await.is_err() {
            tracing::warn!("not all were told who left with this node");
        }
    }
}
