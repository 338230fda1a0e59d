//! Redis goes away, forgets, throws its clients out, or falls silent: the log serves, and then the fast road again.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{
    stage::{Outcome, Scale, Stage},
    until,
};

/// Every stream has everything within this, all the time.
const LIVE: Duration = Duration::from_secs(2);

/// Lets something befall Redis, and what ends it; the streams are to be live in between, and to be fed by Redis after.
async fn befalls(
    scale: Scale,
    seconds: f64,
    fault: impl AsyncFnOnce(&mut Stage),
    mend: impl AsyncFnOnce(&mut Stage),
) -> Outcome {
    let mut stage = Stage::busy(scale, 3, &[], &[]).await;
    stage.crowd.slowest();
    fault(&mut stage).await;
    let since = Instant::now();
    stage.recovers(since, None).await;
    stage.flow(seconds).await;
    let slowest = stage.crowd.slowest();
    stage.note(format!("slowest change meanwhile {slowest:.1?}"));
    if slowest > scale.patience(LIVE) {
        stage.outcome.wrong.push(format!("a change took {slowest:?} while Redis was away"));
    }
    mend(&mut stage).await;
    let mended = Instant::now();
    for node in 0..stage.nodes.len() {
        until("the bus is up again", async || stage.health(node).await["bus"]["up"] == true).await;
    }
    stage.note(format!("back on Redis after {:.1?}", mended.elapsed()));
    stage.flow(5.0).await;
    stage.close().await
}

async fn nothing(_: &mut Stage) {}

/// Away for half a minute; it comes back with what it had.
pub async fn stopped(scale: Scale) -> Outcome {
    let start = async |stage: &mut Stage| {
        stage.redis.start().await;
        stage.rewire().await;
    };
    befalls(scale, 30.0, async |stage| stage.redis.end("TERM").await, start).await
}

/// It crashes and comes back at once, with nothing.
pub async fn crashed_and_empty(scale: Scale) -> Outcome {
    let crash = async |stage: &mut Stage| {
        stage.redis.end("KILL").await;
        stage.redis.start().await;
        stage.rewire().await;
    };
    befalls(scale, 5.0, crash, nothing).await
}

/// It forgets everything, three times.
pub async fn emptied(scale: Scale) -> Outcome {
    let empty = async |stage: &mut Stage| {
        for _ in 0..3 {
            stage.redis_does(&["FLUSHALL"]).await;
            stage.flow(2.0).await;
        }
    };
    befalls(scale, 5.0, empty, nothing).await
}

/// It throws every client out, again and again.
pub async fn clients_killed(scale: Scale) -> Outcome {
    let kill = async |stage: &mut Stage| {
        for _ in 0..10 {
            stage.redis_does(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
            stage.redis_does(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    befalls(scale, 5.0, kill, nothing).await
}

/// It throws out a subscriber for which too much waits.
pub async fn output_buffer_full(scale: Scale) -> Outcome {
    let burst = async |stage: &mut Stage| {
        stage.redis_does(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 32kb 16kb 1"]).await;
        let burst = "insert into messages (content, sender_id)
            select repeat('burst', 100), gen_random_uuid() from generate_series(1, 2000)";
        stage.world.sql(burst).await;
    };
    let relax = async |stage: &mut Stage| {
        stage.redis_does(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60"]).await;
    };
    befalls(scale, 5.0, burst, relax).await
}

/// It keeps every connection and answers nobody.
pub async fn paused(scale: Scale) -> Outcome {
    let span = scale.span(20.0).max(Duration::from_secs(4)).as_millis().to_string();
    let pause = async |stage: &mut Stage| stage.redis_does(&["CLIENT", "PAUSE", &span, "ALL"]).await;
    befalls(scale, 20.0, pause, nothing).await
}

/// A node is subscribed and hears nothing, while all others do.
pub async fn silently_detached(scale: Scale) -> Outcome {
    let mend = async |stage: &mut Stage| stage.nodes[1].redis.mend();
    befalls(scale, 10.0, async |stage| stage.nodes[1].redis.hush(), mend).await
}
