//! Presence: who is in which room, all nodes together.
//!
//! A node knows its own connections, and that is the truth about them. It tells Redis, each with a time until which it
//! is believed, and tells it again and again: so a Redis that was away or has lost all knows it again by itself. A
//! connection that ends is believed a moment longer, in which it may come back; those of a node that dies run out. There
//! is one way of going, then, and whoever [sweeps](sweep) finds it. A user comes with the first connection and goes with
//! the last, on whatever nodes.
//!
//! Others send who came and who went through pub/sub, and what is lost there is wrong for ever; or ask all nodes each
//! time, and wait for the slowest. Here nothing travels but a ring of the room's bell. Each node where somebody watches
//! reads who is there, and tells [the difference](roster).
//!
//! The price is a few commands for each connection every few seconds, and one reading of a room for each node where it
//! is watched whenever somebody comes or goes, ten times a second at most. Where there are more users than anybody
//! reads the names of, only their number is told.

mod board;
mod frame;
mod registry;
mod roster;
mod sweep;
mod tell;
mod watch;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

pub use frame::{Told, What};
use registry::Registry;
pub use watch::Watch;
use watch::Watched;

pub use crate::redis::{
    Away,
    presence::{Listed, Present},
};
use crate::redis::{
    Line, Redis,
    bells::Bells,
    presence::{Rooms, Times},
};

/// How many rooms are read at the same time.
const READS: usize = 32;

/// How long a node may need, beside a beat, to tell again who is there when Redis is back: it does not try all the time.
const BACK: Duration = Duration::from_secs(2);

/// How presence behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long those are believed to be there of whom nothing is heard.
    pub ttl: Duration,
    /// How long those are still there whose connection has ended.
    pub grace: Duration,
    /// How often those are looked for whose time is over.
    pub sweep: Duration,
    /// The most users of a room who are told one by one.
    pub listed: u64,
    /// How long changes are gathered at least.
    pub pace: Duration,
    /// The most changes of a room that are kept for those who watch.
    pub buffer: usize,
    /// How long anybody waits for Redis.
    pub patience: Duration,
}

impl Options {
    /// How often it is told again who is here.
    fn beat(&self) -> Duration {
        self.ttl / 3
    }

    /// How long somebody may be missing who is there, when Redis has lost something or was away.
    fn settle(&self) -> Duration {
        self.beat() + BACK
    }

    fn times(&self) -> Times {
        Times { era: self.ttl / 2, keep: self.ttl.max(self.grace) * 2 }
    }
}

/// How presence is, on this node.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// Connections that are in a room, each once for each room.
    pub here: usize,
    /// Those of which Redis has yet to be told how they are.
    pub untold: usize,
    /// Rooms that are watched.
    pub watched: usize,
    /// Their watchers.
    pub watchers: usize,
}

/// Who is in which room; a cheap handle.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

struct Inner {
    rooms: Rooms,
    bells: Bells,
    options: Options,
    /// What this node is called where connections are kept: another one each time that it starts.
    node: String,
    /// How often Redis was told.
    calls: AtomicU64,
    /// Never held across an await.
    registry: Mutex<Registry>,
    /// There is something to tell.
    changed: Notify,
    /// Rooms that are watched here. Never held across an await.
    watched: Mutex<HashMap<Arc<str>, Arc<Watched>>>,
    watchers: AtomicUsize,
    /// Those whose reader has yet to begin.
    begun: mpsc::UnboundedSender<Arc<Watched>>,
    beginning: Mutex<Option<mpsc::UnboundedReceiver<Arc<Watched>>>>,
    /// Permits to read a room.
    reads: Semaphore,
}

/// A connection of a user in a room. It is there until this is dropped, and then for the grace.
#[must_use]
pub struct Here {
    presence: Presence,
    room: Arc<str>,
    number: u64,
}

impl Presence {
    /// Presence; nobody hears of anything until it is [run](Self::run).
    pub fn new(redis: &Redis, bells: Bells, options: Options) -> Self {
        let line = Line::new(redis.clone(), options.patience);
        let (begun, beginning) = mpsc::unbounded_channel();
        Self(Arc::new(Inner {
            rooms: Rooms::new(line, options.times()),
            bells,
            options,
            node: format!("{:016x}", fastrand::u64(..)),
            calls: AtomicU64::new(1),
            registry: Mutex::default(),
            changed: Notify::new(),
            watched: Mutex::default(),
            watchers: AtomicUsize::new(0),
            begun,
            beginning: Mutex::new(Some(beginning)),
            reads: Semaphore::new(READS),
        }))
    }

    /// Tells others who is here, finds out who is there, and sweeps, until `stop`; then all who are still here leave.
    pub async fn run(self, stop: CancellationToken) {
        let work = async { tokio::join!(self.tell(true), self.beat(), self.sweep(), self.follow_all()) };
        stop.run_until_cancelled(work).await;
        self.leave().await;
    }

    /// A connection of a user comes into a room.
    pub fn enter(&self, room: &str, user: &str) -> Here {
        let (room, number) = self.registry().enter(room, user);
        self.0.changed.notify_one();
        Here { presence: self.clone(), room, number }
    }

    /// Watches a room.
    pub fn watch(&self, room: &str) -> Watch {
        let mut all = self.watched();
        let watched = all.get(room).map(Arc::clone).unwrap_or_else(|| {
            let watched = Arc::new(Watched::new(room, self.0.options.buffer));
            all.insert(Arc::clone(watched.room()), Arc::clone(&watched));
            // Where nothing runs any more, nobody is told anything.
            let _ = self.0.begun.send(Arc::clone(&watched));
            watched
        });
        self.sit(watched)
    }

    /// A page of those who are in a room, by name, from after `after`.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn list(&self, room: &str, after: Option<&str>, limit: usize) -> Result<Listed, Away> {
        self.0.rooms.list(room, after, limit).await
    }

    /// How presence is.
    pub fn stats(&self) -> Stats {
        let (here, untold) = self.registry().sizes();
        Stats { here, untold, watched: self.watched().len(), watchers: self.0.watchers.load(Relaxed) }
    }

    /// Begins to read each room that somebody comes to watch; for ever.
    async fn follow_all(&self) {
        let beginning = self.0.beginning.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut beginning) = beginning else { return };
        let mut readers = JoinSet::new();
        loop {
            tokio::select! {
                Some(watched) = beginning.recv() => drop(readers.spawn(self.clone().follow(watched))),
                Some(_) = readers.join_next() => {}
            }
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // No code panics under this lock.
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Watched>>> {
        // No code panics under this lock.
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Here {
    /// It is not there any more, at once.
    pub fn leave(self) {
        self.go(Duration::ZERO);
    }

    fn go(&self, grace: Duration) {
        self.presence.registry().go(&self.room, self.number, Instant::now() + grace);
        self.presence.0.changed.notify_one();
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        // Who has left is gone already.
        self.go(self.presence.0.options.grace);
    }
}
