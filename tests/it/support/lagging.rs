//! A node that hears of the feed what the test tells it, and nothing else.

use redis::{AsyncCommands, aio::MultiplexedConnection};
use serde_json::json;

use super::{Node, World, until};

/// A node whose bus nobody but the test publishes on.
pub struct Lagging {
    pub node: Node,
    redis: MultiplexedConnection,
    prefix: String,
}

impl Lagging {
    /// Starts it in a world where another node leads already.
    pub async fn start(world: &World) -> Self {
        let prefix = format!("{}elsewhere:", world.prefix);
        let node = world.node_with(&[("REDIS_PREFIX", &prefix)]).await;
        until("the node hears", async || {
            let health = node.get("/health").await.body;
            health["bus"]["up"] == true && health["hub"]["behind"] == false
        })
        .await;
        let redis = redis::Client::open(world.redis_url.as_str()).unwrap();
        let redis = redis.get_multiplexed_async_connection().await.unwrap();
        Self { node, redis, prefix }
    }

    /// Lets it hear that the feed has come so far.
    pub async fn tell_head(&mut self, head: &str) {
        self.tell("feed_heartbeat", &json!({ "event_id": head }).to_string()).await;
    }

    /// Lets it hear something on a channel.
    pub async fn tell(&mut self, channel: &str, text: &str) {
        let heard: u32 = self.redis.publish(format!("{}{channel}", self.prefix), text).await.unwrap();
        assert_eq!(heard, 1);
    }

    /// Lets it hear again and again how far the feed has come, as long as it is waited for something: a node that
    /// hears nothing at all would look into the log by itself.
    pub async fn telling_head<T>(&mut self, head: &str, waited_for: impl Future<Output = T>) -> T {
        let telling = async {
            loop {
                self.tell_head(head).await;
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        };
        tokio::select! {
            () = telling => unreachable!("it goes on for ever"),
            done = waited_for => done,
        }
    }
}
