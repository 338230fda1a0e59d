//! The intake: keeps a node's hub at the head of the feed, from Redis, else from the log.
//!
//! Positions decide. The next one goes to the hub, an older one is a repeat, a later one shows a hole: the log fills it.
//! While the bus is down, the relay's bell and a slow poll say when to read the log, so that streams stay live.

use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    change::Signal,
    hub::Hub,
    redis::Bus,
    store::{
        Store,
        bell::{self, Bell},
    },
};

/// How often the log is looked at while the bus is down and no bell rings.
const POLL: Duration = Duration::from_millis(500);

/// Signals handled at once, so that a burst is one write to each subscriber.
const BATCH: usize = 512;

/// How the intake is.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    /// Whether changes come over the bus.
    pub up: bool,
    /// When the bus was heard last.
    pub heard: Option<Instant>,
    /// Whether the hub may lack changes that the log has.
    pub behind: bool,
}

/// What keeps the hub at the head.
pub struct Intake {
    hub: Hub,
    store: Store,
    /// Listened to while the bus is down; none while it is up, or while PostgreSQL is away.
    bell: Option<Bell>,
    status: Status,
    shown: watch::Sender<Status>,
}

impl Intake {
    /// An intake for `hub`.
    pub fn new(hub: Hub, store: Store) -> Self {
        let status = Status { up: false, heard: None, behind: true };
        Self { hub, store, bell: None, status, shown: watch::Sender::new(status) }
    }

    /// Where its status can be seen.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shown.subscribe()
    }

    /// Feeds the hub until `stop`.
    pub async fn run(mut self, mut bus: Bus, stop: CancellationToken) {
        let mut signals = Vec::new();
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                received = bus.recv_many(&mut signals, BATCH) => match received {
                    0 => return,
                    _ => self.hear(std::mem::take(&mut signals)),
                },
                Some(rung) = OptionFuture::from(self.bell.as_mut().map(|bell| bell.wait(POLL))) => {
                    self.status.behind = true;
                    if rung.is_err() {
                        self.bell = None;
                    }
                }
                _ = poll.tick() => self.status.behind |= !self.status.up,
            }
            if self.status.behind {
                self.catch_up().await;
            }
            self.shown.send_replace(self.status);
        }
    }

    fn hear(&mut self, signals: Vec<Signal>) {
        let (mut changes, mut head) = (Vec::new(), None);
        for signal in signals {
            if !matches!(signal, Signal::Down) {
                self.status.heard = Some(Instant::now());
            }
            match signal {
                Signal::Up => self.set_up(true),
                Signal::Down => self.set_up(false),
                Signal::Change(change) => changes.push(change),
                Signal::Heartbeat(heartbeat) => head = Some(heartbeat.event_id),
            }
        }
        let complete = self.hub.publish(changes);
        self.status.behind |= !complete || head.is_some_and(|head| head > self.hub.head());
    }

    /// Whatever was missed around the switch is in the log.
    fn set_up(&mut self, up: bool) {
        self.status.up = up;
        self.status.behind = true;
        if up {
            self.bell = None;
        }
    }

    /// Reads the log up to its head. If that fails, the next signal or poll tries again.
    async fn catch_up(&mut self) {
        if !self.status.up && self.bell.is_none() {
            // Listen first, then read: what comes in between rings.
            self.bell = self.store.bell(bell::TICK).await.ok();
        }
        match self.hub.catch_up().await {
            Ok(()) => self.status.behind = false,
            Err(error) => tracing::warn!(%error, "the hub is behind"),
        }
    }
}
