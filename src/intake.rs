//! The intake: keeps a node's hub at the head of the feed, from Redis, else from the log.
//!
//! Positions decide. The next one goes to the hub, an older one is a repeat, a later one shows a hole: the log fills it.
//! While the bus is down, the relay's bell and a slow poll say when to read the log, so that streams stay live.
//!
//! That nothing comes proves nothing. A canary that is newer than all before it does: it has come the whole way, behind
//! all that was committed before it. A bus without one is as good as down, whatever else it says.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::OptionFuture;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    change::{Generation, Heartbeat, PastUnavailable, Signal},
    hub::Hub,
    redis::Bus,
    store::{
        Store,
        bell::{self, Bell},
    },
};

/// How often the log is looked at while the bus is down and no bell rings.
const POLL: Duration = Duration::from_millis(500);

/// After how long without a canary the log is looked at although the bus is up: one comes every second, or a little later.
const DOUBT: Duration = Duration::from_secs(2);

/// How long one reading of the log may take: what was read is kept, and the next one goes on. A connection that died
/// without a word is given up so.
const PATIENCE: Duration = Duration::from_secs(5);

/// Signals handled at once, so that a burst is one write to each subscriber.
const BATCH: usize = 512;

/// How the intake is.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    /// Whether changes come over the bus.
    pub up: bool,
    /// When the bus was heard last.
    pub heard: Option<Instant>,
    /// When a canary came that was newer than all before it, by this node's clock: those of machines are not compared.
    pub canary: Option<Instant>,
    /// Whether the hub may lack changes that the log has.
    pub behind: bool,
    /// When the hub was last proved to lack nothing: by a canary, or by a look at the log.
    pub proved: Instant,
}

/// What keeps the hub at the head.
pub struct Intake {
    hub: Hub,
    store: Store,
    /// Listened to while the bus is down; none while it is up, or while PostgreSQL is away.
    bell: Option<Bell>,
    status: Status,
    /// The newest canary. One of another generation is of another server, whose clock may be another.
    canary: Option<(Generation, DateTime<Utc>)>,
    /// The log could not be read: that was said.
    warned: bool,
    shown: watch::Sender<Status>,
}

impl Intake {
    /// An intake for `hub`.
    pub fn new(hub: Hub, store: Store) -> Self {
        let status = Status { up: false, heard: None, canary: None, behind: true, proved: Instant::now() };
        Self { hub, store, bell: None, status, canary: None, warned: false, shown: watch::Sender::new(status) }
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
                _ = poll.tick() => self.status.behind |= self.doubts(),
            }
            if self.status.behind {
                self.catch_up().await;
            }
            self.shown.send_replace(self.status);
        }
    }

    fn hear(&mut self, signals: Vec<Signal>) {
        let (mut changes, mut head, mut proof) = (Vec::new(), None, false);
        for signal in signals {
            if !matches!(signal, Signal::Down) {
                self.status.heard = Some(Instant::now());
            }
            match signal {
                Signal::Up => self.set_up(true),
                Signal::Down => self.set_up(false),
                Signal::Change(change) => changes.push(change),
                Signal::Heartbeat(heartbeat) => {
                    head = Some(heartbeat.event_id);
                    proof |= self.is_news(heartbeat);
                }
            }
        }
        let complete = self.hub.publish(changes);
        self.status.behind |= !complete || head.is_some_and(|head| head > self.hub.head());
        if proof && !self.status.behind {
            self.status.proved = Instant::now();
        }
    }

    /// Whether a heartbeat has a new canary: the relay of a leader that stalls repeats the old one.
    fn is_news(&mut self, Heartbeat { event_id, canary }: Heartbeat) -> bool {
        let canary = canary.map(|canary| (event_id.generation, canary));
        let news = canary > self.canary;
        if news {
            self.canary = canary;
            self.status.canary = Some(Instant::now());
        }
        news
    }

    /// Whether the bus is no proof that nothing is missing.
    fn doubts(&self) -> bool {
        !self.status.up || self.status.canary.is_none_or(|at| at.elapsed() > DOUBT)
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
        let read = tokio::time::timeout(PATIENCE, self.hub.catch_up()).await;
        match read.unwrap_or_else(|slow| Err(PastUnavailable(slow.into()))) {
            Ok(()) => {
                self.status.behind = false;
                self.status.proved = Instant::now();
                self.warned = false;
            }
            Err(error) if !std::mem::replace(&mut self.warned, true) => tracing::warn!(%error, "the hub is behind"),
            Err(_) => {}
        }
    }
}
