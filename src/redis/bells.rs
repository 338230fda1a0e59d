//! Bells: each open session has one, and each room that somebody watches, and it rings on every node where someone
//! listens, whenever there is something to look at.
//!
//! A bell is a channel. One connection carries them all; who listens is subscribed when the first one does, and no longer
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

use super::{Redis, RedisError, TIMEOUT};
use crate::metrics::METRICS;

/// How often Redis is asked for a sign of life: with the time for its answer, a deaf connection is noticed in two seconds.
const BEAT: Duration = Duration::from_secs(1);

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(250);

/// The most bells that are subscribed to with one command.
const TOGETHER: usize = 256;

/// All bells; a cheap handle.
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
    bells: HashMap<Arc<str>, (watch::Sender<()>, usize)>,
    /// Those for which someone has come or gone since they were looked at.
    changed: HashSet<Arc<str>>,
}

/// One listener to a bell.
pub struct Bell {
    bells: Bells,
    channel: Arc<str>,
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

    /// Listens to a bell: the channel, before any prefix. If it cannot be heard yet, it rings when it can.
    pub fn listen(&self, channel: impl Into<Arc<str>>) -> Bell {
        let channel = channel.into();
        let mut listeners = self.listeners();
        let (bell, count) = listeners.bells.entry(Arc::clone(&channel)).or_insert_with(|| (watch::Sender::new(()), 0));
        *count += 1;
        let (rung, first) = (bell.subscribe(), *count == 1);
        if first {
            listeners.changed.insert(Arc::clone(&channel));
            self.0.wishes.notify_one();
        }
        drop(listeners);
        Bell { bells: self.clone(), channel, rung }
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
                    tracing::warn!(%error, "no bell can be heard; sessions and rooms are looked at now and then");
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
                    let message = message.ok_or(Deaf::Closed)?;
                    if let Some(channel) = message.get_channel_name().strip_prefix(&self.0.redis.prefix) {
                        self.ring(channel);
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
        let all: Vec<_> = listeners.bells.keys().cloned().collect();
        listeners.changed.extend(all);
        self.0.wishes.notify_one();
    }

    /// Subscribes to what someone has come for, and gives up what nobody listens to.
    async fn fulfil(&self, sink: &mut PubSubSink, subscribed: &mut HashSet<Arc<str>>) -> Result<(), Deaf> {
        let (come, gone) = self.take_wishes(subscribed);
        let names = |channels: &[Arc<str>]| -> Vec<String> {
            channels.iter().map(|channel| self.0.redis.name(channel)).collect()
        };
        for channels in come.chunks(TOGETHER) {
            in_time(sink.subscribe(names(channels))).await?;
            subscribed.extend(channels.iter().cloned());
            channels.iter().for_each(|channel| self.ring(channel));
        }
        for channels in gone.chunks(TOGETHER) {
            in_time(sink.unsubscribe(names(channels))).await?;
            channels.iter().for_each(|channel| _ = subscribed.remove(channel));
        }
        Ok(())
    }

    fn take_wishes(&self, subscribed: &HashSet<Arc<str>>) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        let mut listeners = self.listeners();
        let changed = std::mem::take(&mut listeners.changed);
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|channel| listeners.bells.contains_key(channel));
        let come = wanted.into_iter().filter(|channel| !subscribed.contains(channel)).collect();
        (come, unwanted.into_iter().filter(|channel| subscribed.contains(channel)).collect())
    }

    fn ring(&self, channel: &str) {
        if let Some((bell, _)) = self.listeners().bells.get(channel) {
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
        let Some((_, count)) = listeners.bells.get_mut(&self.channel) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        listeners.bells.remove(&self.channel);
        if self.bells.can_be_heard() {
            listeners.changed.insert(Arc::clone(&self.channel));
            self.bells.0.wishes.notify_one();
        } else {
            // Nothing is subscribed to, so nothing is to be given up; and that may be so for long.
            listeners.changed.remove(&self.channel);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_while_nothing_can_be_heard_leaves_nothing_behind() {
        let bells = Bells::new(Redis::new("redis://localhost", "").unwrap());
        for _ in 0..10 {
            drop([bells.listen("one"), bells.listen("two")]);
        }
        let Listeners { bells, changed } = &*bells.listeners();
        assert!(bells.is_empty() && changed.is_empty(), "{changed:?}");
    }
}
