//! The receiving end of the bus: one subscription per node, for all channels.
//!
//! One connection, so that the order across channels holds. A subscription can go deaf without an error (a failover, a
//! proxy): the heartbeat tells, since it comes every half second as long as anyone leads.

use std::time::Duration;

use ::redis::aio::PubSub;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Redis, RedisError, TIMEOUT, publish::HEARTBEAT};
use crate::{
    change::{Channel, Published, Signal},
    metrics::METRICS,
};

/// Signals that wait for the node. Beyond that they are dropped, like anything Redis loses: the log has them.
const PENDING: usize = 4096;

/// Silence after which the subscription is taken for deaf: three heartbeats. With the reading of the log that follows,
/// streams are live again within two seconds.
const SILENCE: Duration = Duration::from_millis(1500);

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(500);

/// What the node hears.
pub type Bus = mpsc::Receiver<Signal>;

/// Subscribes, again and again, until `stop`.
pub fn subscribe(redis: Redis, stop: CancellationToken) -> Bus {
    let (out, bus) = mpsc::channel(PENDING);
    tokio::spawn(async move {
        let listen = async {
            let (mut trouble, mut again) = (false, false);
            loop {
                if let Err(error) = listen(&redis, &out, &mut trouble, &mut again).await
                    && !std::mem::replace(&mut trouble, true)
                {
                    tracing::warn!(%error, "the bus is down; changes are read from the log");
                }
                if out.send(Signal::Down).await.is_err() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! { () = listen => {}, () = stop.cancelled() => {} }
    });
    bus
}

#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("Redis did not answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("Redis closed the subscription")]
    Closed,
    #[error("no heartbeat for {}s", SILENCE.as_secs_f64())]
    Silent,
}

/// Listens as long as anything is heard. After trouble, only what is heard shows that it is over: while nobody leads,
/// one subscription after the other is silent. `again` says whether there was one before.
async fn listen(redis: &Redis, out: &mpsc::Sender<Signal>, trouble: &mut bool, again: &mut bool) -> Result<(), Deaf> {
    let mut subscription = tokio::time::timeout(TIMEOUT, connect(redis)).await??;
    METRICS.feed.redis_reconnects.inc_by(u64::from(std::mem::replace(again, true)));
    if !*trouble && out.send(Signal::Up).await.is_err() {
        return Ok(());
    }
    let heartbeats = redis.name(HEARTBEAT);
    let mut messages = subscription.on_message();
    loop {
        let message = tokio::time::timeout(SILENCE, messages.next()).await.map_err(|_| Deaf::Silent)?;
        let message = message.ok_or(Deaf::Closed)?;
        if std::mem::take(trouble) && out.send(Signal::Up).await.is_err() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(message.get_payload_bytes()).into_owned();
        let signal = match message.get_channel_name() == heartbeats {
            true => heartbeat(&text),
            false => change(text),
        };
        // A full queue loses the signal; the next one shows the hole.
        if let Some(signal) = signal
            && out.try_send(signal).is_err()
        {
            METRICS.feed.bus_dropped.inc();
        }
    }
}

async fn connect(redis: &Redis) -> Result<PubSub, RedisError> {
    let mut subscription = redis.client.get_async_pubsub().await?;
    let mut channels: Vec<String> = Channel::ALL.iter().map(|channel| redis.name(channel.name())).collect();
    channels.push(redis.name(HEARTBEAT));
    subscription.subscribe(channels).await?;
    Ok(subscription)
}

fn heartbeat(text: &str) -> Option<Signal> {
    serde_json::from_str(text).ok().map(Signal::Heartbeat)
}

/// Anyone may publish on a channel: what is no change is passed over.
fn change(text: String) -> Option<Signal> {
    match Published::parse(text) {
        Ok(change) => Some(Signal::Change(change)),
        Err(error) => {
            tracing::warn!(%error, "passed over a message on the bus");
            None
        }
    }
}

#[cfg(test)]
#[path = "bus_tests.rs"]
mod tests;
