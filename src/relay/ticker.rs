//! The ticker: gives positions to what was committed, and sleeps when there is nothing.
//!
//! A NOTIFY in every writer's transaction would hold a cluster-wide lock over each commit's flush: all writers together
//! would then commit once per flush. So writers ring only while the relay sleeps, and while it is awake it looks every
//! few milliseconds.
//!
//! Why no bell is missed: a writer locks the log, reads the flag, commits; the ticker lowers the flag, looks for such
//! locks, ticks once more, waits. A writer that read "awake" had its lock before the flag fell, so either the look
//! finds the lock, or the commit came before it and the last tick has the row. A writer that read "asleep" rings.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{sync::watch, time::Instant};

use super::{Ended, Options, Status};
use crate::{
    change::Heartbeat,
    failpoint,
    store::{bell::Bell, leader::Leadership},
};

/// How often the leader gives a sign of life, and looks at the log although no bell rang.
const PULSE: Duration = Duration::from_secs(1);

/// How long one look may take: a difference of many millions of rows is still a matter of seconds.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Ticker<'a> {
    leadership: Leadership,
    bell: Bell,
    options: &'a Options,
    status: &'a watch::Sender<Status>,
    /// How far the feed has come, and the last sign of life before that.
    heart: watch::Sender<Heartbeat>,
    /// Redis cannot be reached: nodes wait for our bell instead.
    failing: Arc<AtomicBool>,
    stamped: Option<Instant>,
}

impl<'a> Ticker<'a> {
    pub(super) fn new(
        leadership: Leadership,
        bell: Bell,
        options: &'a Options,
        status: &'a watch::Sender<Status>,
        heart: watch::Sender<Heartbeat>,
        failing: Arc<AtomicBool>,
    ) -> Self {
        Self { leadership, bell, options, status, heart, failing, stamped: None }
    }

    pub(super) async fn run(mut self) -> Result<(), Ended> {
        self.leadership.set_awake(true).await?;
        let mut last_work = Instant::now();
        loop {
            let begun = Instant::now();
            if self.look().await? {
                last_work = Instant::now();
            }
            if last_work.elapsed() < self.options.linger {
                tokio::time::sleep(self.pause(begun.elapsed())).await;
                continue;
            }
            if self.fall_asleep().await? {
                self.sleep().await?;
            }
            self.leadership.set_awake(true).await?;
            last_work = Instant::now();
        }
    }

    /// How long to wait after a look that took so long: where looking is slow, since the machine is busy, fewer and
    /// larger ticks leave more of it to others.
    fn pause(&self, look: Duration) -> Duration {
        let interval = self.options.interval;
        (look * 2).clamp(interval, interval * 4)
    }

    /// Positions what is there; whether there was anything.
    async fn look(&mut self) -> Result<bool, Ended> {
        // First the canary, then the tick: so all that was committed before the canary has its position by then.
        let canary = self.stamp().await?;
        let head = tokio::time::timeout(PATIENCE, self.leadership.tick(self.options.cut)).await??;
        if head.is_some() {
            failpoint::pass("ticked");
            // Here, not where it is published: how far that lags behind shows when it hangs.
            self.status.send_modify(|status| status.head = head);
        }
        self.heart.send_if_modified(|last| {
            let now = Heartbeat { event_id: head.unwrap_or(last.event_id), canary: canary.or(last.canary) };
            std::mem::replace(last, now) != now
        });
        if head.is_some() && self.failing.load(Ordering::Relaxed) {
            self.leadership.ring().await?;
        }
        Ok(head.is_some())
    }

    /// Gives a sign of life, if it is time to. Who cannot do so in time is stalled, and gives up before others end it.
    async fn stamp(&mut self) -> Result<Option<DateTime<Utc>>, Ended> {
        // Half of it: a look that comes a moment early must not leave the stamp to the next one.
        if self.stamped.is_some_and(|at| at.elapsed() < PULSE / 2) {
            return Ok(None);
        }
        let stamp = self.leadership.stamp(&self.options.node);
        let canary = tokio::time::timeout(self.options.stalled, stamp).await??;
        self.stamped = Some(Instant::now());
        Ok(Some(canary))
    }

    /// Lowers the flag; false if there is work after all.
    async fn fall_asleep(&mut self) -> Result<bool, Ended> {
        self.leadership.set_awake(false).await?;
        Ok(!self.leadership.writers().await? && !self.look().await?)
    }

    /// Waits for work. The bell is only the fast way: a look every second is the sure one.
    async fn sleep(&mut self) -> Result<(), Ended> {
        loop {
            self.bell.wait(PULSE).await?;
            if self.look().await? {
                return Ok(());
            }
        }
    }
}
