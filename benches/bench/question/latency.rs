//! How long a change takes, stage by stage, from the INSERT to the sockets of a thousand subscribers.
//!
//! Each message carries the instant at which its INSERT began. The other instants are taken where it comes by: when the
//! commit was answered, in the row of its tick, at another subscriber of the Redis channels, at the first subscriber of
//! the node, and at all of them.

use std::{cell::RefCell, rc::Rc, time::Duration};

use futures_util::StreamExt;
use rowcast::change::EventId;
use sqlx::{Connection, PgConnection};
use tokio::{
    task::spawn_local,
    time::{MissedTickBehavior, interval},
};

use super::{count, crowd};
use crate::{
    report::{Report, Table, percentile},
    role::{crowd::stamps, now},
    server::{Backend, Contestant, Load, insert},
};

const SUBSCRIBERS: usize = 1_000;
const SETTLE: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(5);

/// Sessions that write, so that commits do not wait for one another.
const WRITERS: u32 = 8;

/// When something began, and when it had come so far; in nanoseconds.
type Spans = Rc<RefCell<Vec<(u64, u64)>>>;

/// Where the changes were that came by on Redis, with the instants at which they began.
type Positions = Rc<RefCell<Vec<(i64, u64)>>>;

pub async fn ask(backend: &Backend, report: &mut Report) {
    for rate in [100, 2_000] {
        let bare = bare(backend, rate).await;
        let server = Contestant::Rowcast.start(backend).await;
        let database = server.database().expect("ours has one").to_owned();
        let mut crowd = crowd(&*server, SUBSCRIBERS, vec![server.everything()], "").await;
        let (committed, on_redis, positions) = (Spans::default(), Spans::default(), Positions::default());
        let mut tasks: Vec<_> =
            (0..WRITERS).map(|_| spawn_local(write(database.clone(), rate, Rc::clone(&committed)))).collect();
        let prefix = database.rsplit_once('/').expect("an address").1.to_owned();
        let redis = backend.services.redis_url().to_owned();
        tasks.push(spawn_local(listen(redis, prefix, Rc::clone(&on_redis), Rc::clone(&positions))));
        tokio::time::sleep(SETTLE).await;
        count(&mut crowd);
        committed.borrow_mut().clear();
        on_redis.borrow_mut().clear();
        positions.borrow_mut().clear();
        let before = server.usage().cpu;
        tokio::time::sleep(WINDOW).await;
        let counted = count(&mut crowd);
        let busy = (server.usage().cpu - before).as_secs_f64() / WINDOW.as_secs_f64();
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        let (committed, on_redis, positions) = (committed.take(), on_redis.take(), positions.take());
        let rows = vec![
            row("its commit is answered", &micros(&committed)),
            row("its tick is cut", &micros(&ticks(&database, &positions).await)),
            row("it is on Redis", &micros(&on_redis)),
            row("the first subscriber has it", &counted.first),
            row("any subscriber has it", &counted.micros),
            row("for comparison: a bare loop, from the making of an event until any subscriber has it", &bare),
        ];
        let columns = ["from the INSERT of a change until", "p50 ms", "p99 ms", "p99.9 ms"].map(str::to_owned).to_vec();
        let question = format!("Latency by stage: {rate} changes a second, {SUBSCRIBERS} subscribers");
        let notes = vec![format!("the node's processor was busy for {:.0} % of the time", 100.0 * busy)];
        report.add(Table { name: "latency", question, columns, rows, notes });
    }
}

/// How long the bare loop takes over as many events, in microseconds, sorted.
async fn bare(backend: &Backend, rate: u32) -> Vec<u32> {
    let mut server = Contestant::Limit.start(backend).await;
    let mut crowd = crowd(&*server, SUBSCRIBERS, vec![server.everything()], "").await;
    server.publish(Load { events_per_second: rate.into(), rooms: 1 });
    tokio::time::sleep(SETTLE).await;
    count(&mut crowd);
    tokio::time::sleep(WINDOW).await;
    count(&mut crowd).micros
}

fn row(stage: &str, sorted: &[u32]) -> Vec<String> {
    let of = |thousandths| format!("{:.2}", percentile(sorted, thousandths) / 1000.0);
    vec![stage.to_owned(), of(500), of(990), of(999)]
}

/// How long they took, in microseconds, sorted.
fn micros(spans: &[(u64, u64)]) -> Vec<u32> {
    let mut micros: Vec<u32> = spans.iter().map(|(from, to)| (to.saturating_sub(*from) / 1000) as u32).collect();
    micros.sort_unstable();
    micros
}

/// Writes its share of the changes, one transaction each.
async fn write(database: String, rate: u32, committed: Spans) {
    let mut session = PgConnection::connect(&database).await.unwrap();
    let mut timer = interval(Duration::from_secs(1) * WRITERS / rate);
    timer.set_missed_tick_behavior(MissedTickBehavior::Burst);
    // They do not all write at the same instant.
    tokio::time::sleep(Duration::from_millis(fastrand::u64(..10))).await;
    timer.reset();
    loop {
        timer.tick().await;
        let begun = now();
        insert(&mut session, std::iter::once(0)).await;
        committed.borrow_mut().push((begun, now()));
    }
}

/// Notes what comes by on Redis.
async fn listen(url: String, prefix: String, on_redis: Spans, positions: Positions) {
    let mut bus = redis::Client::open(url).unwrap().get_async_pubsub().await.unwrap();
    bus.psubscribe(format!("{prefix}*")).await.unwrap();
    let mut messages = bus.into_on_message();
    while let Some(message) = messages.next().await {
        let (at, payload) = (now(), message.get_payload_bytes().to_vec());
        let Some(begun) = stamps(&payload).next() else { continue };
        on_redis.borrow_mut().push((begun, at));
        let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let event_id: EventId = payload["event_id"].as_str().unwrap().parse().unwrap();
        positions.borrow_mut().push((event_id.position, begun));
    }
}

/// When the ticks of these changes were cut.
async fn ticks(database: &str, positions: &[(i64, u64)]) -> Vec<(u64, u64)> {
    let mut session = PgConnection::connect(database).await.unwrap();
    let query = "select first_position, first_position + count, (extract(epoch from at) * 1e6)::bigint * 1000 from feed.tick order by 1";
    let ticks: Vec<(i64, i64, i64)> = sqlx::query_as(query).fetch_all(&mut session).await.unwrap();
    let of = |position: i64| ticks.iter().rev().find(|(first, end, _)| (*first..*end).contains(&position));
    positions.iter().filter_map(|(position, begun)| Some((*begun, of(*position)?.2 as u64))).collect()
}
