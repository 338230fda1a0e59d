//! The [storm](super::storm) in all weathers: while all is well, while connections to Redis are killed again and again,
//! and while a node dies and another one comes.
//!
//! What is random has a seed, which is told when a test fails; `STORM=` and that seed play it again, as far as processes
//! can be.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use tokio::time::{sleep, timeout};

use super::{
    ask_redis,
    storm::{CHUNKS, READERS, SESSIONS, SETTINGS, Storm},
    with_own_redis,
};
use crate::support::{Figures, Node, World, message, soon, until};

/// Longer than any storm lasts on a busy machine.
const LONGEST: Duration = Duration::from_secs(240);

fn seed() -> u64 {
    let seed = std::env::var("STORM").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    eprintln!("STORM={seed}");
    seed
}

/// Lets a storm rage while this happens, and judges it.
async fn rages(world: &World, storm: &Storm, stays: &Node, happens: impl Future<Output = ()>) {
    let mut stream = stays.stream("").await;
    let raged = async {
        tokio::select! {
            () = storm.rage() => {}
            () = async { happens.await; std::future::pending().await } => {}
        }
    };
    timeout(LONGEST, raged).await.expect("it ends");
    assert!(storm.refused.load(Relaxed) > 0, "the window was never come up against");
    stays.say(message("calm again")).await;
    storm.judge(world, &mut stream, "calm again").await;
}

#[tokio::test]
async fn in_fair_weather_each_reader_has_the_very_text() {
    let world = World::new().await;
    let (one, other) = tokio::join!(world.node_with(&SETTINGS), world.node_with(&SETTINGS));
    let storm = Storm::gather(vec![one.url.clone(), other.url.clone()], 4, seed()).await;
    rages(&world, &storm, &other, async {}).await;
    let sum = async |name, labels: &[(&str, &str)]| {
        let (one, other) = tokio::join!(Figures::of(&one), Figures::of(&other));
        one.get(name, labels).unwrap() + other.get(name, labels).unwrap()
    };
    until("all have gone", async || sum("rowcast_session_readers", &[]).await == 0.0).await;
    for (reason, least) in [("client", 1), ("over", SESSIONS * READERS)] {
        let ended = sum("rowcast_session_readers_ended_total", &[("reason", reason)]).await;
        assert!(ended >= least as f64, "{ended} ended as {reason}");
    }
}

#[tokio::test]
async fn though_all_connections_to_redis_are_killed_each_reader_has_the_very_text() {
    let (world, _redis, _dir) = with_own_redis().await;
    let (one, other) = tokio::join!(world.node_with(&SETTINGS), world.node_with(&SETTINGS));
    let storm = Storm::gather(vec![one.url.clone(), other.url.clone()], 60, seed()).await;
    let kill = async {
        loop {
            sleep(Duration::from_millis(200)).await;
            for kind in ["normal", "pubsub"] {
                ask_redis(&world, &format!("CLIENT KILL TYPE {kind} SKIPME yes")).await.unwrap();
            }
        }
    };
    rages(&world, &storm, &other, kill).await;
    let reconnects = Figures::of(&one).await.one("rowcast_bell_reconnects_total");
    assert!(reconnects >= 3.0, "{reconnects}");
}

#[tokio::test]
async fn though_a_node_dies_and_comes_again_each_reader_has_the_very_text() {
    let world = World::new().await;
    let (one, other) = tokio::join!(world.node_with(&SETTINGS), world.node_with(&SETTINGS));
    let storm = Storm::gather(vec![one.url.clone(), other.url.clone()], 10, seed()).await;
    let mut dying = one;
    let mut deaths = 0;
    let dies = async {
        for progress in [CHUNKS / 4, CHUNKS / 2, CHUNKS * 3 / 4] {
            while storm.progress.load(Relaxed) < progress {
                sleep(Duration::from_millis(5)).await;
            }
            dying.signal("KILL");
            soon("it dies", dying.process.wait()).await.unwrap();
            deaths += 1;
            dying = world.node_with(&SETTINGS).await;
            storm.nodes.write().unwrap()[0].clone_from(&dying.url);
        }
    };
    rages(&world, &storm, &other, dies).await;
    assert_eq!(deaths, 3);
}
