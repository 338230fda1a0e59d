//! The leader goes away, at the worst moments and in the worst ways.

use tokio::time::Instant;

use crate::support::{
    soon,
    stage::{Outcome, Scale, Stage},
    until,
};

/// Waits until the first node has died by itself, in the midst of its work.
async fn dies(stage: &mut Stage) -> Instant {
    use std::os::unix::process::ExitStatusExt;
    let status = soon("the failpoint is reached", stage.nodes[0].node.process.wait()).await.unwrap();
    assert_eq!(status.signal(), Some(9), "{status}");
    stage.hide(0);
    Instant::now()
}

async fn killed_at(scale: Scale, failpoint: &str) -> Outcome {
    let mut stage = Stage::open(scale, 3, &[("FAILPOINT", failpoint)], &[]).await;
    stage.write().await;
    let since = dies(&mut stage).await;
    stage.recovers(since, None).await;
    stage.flow(5.0).await;
    stage.close().await
}

/// Positions are given and durable, and nobody has been told.
pub async fn killed_between_tick_and_publish(scale: Scale) -> Outcome {
    killed_at(scale, "ticked:30").await
}

/// Redis knows, and the leader has not heard that it does.
pub async fn killed_after_publish(scale: Scale) -> Outcome {
    killed_at(scale, "published:30").await
}

/// It is taken for dead, its session is ended, another leads; then it goes on as if nothing had been.
pub async fn stopped_and_continued(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 3, &[], &[]).await;
    let since = Instant::now();
    stage.hide(0);
    stage.nodes[0].node.signal("STOP");
    stage.recovers(since, Some(0)).await;
    tokio::time::sleep_until(since + scale.span(10.0)).await;
    stage.nodes[0].node.signal("CONT");
    stage.show(0);
    until("the first node knows", async || !stage.leads(0).await).await;
    stage.flow(5.0).await;
    stage.close().await
}

/// Nothing comes through, and nothing is closed: only the silence tells.
pub async fn cut_from_postgres(scale: Scale) -> Outcome {
    let mut stage = Stage::busy(scale, 3, &[], &[("DATABASE_TIMEOUT", "2s")]).await;
    let since = Instant::now();
    stage.nodes[0].postgres.hush();
    stage.recovers(since, None).await;
    stage.flow(10.0).await;
    stage.nodes[0].postgres.mend();
    until("the first node knows", async || !stage.leads(0).await).await;
    stage.flow(5.0).await;
    stage.close().await
}
