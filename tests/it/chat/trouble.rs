//! A model may be silent, and Redis may go, come back, or lose what it had: a reply is whole, or readers are told.

use std::time::Duration;

use redis::{AsyncCommands, aio::MultiplexedConnection};

use super::*;
use crate::support::{Figures, Link};

#[tokio::test]
async fn while_the_model_is_silent_the_session_goes_on() {
    let short = [("SESSION_IDLE_TIMEOUT", "1s"), ("SESSION_REAP_INTERVAL", "100ms")];
    let (world, upstream, node) = stage([on_cue(&["a"])], &short).await;
    let id = ask(&node, &saying("hello")).await;
    until("it was silent for long", async || {
        let seen = look(&node, &id).await;
        assert_eq!(seen["reason"], json!(null), "{seen}");
        seen["age_ms"].as_u64().unwrap() > 3500
    })
    .await;
    upstream.cue();
    ended(&node, &id, "completed").await;
    assert_eq!(written(&world).await[1], replied(&id, "a"));
}

#[tokio::test]
async fn however_often_redis_goes_nothing_is_lost_or_said_twice() {
    let pieces: Vec<String> = (0..120).map(|number| format!("piece {number} 🦀 ")).collect();
    let script = pieces
        .iter()
        .fold(Script::stream(), |script, piece| script.say(text(OPENAI, piece)).pause(Duration::from_millis(25)));
    let script = script.say(stop(OPENAI)).end();
    let (world, upstream) = (World::new().await, Upstream::play([script]).await);
    let link = Link::to(&world.redis_url).await;
    let one = node(&world, &upstream, &[("REDIS_URL", link.url())]).await;
    let two = node(&world, &upstream, &[]).await;
    let held = HeldBack::of(&world).await;
    let id = ask(&one, &saying("hello")).await;
    let mut reader = follow(&two, &id, None).await;
    for times in 0..6 {
        reader.reach(times).await;
        link.cut();
        tokio::time::sleep(Duration::from_millis(20 * times)).await;
        link.mend();
    }
    held.until_seen(&mut reader, &pieces.concat()).await;
    assert_eq!(reader.last().await.name, "message_complete");
    assert_eq!(reader.text, pieces.concat());
    assert_eq!(written(&world).await, [said("hello"), replied(&id, &pieces.concat())]);
    assert_eq!(upstream.asked().len(), 1);
}

/// What Redis holds of a session.
struct Held {
    redis: MultiplexedConnection,
    keys: [String; 2],
    dumps: Vec<Vec<u8>>,
}

impl Held {
    async fn of(world: &World, id: &str) -> Self {
        let redis = redis::Client::open(&*world.redis_url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let keys = ["", ":log"].map(|part| format!("{}session:{{{id}}}{part}", world.prefix));
        let mut held = Self { redis, keys, dumps: Vec::new() };
        for key in &held.keys {
            held.dumps.push(redis::cmd("DUMP").arg(key).query_async(&mut held.redis).await.unwrap());
        }
        held
    }

    /// It has what it had then, and nothing of what came later.
    async fn go_back(&mut self) {
        let mut all = redis::pipe();
        all.atomic();
        for (key, dump) in self.keys.iter().zip(&self.dumps) {
            all.cmd("RESTORE").arg(key).arg(600_000).arg(dump).arg("REPLACE");
        }
        let _: redis::Value = all.query_async(&mut self.redis).await.unwrap();
    }
}

#[tokio::test]
async fn what_redis_has_lost_at_its_end_is_brought_again() {
    let pieces = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for window in ["0", "1", "256"] {
        let (world, upstream, one) = stage([on_cue(&pieces)], &[("SESSION_WINDOW", window)]).await;
        let two = node(&world, &upstream, &[("SESSION_WINDOW", window)]).await;
        let id = ask(&one, &saying("hello")).await;
        let mut reader = follow(&two, &id, None).await;
        reader.reach(0).await;
        let mut held = Held::of(&world, &id).await;
        for chunk in 1..=5 {
            upstream.cue();
            reader.reach(chunk).await;
        }
        held.go_back().await;
        for chunk in 6..=7 {
            upstream.cue();
            reader.reach(chunk).await;
        }
        upstream.cue();
        assert_eq!(reader.last().await.name, "message_complete");
        assert_eq!(reader.text, pieces.concat());
        assert_eq!(written(&world).await[1], replied(&id, &pieces.concat()));
    }
}

#[tokio::test]
async fn where_redis_has_lost_the_session_readers_are_told_and_the_model_is_hung_up_on() {
    let script = Script::stream().say(text(OPENAI, "a")).wait().say(text(OPENAI, "b")).hold();
    let (world, upstream, node) = stage([script], &[]).await;
    let id = ask(&node, &saying("hello")).await;
    let mut reader = follow(&node, &id, None).await;
    reader.reach(0).await;
    let mut held = Held::of(&world, &id).await;
    let gone: u8 = held.redis.del(&held.keys).await.unwrap();
    assert_eq!(gone, 2);
    upstream.cue();
    upstream.is_left(1).await;
    assert_failed(&reader.last().await, "expired", "");
    let forgotten = [("reason", "forgotten")];
    until("it is counted", async || Figures::of(&node).await.get("rowcast_chat_failed_total", &forgotten) == Some(1.0))
        .await;
    assert_eq!(node.get(&format!("/session/{id}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(written(&world).await, [said("hello")]);
}
