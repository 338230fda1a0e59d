//! Sessions: replies that are still being written, by a producer that nobody need wait for.
//!
//! The text is in Redis, as a log that only grows; a node holds nothing that matters. A producer appends to it, on any
//! node. Readers [follow] it, on any node: what is there, and then what comes. When the last chunk is there the text is
//! [written](mod@write) as one message, and from then on Postgres tells, for ever. Who goes away without a word is
//! noticed by the [reaper](reap).
//!
//! Others keep the text in the process that produces it, and hand it to readers by a handshake, or send it through
//! pub/sub and put it in order again at the other end; what is lost on such a way is lost for good. Here data is only
//! ever read from the log, by number. A bell says when to look; a lost one costs a moment.
//!
//! The price is a write to Redis for each chunk, and one reading for each node where somebody reads.

mod board;
mod end;
mod follow;
mod follower;
mod found;
mod frame;
mod reader;
mod reap;
mod tail;
mod write;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub use follow::{Followed, Full};
use follower::Follower;
pub use found::Found;

pub use crate::redis::session::{Bounds, NotAppended, NotRotated, Opened, Step};
use crate::{
    metrics::{METRICS, Why},
    redis::{
        Away, Line, Redis,
        bells::{Bell, Bells},
        session::{Logs, bell},
    },
    reply::{Batch, Opening, Receipt, State},
    store::{Store, StoreError},
};

/// How long a node that stops waits for messages that are just being written: who is not done by then is done by
/// another one.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// How sessions behave.
#[derive(Debug, Clone)]
pub struct Options {
    /// What a session may be.
    pub bounds: Bounds,
    /// How often sessions are looked for whose time is up.
    pub reap: Duration,
    /// The most messages that are written at the same time.
    pub writes: usize,
    /// The most readers on this node.
    pub readers: usize,
    /// The most bytes of a session that are kept for its readers.
    pub tail_bytes: usize,
    /// The most bytes that are read at once for one who is further behind.
    pub page_bytes: usize,
    /// How often a session that is read is looked at without a bell.
    pub poll: Duration,
    /// How long anybody waits for Redis.
    pub patience: Duration,
    /// How often a silent stream is kept alive.
    pub keep_alive: Duration,
    /// How long a client waits before it comes back, half to one and a half times this.
    pub retry: Duration,
}

/// How sessions are, on this node.
#[derive(Debug, Clone, Copy)]
pub struct Stats {
    /// Sessions that are open, all nodes together, when this one looked last.
    pub open: i64,
    /// Sessions that are read here.
    pub followed: usize,
    /// Their readers.
    pub readers: usize,
    /// Whether bells can be heard.
    pub bells: bool,
}

/// Why sessions cannot be had now. Later they may.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Redis does not answer.
    #[error("sessions cannot be reached: {0}")]
    Away(#[from] Away),
    /// PostgreSQL does not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All sessions; a cheap handle.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    logs: Logs,
    bells: Bells,
    store: Store,
    options: Options,
    /// What this node is called where readers are counted: a word of its own, since clients see it.
    node: String,
    /// Permits to read here.
    reads: Arc<Semaphore>,
    /// Permits to write messages.
    writes: Semaphore,
    /// Those that are being written here. Never held across an await.
    writing: Mutex<HashSet<Uuid>>,
    /// What writes them.
    writers: TaskTracker,
    /// Those that are read here. Never held across an await.
    followers: Mutex<HashMap<Uuid, Arc<Follower>>>,
    /// The node goes away: streams end.
    closing: CancellationToken,
    /// Nothing is begun any more.
    stopped: CancellationToken,
}

impl Sessions {
    /// Sessions; nothing is done for them until they are [run](Self::run).
    pub fn new(redis: &Redis, bells: Bells, store: Store, options: Options) -> Self {
        let line = Line::new(redis.clone(), options.patience);
        let permits = |most: usize| most.min(Semaphore::MAX_PERMITS);
        let options = Options { readers: permits(options.readers), writes: permits(options.writes), ..options };
        Self(Arc::new(Inner {
            logs: Logs::new(line, options.bounds.clone()),
            bells,
            store,
            reads: Arc::new(Semaphore::new(options.readers)),
            writes: Semaphore::new(options.writes),
            node: format!("{:08x}", fastrand::u32(..)),
            options,
            writing: Mutex::default(),
            writers: TaskTracker::new(),
            followers: Mutex::default(),
            closing: CancellationToken::new(),
            stopped: CancellationToken::new(),
        }))
    }

    /// Looks for sessions whose time is up, until `stop`; then waits for what is just being written.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.reap()).await;
        self.0.stopped.cancel();
        self.0.writers.close();
        let _ = tokio::time::timeout(LAST_WRITES, self.0.writers.wait()).await;
    }

    /// What this node is called where readers are counted.
    pub fn node(&self) -> &str {
        &self.0.node
    }

    /// How sessions are.
    pub fn stats(&self) -> Stats {
        Stats {
            open: METRICS.sessions.open.get(),
            followed: self.followers().len(),
            readers: self.0.options.readers - self.0.reads.available_permits(),
            bells: self.0.bells.can_be_heard(),
        }
    }

    /// Opens a session, whose producer has this token; or finds the same one open. An id that was `chosen` by someone
    /// may have been used before.
    ///
    /// # Errors
    /// [`SessionError`]; then it may be open or not, and can be opened again.
    pub async fn open(&self, opening: &Opening, token: &str, chosen: bool) -> Result<Opened, SessionError> {
        if chosen && self.0.store.reply(opening.id).await?.is_some() {
            return Ok(Opened::Taken);
        }
        let opened = self.0.logs.open(opening, token).await?;
        match opened {
            Opened::New { .. } => _ = METRICS.sessions.opened.inc(),
            Opened::Many => _ = METRICS.rate_limited.get_or_create(&Why { reason: "open_sessions" }).inc(),
            Opened::Full => _ = METRICS.sessions.refused.inc(),
            Opened::There { .. } | Opened::Taken => {}
        }
        Ok(opened)
    }

    /// Appends a batch: all of it, or nothing. Where it was the last, the message is written soon.
    ///
    /// # Errors
    /// [`SessionError`]; then it may be appended or not, and can be appended again.
    pub async fn append(
        &self,
        id: Uuid,
        token: &str,
        batch: &Batch,
    ) -> Result<Result<Receipt, (NotAppended, u64)>, SessionError> {
        let appended = self.0.logs.append(id, token, batch).await?;
        match &appended {
            Ok(receipt) => {
                METRICS.sessions.appended(receipt);
                if receipt.sealed {
                    crate::failpoint::pass("sealed");
                    drop(self.write_soon(id));
                }
            }
            Err((why, _)) => METRICS.sessions.append_refused(why.name()),
        }
        Ok(appended)
    }

    /// Gives the producer another token; how many chunks are there without a hole, and the state.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn rotate(&self, id: Uuid, token: &str) -> Result<Result<(u64, State), NotRotated>, SessionError> {
        Ok(self.0.logs.rotate(id, token).await?)
    }

    /// The bell of a session, for its producer.
    pub fn bell(&self, id: Uuid) -> Bell {
        self.0.bells.listen(bell(id))
    }

    /// Whether a session still takes chunks.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn is_open(&self, id: Uuid) -> Result<bool, SessionError> {
        Ok(self.0.logs.is_open(id).await?)
    }

    /// Whether a session's producer has this token; none where there is no such session.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn is_producer(&self, id: Uuid, token: &str) -> Result<Option<bool>, SessionError> {
        Ok(self.0.logs.is_producer(id, token).await?)
    }

    /// What a session may be, and how long it has for what.
    pub fn bounds(&self) -> &Bounds {
        &self.0.options.bounds
    }

    fn followers(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Follower>>> {
        // No code panics under this lock.
        self.0.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        // No code panics under this lock.
        self.0.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
