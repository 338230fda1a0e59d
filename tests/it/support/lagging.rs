//! A node that hears of the feed what the test tells it, and nothing else.

use std::time::Duration;

use redis::{AsyncCommands, aio::MultiplexedConnection};
use serde_json::json;
use tokio::{sync::watch, task::AbortHandle};

use super::{Node, World, until};

/// A node whose bus nobody but the test publishes on. It hears all the time how far the feed is said to have come: a
/// node that hears nothing, or no new canary, would look into the log by itself.
pub struct Lagging {
    pub node: Node,
    redis: MultiplexedConnection,
    prefix: String,
    heart: watch::Sender<Heart>,
    beating: AbortHandle,
}

/// What the node is told, again and again.
#[derive(Clone)]
struct Heart {
    head: String,
    /// The canary; a new one each time if there is none.
    canary: Option<String>,
}

impl Heart {
    fn beat(&self) -> String {
        let canary = self.canary.clone().unwrap_or_else(now);
        json!({ "event_id": self.head, "canary": canary }).to_string()
    }
}

impl Lagging {
    /// Starts it in a world where another node leads already, and the feed has come to `head`.
    pub async fn start(world: &World, head: &str) -> Self {
        let prefix = format!("{}elsewhere:", world.prefix);
        let redis = redis::Client::open(world.redis_url.as_str()).unwrap();
        let redis = redis.get_multiplexed_async_connection().await.unwrap();
        let heart = watch::Sender::new(Heart { head: head.to_owned(), canary: None });
        let beating = tokio::spawn(beat(redis.clone(), format!("{prefix}feed_heartbeat"), heart.subscribe()));
        let node = world.node_with(&[("REDIS_PREFIX", &prefix)]).await;
        until("the node hears", async || {
            let health = node.get("/health").await.body;
            health["bus"]["canary_seconds"].is_number() && health["hub"]["behind"] == false
        })
        .await;
        Self { node, redis, prefix, heart, beating: beating.abort_handle() }
    }

    /// Lets it hear from now on that the feed has come so far.
    pub fn tell_head(&self, head: &str) {
        self.heart.send_modify(|heart| head.clone_into(&mut heart.head));
    }

    /// Lets it hear the same canary from now on, as from a leader that stalls.
    pub fn repeat_canary(&self) {
        self.heart.send_modify(|heart| heart.canary = Some(now()));
    }

    /// Lets it hear something on a channel.
    pub async fn tell(&mut self, channel: &str, text: &str) {
        let heard: u32 = self.redis.publish(format!("{}{channel}", self.prefix), text).await.unwrap();
        assert_eq!(heard, 1);
    }
}

impl Drop for Lagging {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

async fn beat(mut redis: MultiplexedConnection, channel: String, heart: watch::Receiver<Heart>) {
    loop {
        let beat = heart.borrow().beat();
        let _: u32 = redis.publish(&channel, beat).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn now() -> String {
    rowcast::timestamp::text(&chrono::Utc::now())
}
