//! The line: a connection over which a node asks Redis on behalf of requests. Budgets and keys share one; sessions have
//! one of their own, which waits longer.
//!
//! The bus and the relay have connections of their own, and all the time they need. A request has not: somebody waits
//! for it. So it waits a moment at most; and once one has waited in vain, the others know that Redis is away and do not
//! wait at all, but for one now and then that tries whether it is back.
//!
//! A connection that nobody has used for a while may be gone without any trouble: something between has closed it. That
//! costs a second try, and nobody an answer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ::redis::{RedisResult, aio::MultiplexedConnection};
use tokio::time::Instant;

use super::{Redis, RedisError};

/// How long nobody asks after trouble. A request that tries again in vain waits for nothing; one in a second is few.
const PAUSE: Duration = Duration::from_secs(1);

/// Why there is no answer. There may be one later.
#[derive(Debug, thiserror::Error)]
pub enum Away {
    /// Redis refuses, or the connection is lost.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// It has not answered in time.
    #[error("Redis did not answer in time")]
    Slow(#[from] tokio::time::error::Elapsed),
    /// It was away a moment ago.
    #[error("Redis was away a moment ago")]
    Known,
}

impl Away {
    /// Whether Redis has answered, and refuses just this: its memory is full, a script has failed, or somebody has put
    /// something else under that key. All else it does as before; who brings it nothing, and only asks, must not be held
    /// back by who does.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Redis(RedisError(error)) if matches!(error.code(), Some("OOM" | "ERR" | "WRONGTYPE")))
    }
}

/// A connection that is shared by many requests of a node, and made anew after any trouble; a cheap handle.
#[derive(Clone)]
pub struct Line(Arc<Inner>);

struct Inner {
    redis: Redis,
    patience: Duration,
    /// Locked while a connection is made: who comes meanwhile needs the same one.
    held: tokio::sync::Mutex<Held>,
    /// When it may be tried again, after trouble. Never held across an await.
    trouble: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Held {
    connection: Option<MultiplexedConnection>,
    /// Which one it is, of all that there were.
    number: u64,
}

impl Line {
    /// A line; it connects with the first request, and none waits longer than `patience`.
    pub fn new(redis: Redis, patience: Duration) -> Self {
        Self(Arc::new(Inner { redis, patience, held: Default::default(), trouble: Mutex::default() }))
    }

    /// The full name of a key.
    pub(super) fn name(&self, name: &str) -> String {
        self.0.redis.name(name)
    }

    /// Asks, if there is hope; twice, if the connection is lost.
    pub(super) async fn ask<T, F: Future<Output = RedisResult<T>>>(
        &self,
        question: impl Fn(MultiplexedConnection) -> F,
    ) -> Result<T, Away> {
        if !self.may_ask() {
            return Err(Away::Known);
        }
        let answer = async {
            let (connection, number) = self.connection(None).await?;
            match question(connection).await {
                Err(error) if error.is_io_error() => Ok(question(self.connection(Some(number)).await?.0).await?),
                answer => Ok(answer?),
            }
        };
        let answer = tokio::time::timeout(self.0.patience, answer).await;
        match answer.map_err(Away::from).and_then(|answer: Result<T, RedisError>| answer.map_err(Away::from)) {
            Ok(answer) => {
                self.is_well();
                Ok(answer)
            }
            Err(away) => {
                if away.is_refusal() {
                    self.is_well();
                } else {
                    self.is_away(&away);
                }
                Err(away)
            }
        }
    }

    /// The connection with its number: a new one if there is none but the lost one.
    async fn connection(&self, lost: Option<u64>) -> Result<(MultiplexedConnection, u64), RedisError> {
        let mut held = self.0.held.lock().await;
        if let Some(connection) = &held.connection
            && lost != Some(held.number)
        {
            return Ok((connection.clone(), held.number));
        }
        held.connection = None;
        let connection = self.0.redis.connect().await?;
        held.number += 1;
        held.connection = Some(connection.clone());
        Ok((connection, held.number))
    }

    /// Whether there is no trouble, or it is time to try again: then this one does, and the next is due later.
    fn may_ask(&self) -> bool {
        let (mut trouble, now) = (self.trouble(), Instant::now());
        match *trouble {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                *trouble = Some(now + PAUSE);
                true
            }
        }
    }

    fn is_well(&self) {
        if self.trouble().take().is_some() {
            tracing::info!("Redis answers requests again");
        }
    }

    fn is_away(&self, away: &Away) {
        if self.trouble().replace(Instant::now() + PAUSE).is_none() {
            tracing::warn!(error = %away, "Redis does not answer requests");
        }
        // Where it is locked, a new one is being made.
        if let Ok(mut held) = self.0.held.try_lock() {
            held.connection = None;
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Instant>> {
        // No code panics under this lock.
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
