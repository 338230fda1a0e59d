//! Limits: how often each caller may ask, and how many streams it may have open.
//!
//! How often is counted in Redis, by all nodes together: a limit that each node counted for itself would grow with
//! their number. How many streams are open is counted by each node for itself: a node that died could not give back
//! what it holds elsewhere, and the next one would refuse those who come over from it.
//!
//! Without Redis there is nothing to count with. Then either everybody is served, or nobody: whoever serves messages
//! mostly wants the first, and that is the default. A count of the node's own in the meantime would be a third thing,
//! that is tried only on the worst day; it was not taken.

mod streams;
mod who;

use std::{sync::Arc, time::Duration};

pub use streams::{Full, Place, Streams};
pub use who::Who;

pub use crate::redis::Rate;
use crate::{
    metrics::{METRICS, Why},
    redis::{Away, Line},
};

/// Calls that have a budget in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Reading messages and sessions.
    Read,
    /// Writing, changing and deleting messages, opening sessions, cancelling them, and giving them another producer.
    Write,
    /// Opening streams.
    Stream,
    /// Appending chunks to sessions.
    Chunk,
    /// Asking the model.
    Chat,
}

impl Options {
    const fn of(&self, group: Group) -> Option<Rate> {
        match group {
            Group::Read => self.read,
            Group::Write => self.write,
            Group::Stream => self.stream,
            Group::Chunk => self.chunk,
            Group::Chat => self.chat,
        }
    }
}

impl Group {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Stream => "stream",
            Self::Chunk => "chunk",
            Self::Chat => "chat",
        }
    }
}

/// What becomes of calls that have a limit while Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WithoutRedis {
    /// They are served, and not counted.
    Open,
    /// They are refused.
    Closed,
}

/// How often each caller may ask.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Reading.
    pub read: Option<Rate>,
    /// Writing.
    pub write: Option<Rate>,
    /// Opening streams.
    pub stream: Option<Rate>,
    /// Appending chunks.
    pub chunk: Option<Rate>,
    /// Asking the model.
    pub chat: Option<Rate>,
    /// While Redis is away.
    pub without_redis: WithoutRedis,
}

/// How a caller stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The most calls at once.
    pub limit: u32,
    /// How many are left.
    pub remaining: u32,
    /// Until all are there again.
    pub reset: Duration,
}

/// Why a call is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The caller asks too often.
    #[error("too many requests")]
    TooOften {
        /// How it stands.
        standing: Standing,
        /// When it may ask again.
        wait: Duration,
    },
    /// Nobody can tell whether it does, and so it is taken to.
    #[error("requests cannot be counted: {0}")]
    Uncounted(#[from] Away),
}

/// Counts calls; a cheap handle.
#[derive(Clone)]
pub struct Limiter(Arc<(Options, Line)>);

impl Limiter {
    /// A limiter; without any rate it never asks Redis.
    pub fn new(options: Options, line: Line) -> Self {
        Self(Arc::new((options, line)))
    }

    /// Whether such calls are limited at all.
    pub fn limits(&self, group: Group) -> bool {
        self.0.0.of(group).is_some()
    }

    /// Counts a call. How its caller stands, if that is known.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn count(&self, group: Group, who: impl FnOnce() -> Who) -> Result<Option<Standing>, Refused> {
        let (options, line) = &*self.0;
        let Some(rate) = options.of(group) else { return Ok(None) };
        let taken = match line.take(&format!("limit:{}:{}", group.name(), who()), rate).await {
            Ok(taken) => taken,
            Err(_) if options.without_redis == WithoutRedis::Open => return Ok(None),
            Err(away) => return Err(away.into()),
        };
        let standing = Standing { limit: rate.most.get(), remaining: taken.left, reset: taken.full_in };
        if taken.granted {
            return Ok(Some(standing));
        }
        METRICS.rate_limited.get_or_create(&Why { reason: group.name() }).inc();
        Err(Refused::TooOften { standing, wait: taken.next_in })
    }
}
