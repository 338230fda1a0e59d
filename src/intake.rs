//! The intake: keeps a node's hub at the head of the feed, from Redis, else from the log.
//!
//! Positions decide. The next one goes to the hub, an older one is a repeat, a later one shows a hole: the log fills
//! it. While the bus is down, the relay's bell and a slow poll say when to read the log, so that streams stay live.
//!
//! That nothing comes proves nothing. A canary that is newer than all before it does: it has come the whole way, behind
//! all that was committed before it. A bus without one is as good as down, whatever else it says.
//!
//! The bus is heard while the log is read: a PostgreSQL that hangs must not hold up what Redis brings.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, OptionFuture};
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

/// After how long without a canary the log is looked at although the bus is up: one comes every second or so.
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
    /// The log is to be read, again if it is being read already.
    due: bool,
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
        let shown = watch::Sender::new(status);
        Self { hub, store, bell: None, status, due: true, canary: None, warned: false, shown }
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
        let mut reading: Option<BoxFuture<'static, Reading>> = None;
        loop {
            if self.due && reading.is_none() {
                reading = Some(self.read());
            }
            tokio::select! {
                () = stop.cancelled() => return,
                received = bus.recv_many(&mut signals, BATCH) => match received {
                    0 => return,
                    _ => self.hear(std::mem::take(&mut signals)),
                },
                Some(rung) = OptionFuture::from(self.bell.as_mut().map(|bell| bell.wait(POLL))) => {
                    self.look();
                    if rung.is_err() {
                        self.bell = None;
                    }
                }
                Some(read) = OptionFuture::from(reading.as_mut()) => {
                    reading = None;
                    self.caught_up(read);
                }
                _ = poll.tick() => if self.status.behind || self.doubts() {
                    self.look();
                }
            }
            self.shown.send_replace(self.status);
        }
    }

    /// The log may have what the hub lacks.
    fn look(&mut self) {
        self.due = true;
        self.status.behind = true;
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
        if !complete || head.is_some_and(|head| head > self.hub.head()) {
            self.look();
        }
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
        self.look();
        if up {
            self.bell = None;
        }
    }

    /// Reads the log up to its head.
    fn read(&mut self) -> BoxFuture<'static, Reading> {
        self.due = false;
        let (hub, store) = (self.hub.clone(), self.store.clone());
        let deaf = !self.status.up && self.bell.is_none();
        Box::pin(async move {
            // Listen first, then read: what comes in between rings.
            let bell = if deaf { store.bell(bell::TICK).await.ok() } else { None };
            let read = tokio::time::timeout(PATIENCE, hub.catch_up()).await;
            Reading { bell, outcome: read.unwrap_or_else(|slow| Err(PastUnavailable(slow.into()))) }
        })
    }

    /// If the log could not be read, the next poll tries again.
    fn caught_up(&mut self, Reading { bell, outcome }: Reading) {
        self.bell = self.bell.take().or(bell).filter(|_| !self.status.up);
        match outcome {
            // What was noticed meanwhile is looked at once more.
            Ok(()) if self.due => {}
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

/// What came of reading the log.
struct Reading {
    bell: Option<Bell>,
    outcome: Result<(), PastUnavailable>,
}
