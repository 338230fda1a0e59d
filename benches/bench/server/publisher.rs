//! The publisher: a task that publishes at a rate, as many at once as are due.

use std::time::Duration;

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use super::Load;
use crate::role::{crowd::STAMP, now};

/// The length of a message's text.
pub const CONTENT: usize = 200;

/// How often it looks what is due.
const TICK: Duration = Duration::from_millis(5);

/// Publishes until it is dropped.
pub struct Publisher {
    load: watch::Sender<Load>,
    task: JoinHandle<()>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A text of the right length that says when it was made.
pub fn content() -> String {
    let stamp = format!("{STAMP}{} ", now());
    format!("{stamp}{}", "x".repeat(CONTENT - stamp.len()))
}

impl Publisher {
    /// Calls `publish` with the numbers of the rooms in which messages are due.
    pub fn start(mut publish: impl AsyncFnMut(&[usize]) + 'static) -> Self {
        let (load, mut changes) = watch::channel(Load::NONE);
        let task = tokio::task::spawn_local(async move {
            let mut room = 0;
            loop {
                let load = *changes.borrow_and_update();
                if load.events_per_second == 0.0 {
                    changes.changed().await.unwrap();
                    continue;
                }
                let (begun, mut done) = (Instant::now(), 0);
                let mut timer = interval(TICK);
                timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
                while !changes.has_changed().unwrap() {
                    timer.tick().await;
                    let due = 1 + (begun.elapsed().as_secs_f64() * load.events_per_second) as usize;
                    let rooms: Vec<usize> = (room..room + due - done).map(|number| number % load.rooms).collect();
                    (room, done) = (room + rooms.len(), due);
                    if !rooms.is_empty() {
                        publish(&rooms).await;
                    }
                }
            }
        });
        Self { load, task }
    }

    pub fn set(&self, load: Load) {
        self.load.send(load).unwrap();
    }
}
