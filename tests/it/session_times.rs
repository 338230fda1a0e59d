//! Sessions end by themselves when their time is up, by Redis's clock: not before, and once, whoever looks.

use std::time::Duration;

use futures_util::future::join_all;
use rowcast::{
    redis::session::{Bounds, Step},
    reply::{Reason, State},
};

use crate::support::{
    Figures, World,
    logs::{BOUNDS, Log, TOKEN, batch, final_batch, logs, opening},
    until,
};

/// Over before anyone looks, but not so soon that none is ever early.
const SHORT: Duration = Duration::from_millis(50);

const FAILED: Step = Step::Over { state: State::Failed, now: true };

/// When it was opened.
async fn born(log: &Log) -> u64 {
    u64::try_from(log.look().await.created.timestamp_millis()).unwrap()
}

/// Reaps it when it is due; why it failed, and which chunks were missing.
async fn reap(log: &Log) -> (Reason, Vec<u64>) {
    log.until_due().await;
    assert_eq!(log.reap().await, FAILED);
    let session = log.look().await;
    assert_eq!((session.state, log.due().await, log.texts().await.len()), (State::Failed, None, 0));
    (session.reason.unwrap(), session.missing)
}

#[tokio::test]
async fn before_its_time_nothing_is_done_for_a_session() {
    let world = World::new().await;
    let logs = [(); 4].map(async |()| Log::open(&world, BOUNDS).await);
    let logs = join_all(logs).await;
    logs[1].put(&batch(&[(0, "a"), (2, "c")])).await;
    logs[2].put(&final_batch(&[(0, "a")], 0)).await;
    logs[3].put(&batch(&[(0, "a")])).await;
    logs[3].logs.cancel(logs[3].id, "", true).await.unwrap();
    let before = logs[0].dump().await;
    for log in &logs {
        assert!(matches!(log.reap().await, Step::Open(_)));
    }
    assert_eq!(logs[0].dump().await, before);
    assert_eq!(logs[0].logs.due(10).await.unwrap(), (vec![], 4));
}

#[tokio::test]
async fn a_silent_producer_has_failed() {
    let world = World::new().await;
    let bounds = Bounds { idle: SHORT, ..BOUNDS };
    let [silent, alive] = [Log::open(&world, bounds.clone()).await, Log::open(&world, bounds).await];
    alive.put(&batch(&[(0, "a")])).await;
    for log in [silent, alive] {
        assert!(log.due().await.unwrap() <= log.now().await + 50);
        assert_eq!(reap(&log).await, (Reason::ProducerTimeout, vec![]));
    }
}

#[tokio::test]
async fn a_chunk_that_does_not_come_fails_the_session_and_is_named() {
    let world = World::new().await;
    let bounds = Bounds { missing: SHORT, ..BOUNDS };
    let parked = Log::open(&world, bounds.clone()).await;
    parked.put(&batch(&[(0, "a"), (2, "c"), (4, "e")])).await;
    assert_eq!(reap(&parked).await, (Reason::MissingChunk, vec![1, 3]));
    // Only the number of the last tells that there is something missing, and more behind what is parked.
    let named = Log::open(&world, bounds.clone()).await;
    named.put(&final_batch(&[(0, "a")], 2)).await;
    assert_eq!(reap(&named).await, (Reason::MissingChunk, vec![1, 2]));
    let both = Log::open(&world, bounds.clone()).await;
    both.put(&final_batch(&[(1, "b")], 3)).await;
    assert_eq!(reap(&both).await, (Reason::MissingChunk, vec![0, 2, 3]));
    let many = Log::open(&world, bounds).await;
    many.put(&final_batch(&[], 999)).await;
    assert_eq!(reap(&many).await, (Reason::MissingChunk, (0..100).collect()));
}

#[tokio::test]
async fn the_time_of_a_missing_chunk_begins_with_the_hole_and_ends_with_it() {
    let world = World::new().await;
    let log = Log::open(&world, BOUNDS).await;
    let began = log.now().await;
    log.put(&batch(&[(1, "b")])).await;
    let due = log.due().await.unwrap();
    assert!((began + 30_000..began + 50_000).contains(&due), "the hole is nearer than silence");
    until("time goes on", async || log.now().await > began + 5).await;
    // Neither a sign of life nor a later chunk fills it.
    for batch in [batch(&[]), batch(&[(3, "d")]), batch(&[(1, "b")]), final_batch(&[], 4)] {
        log.put(&batch).await;
        assert_eq!(log.due().await, Some(due));
    }
    // Another hole has a time of its own.
    let now = log.now().await;
    log.put(&batch(&[(0, "a")])).await;
    assert!(log.due().await.unwrap() >= now + 30_000);
    let full = Log::open(&world, BOUNDS).await;
    full.put(&batch(&[(1, "b")])).await;
    let now = full.now().await;
    full.put(&batch(&[(0, "a")])).await;
    assert!(full.due().await.unwrap() >= now + 60_000, "nothing is missing: silence counts");
}

#[tokio::test]
async fn no_session_is_open_longer_than_it_may_be_however_alive_it_is() {
    let world = World::new().await;
    let log = Log::open(&world, Bounds { age: SHORT, ..BOUNDS }).await;
    let end = born(&log).await + 50;
    assert_eq!(log.due().await, Some(end));
    log.put(&batch(&[(0, "a"), (2, "c")])).await;
    assert_eq!(log.due().await, Some(end));
    assert_eq!(reap(&log).await, (Reason::MaxAge, vec![]));
}

#[tokio::test]
async fn who_writes_a_whole_text_has_time_for_it_and_then_another_tries() {
    let world = World::new().await;
    let bounds = Bounds { lease: SHORT, ..BOUNDS };
    let log = Log::open(&world, bounds).await;
    log.put(&final_batch(&[(0, "a")], 0)).await;
    for _ in 0..3 {
        let due = log.due().await.unwrap();
        log.until_due().await;
        assert_eq!(log.reap().await, Step::Sealed);
        assert!(log.due().await.unwrap() > due);
    }
    // Whoever is at it may say so at any time.
    let long = Log::open(&world, BOUNDS).await;
    long.put(&final_batch(&[(0, "a")], 0)).await;
    let due = long.due().await.unwrap();
    until("the lease is longer", async || {
        assert_eq!(long.logs.reap(long.id, true).await.unwrap(), Step::Sealed);
        long.due().await.unwrap() > due
    })
    .await;
}

#[tokio::test]
async fn a_text_that_cannot_be_written_in_time_has_failed_and_is_kept() {
    let world = World::new().await;
    for held in [true, false] {
        let log = Log::open(&world, Bounds { lease: SHORT, persist: SHORT, ..BOUNDS }).await;
        log.put(&final_batch(&[(0, "a"), (1, "b")], 1)).await;
        log.until_due().await;
        assert_eq!(log.logs.reap(log.id, held).await.unwrap(), FAILED);
        let session = log.look().await;
        assert_eq!((session.reason, session.sealed), (Some(Reason::PersistFailed), false));
        assert_eq!((log.texts().await.concat().as_str(), log.due().await), ("ab", None));
    }
}

#[tokio::test]
async fn of_many_who_reap_at_the_same_time_one_ends_the_session() {
    let world = World::new().await;
    let bounds = Bounds { idle: SHORT, ..BOUNDS };
    for _ in 0..10 {
        let log = Log::open(&world, bounds.clone()).await;
        let reapers: Vec<_> = (0..8).map(|_| logs(&world, &world.redis_url, bounds.clone())).collect();
        log.until_due().await;
        let steps = join_all(reapers.iter().map(async |reaper| {
            let (due, _) = reaper.due(10).await.unwrap();
            assert!(due.iter().all(|id| *id == log.id));
            reaper.reap(log.id, false).await.unwrap()
        }));
        let steps = steps.await;
        assert_eq!(steps.iter().filter(|step| **step == FAILED).count(), 1, "{steps:?}");
        assert!(steps.iter().all(|step| matches!(step, Step::Over { state: State::Failed, .. })));
    }
}

#[tokio::test]
async fn nodes_that_reap_together_count_each_session_once() {
    const SESSIONS: usize = 120;
    let world = World::new().await;
    let settings = [("SESSION_IDLE_TIMEOUT", "50ms"), ("SESSION_REAP_INTERVAL", "10ms")];
    let nodes = [world.node_with(&settings).await, world.node_with(&settings).await];
    let first = Log::open(&world, Bounds { idle: SHORT, open: 1000, ..BOUNDS }).await;
    for _ in 1..SESSIONS {
        first.logs.open(&opening(uuid::Uuid::new_v4()), TOKEN).await.unwrap();
    }
    until("all are over", async || first.logs.due(1).await.unwrap() == (vec![], 0)).await;
    let counted = async || {
        let labels = [("reason", "producer_timeout")];
        let ended = nodes
            .each_ref()
            .map(async |node| Figures::of(node).await.get("rowcast_sessions_ended_total", &labels).unwrap() as usize);
        join_all(ended).await.iter().sum::<usize>()
    };
    until("they are counted", async || counted().await >= SESSIONS).await;
    assert_eq!(counted().await, SESSIONS);
}
