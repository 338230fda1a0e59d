//! The ticker: gives positions to what was committed, and sleeps when there is nothing.
//!
//! A NOTIFY in every writer's transaction would hold a cluster-wide lock over each commit's flush: all writers together
//! would then commit once per flush. So writers ring only while the relay sleeps, and while it is awake it looks every
//! few milliseconds.
//!
//! Why no bell is missed: a writer locks the log, reads the flag, commits; the ticker lowers the flag, looks for such
//! locks, ticks once more, waits. A writer that read "awake" had its lock before the flag fell, so either the look finds
//! the lock, or the commit came before it and the last tick has the row. A writer that read "asleep" rings.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{Ended, Options};
use crate::{
    change::EventId,
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
    heads: watch::Sender<EventId>,
    /// Redis cannot be reached: nodes wait for our bell instead.
    failing: Arc<AtomicBool>,
    stamped: Instant,
}

impl<'a> Ticker<'a> {
    pub(super) fn new(
        leadership: Leadership,
        bell: Bell,
        options: &'a Options,
        heads: watch::Sender<EventId>,
        failing: Arc<AtomicBool>,
    ) -> Self {
        Self { leadership, bell, options, heads, failing, stamped: Instant::now() }
    }

    pub(super) async fn run(mut self) -> Result<(), Ended> {
        self.leadership.set_awake(true).await?;
        let mut last_work = Instant::now();
        loop {
            if self.look().await? {
                last_work = Instant::now();
            }
            if last_work.elapsed() < self.options.linger {
                tokio::time::sleep(self.options.interval).await;
                continue;
            }
            if self.fall_asleep().await? {
                self.sleep().await?;
            }
            self.leadership.set_awake(true).await?;
            last_work = Instant::now();
        }
    }

    /// Positions what is there; whether there was anything.
    async fn look(&mut self) -> Result<bool, Ended> {
        let Some(head) = tokio::time::timeout(PATIENCE, self.tick()).await?? else { return Ok(false) };
        failpoint::pass("ticked");
        self.heads.send_replace(head);
        if self.failing.load(Ordering::Relaxed) {
            self.leadership.ring().await?;
        }
        Ok(true)
    }

    async fn tick(&mut self) -> Result<Option<EventId>, Ended> {
        // Half of it: a look that comes a moment early must not leave the stamp to the next one.
        if self.stamped.elapsed() >= PULSE / 2 {
            self.leadership.stamp(&self.options.node).await?;
            self.stamped = Instant::now();
        }
        Ok(self.leadership.tick(self.options.cut).await?)
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
