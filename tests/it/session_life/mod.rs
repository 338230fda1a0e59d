//! The whole life of sessions, over HTTP, with nodes as processes: whatever comes in between, each reader has the very
//! text, and it becomes one message.

mod carriers;
mod ends;
mod feed;
mod reader;
mod storm;
mod table;
mod weather;

use tempfile::TempDir;

use crate::support::{Machine, World};

/// A world whose Redis is nobody else's, and may be killed.
async fn with_own_redis() -> (World, Machine, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (world, machine) = tokio::join!(World::new(), Machine::redis(dir.path()));
    (World { redis_url: machine.url().to_owned(), ..world }, machine, dir)
}

/// Asks the Redis of a world, as an administrator would; whatever it says.
async fn ask_redis(world: &World, command: &str) -> redis::RedisResult<redis::Value> {
    let client = redis::Client::open(world.redis_url.as_str()).unwrap();
    let (mut redis, mut words) = (client.get_multiplexed_async_connection().await?, command.split(' '));
    redis::cmd(words.next().unwrap()).arg(words.collect::<Vec<_>>()).query_async(&mut redis).await
}
