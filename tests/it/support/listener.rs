//! A plain subscriber of Redis, as any program in any language may be one.

use futures_util::StreamExt;
use redis::aio::PubSubStream;
use serde_json::Value;

use super::{World, soon};

/// The channels that carry changes.
pub const CHANNELS: [&str; 3] = ["new_messages", "updated_messages", "deleted_messages"];

/// A subscription to channels of a world.
pub struct Listener {
    messages: PubSubStream,
    prefix: String,
}

/// What was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The channel, without the world's prefix.
    pub channel: String,
    /// The payload as it was sent.
    pub text: String,
}

impl Heard {
    pub fn data(&self) -> Value {
        serde_json::from_str(&self.text).expect("the payload is JSON")
    }
}

impl Listener {
    /// Subscribed when this returns.
    pub async fn on(world: &World, channels: &[&str]) -> Self {
        let client = redis::Client::open(world.redis_url.as_str()).unwrap();
        let mut subscription = client.get_async_pubsub().await.unwrap();
        for channel in channels {
            subscription.subscribe(format!("{}{channel}", world.prefix)).await.unwrap();
        }
        Self { messages: subscription.into_on_message(), prefix: world.prefix.clone() }
    }

    /// The next message, which must come soon.
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Heard> {
        let next = soon("a message over Redis", self.messages.next());
        async {
            let message = next.await.expect("Redis goes on");
            let channel = message.get_channel_name().strip_prefix(&self.prefix).unwrap().to_owned();
            Heard { channel, text: message.get_payload().unwrap() }
        }
    }

    /// The next `count` messages.
    pub async fn take(&mut self, count: usize) -> Vec<Heard> {
        let mut heard = Vec::with_capacity(count);
        while heard.len() < count {
            heard.push(self.next().await);
        }
        heard
    }
}
