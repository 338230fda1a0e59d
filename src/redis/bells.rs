//! Bells: each open session has one, and it rings on every node where someone listens, whenever there is something to
//! look at.
//!
//! One connection carries the bells of all sessions; who listens is subscribed when the first one does, and no longer
//! than the last. A ring says nothing but "look", so it may come too often; and it must not be missed where there is
//! something to see. What comes before a subscription stands is not heard: so it rings when it stands, and again when
//! the connection was lost and there is another.
//!
//! A connection can go deaf without an error, so Redis is asked for a sign of life over it, now and then. The relay's
//! heartbeat would cost less, but it is silent while nobody leads: all bells would be subscribed to anew and rung, again
//! and again, just when PostgreSQL is away. What neither shows, a Redis that hears of nothing any more itself, costs
//! a reader no more than any ring that is lost: it looks now and then.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ::redis::{RedisResult, aio::PubSubSink};
use futures_util::StreamExt;
use tokio::{
    sync::{Notify, watch},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Redis, RedisError, TIMEOUT, session};
use crate::metrics::METRICS;

/// How often Redis is asked for a sign of life: with the time for its answer, a deaf connection is noticed in two seconds.
const BEAT: Duration = Duration::from_secs(1);

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(250);

/// The most bells that are subscribed to with one command.
const TOGETHER: usize = 256;

/// The bells of all sessions; a cheap handle.
#[derive(Clone)]
pub struct Bells(Arc<Inner>);

struct Inner {
    redis: Redis,
    /// Never held across an await.
    listeners: Mutex<Listeners>,
    /// Someone has come, or the last one has gone.
    wishes: Notify,
    /// There is a connection.
    heard: AtomicBool,
}

#[derive(Default)]
struct Listeners {
    bells: HashMap<Uuid, (watch::Sender<()>, usize)>,
    /// Sessions for which someone has come or gone since they were looked at.
    changed: HashSet<Uuid>,
}

/// One listener to a session's bell.
pub struct Bell {
    bells: Bells,
    id: Uuid,
    rung: watch::Receiver<()>,
}

impl Bells {
    /// Bells; none rings until they are [run](Self::run).
    pub fn new(redis: Redis) -> Self {
        Self(Arc::new(Inner {
            redis,
            listeners: Mutex::default(),
            wishes: Notify::new(),
            heard: AtomicBool::new(false),
        }))
    }

    /// Listens to the bell of a session. If it cannot be heard yet, it rings when it can.
    pub fn listen(&self, id: Uuid) -> Bell {
        let mut listeners = self.listeners();
        let (bell, count) = listeners.bells.entry(id).or_insert_with(|| (watch::Sender::new(()), 0));
        *count += 1;
        let (rung, first) = (bell.subscribe(), *count == 1);
        if first {
            listeners.changed.insert(id);
            self.0.wishes.notify_one();
        }
        drop(listeners);
        Bell { bells: self.clone(), id, rung }
    }

    /// Whether there is a connection over which bells can be heard.
    pub fn can_be_heard(&self) -> bool {
        self.0.heard.load(Relaxed)
    }

    /// Carries the bells, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let carry = async {
            let (mut trouble, mut again) = (false, false);
            loop {
                let carried = self.carry(&mut trouble, &mut again).await;
                self.0.heard.store(false, Relaxed);
                if let Err(error) = carried
                    && !std::mem::replace(&mut trouble, true)
                {
                    tracing::warn!(%error, "no bell can be heard; sessions are looked at now and then");
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        stop.run_until_cancelled(carry).await;
    }

    /// Carries them as long as the connection lasts. `again` says whether there was one before.
    async fn carry(&self, trouble: &mut bool, again: &mut bool) -> Result<(), Deaf> {
        let connection = tokio::time::timeout(TIMEOUT, self.0.redis.client.get_async_pubsub()).await?;
        let (mut sink, mut stream) = connection.map_err(RedisError::from)?.split();
        self.0.heard.store(true, Relaxed);
        METRICS.sessions.bell_reconnects.inc_by(u64::from(std::mem::replace(again, true)));
        if std::mem::take(trouble) {
            tracing::info!("bells can be heard again");
        }
        let mut subscribed = HashSet::new();
        self.wish_for_all();
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = stream.next() => {
                    if let Some(id) = self.session(message.ok_or(Deaf::Closed)?.get_channel_name()) {
                        self.ring(id);
                    }
                }
                () = self.0.wishes.notified() => self.fulfil(&mut sink, &mut subscribed).await?,
                _ = beat.tick() => in_time(sink.ping::<::redis::Value>()).await.map(drop)?,
            }
        }
    }

    /// Nothing is subscribed to: all that someone listens to is to be.
    fn wish_for_all(&self) {
        let mut listeners = self.listeners();
        let all: Vec<Uuid> = listeners.bells.keys().copied().collect();
        listeners.changed.extend(all);
        self.0.wishes.notify_one();
    }

    /// Subscribes to what someone has come for, and gives up what nobody listens to.
    async fn fulfil(&self, sink: &mut PubSubSink, subscribed: &mut HashSet<Uuid>) -> Result<(), Deaf> {
        let (come, gone) = self.take_wishes(subscribed);
        for ids in come.chunks(TOGETHER) {
            let channels: Vec<String> = ids.iter().map(|id| self.channel(*id)).collect();
            in_time(sink.subscribe(channels)).await?;
            subscribed.extend(ids);
            ids.iter().for_each(|id| self.ring(*id));
        }
        for ids in gone.chunks(TOGETHER) {
            let channels: Vec<String> = ids.iter().map(|id| self.channel(*id)).collect();
            in_time(sink.unsubscribe(channels)).await?;
            ids.iter().for_each(|id| _ = subscribed.remove(id));
        }
        Ok(())
    }

    fn take_wishes(&self, subscribed: &HashSet<Uuid>) -> (Vec<Uuid>, Vec<Uuid>) {
        let mut listeners = self.listeners();
        let changed = std::mem::take(&mut listeners.changed);
        let (wanted, unwanted): (Vec<_>, Vec<_>) = changed.into_iter().partition(|id| listeners.bells.contains_key(id));
        let come = wanted.into_iter().filter(|id| !subscribed.contains(id)).collect();
        (come, unwanted.into_iter().filter(|id| subscribed.contains(id)).collect())
    }

    fn channel(&self, id: Uuid) -> String {
        self.0.redis.name(&session::bell(id))
    }

    fn session(&self, channel: &str) -> Option<Uuid> {
        session::of_bell(channel.strip_prefix(&self.0.redis.prefix)?)
    }

    fn ring(&self, id: Uuid) {
        if let Some((bell, _)) = self.listeners().bells.get(&id) {
            bell.send_replace(());
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        // No code panics under this lock.
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    /// Waits until it rings; what rang before the last [`hush`](Self::hush) does not count.
    pub async fn rung(&mut self) {
        // The sender lives as long as anyone listens.
        let _ = self.rung.changed().await;
    }

    /// From here on a ring counts. To be called before one looks: what changes while one looks, rings again.
    pub fn hush(&mut self) {
        self.rung.borrow_and_update();
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut listeners = self.bells.listeners();
        let Some((_, count)) = listeners.bells.get_mut(&self.id) else { return };
        *count -= 1;
        if *count == 0 {
            listeners.bells.remove(&self.id);
            listeners.changed.insert(self.id);
            self.bells.0.wishes.notify_one();
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = RedisResult<T>>) -> Result<T, Deaf> {
    Ok(tokio::time::timeout(TIMEOUT, answer).await?.map_err(RedisError::from)?)
}

#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("Redis did not answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("Redis closed the subscription")]
    Closed,
}
