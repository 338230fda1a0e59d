//! How long a chunk takes from its producer to a reader, at the pace at which models write.
//!
//! Each chunk says when its request began, by the clock that all processes of a machine share.

use std::{cell::RefCell, rc::Rc, time::Duration};

use futures_util::StreamExt;
use tokio::{
    task::spawn_local,
    time::{MissedTickBehavior, interval},
};

use super::{SHARED, Scene, redis};
use crate::{
    question::count,
    report::{Report, Table, percentile},
    role::{
        crowd::{STAMP, stamps},
        now,
        producer::{Answered, Order},
    },
    server::Backend,
};

const SESSIONS: [usize; 2] = [1, 64];

/// Chunks a second in each session.
const PACE: f64 = 20.0;

const SETTLE: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(15);

/// How long it took in microseconds, of all rounds.
#[derive(Default)]
struct Micros {
    answered: Vec<u32>,
    here: Vec<u32>,
    elsewhere: Vec<u32>,
    bare: Vec<u32>,
}

pub async fn ask(_backend: &Backend, report: &mut Report) {
    let backend = super::backend().await;
    let mut all = SESSIONS.map(|_| Micros::default());
    for _ in 0..report.rounds {
        for (sessions, micros) in SESSIONS.into_iter().zip(&mut all) {
            measure(&backend, sessions, micros).await;
            micros.bare.extend(publish(&backend, sessions).await);
        }
    }
    report.add(table(&mut all));
    backend.services.stop().await;
}

async fn measure(backend: &Backend, sessions: usize, micros: &mut Micros) {
    let scene = Scene::begin(backend, 2, sessions).await;
    let [mut here, mut elsewhere] = [0, 1].map(|node| scene.readers(node, 1, false));
    let mut producer = scene.producer();
    producer.order(&Order::Write { chunks: 1, per_second: Some(PACE) });
    let mut counted = async |after| {
        tokio::time::sleep(after).await;
        producer.order(&Order::Count);
        let answered: Answered = producer.says();
        (answered.micros, count(&mut here).micros, count(&mut elsewhere).micros)
    };
    counted(SETTLE).await;
    let (of_answers, of_here, of_elsewhere) = counted(WINDOW).await;
    micros.answered.extend(of_answers);
    micros.here.extend(of_here);
    micros.elsewhere.extend(of_elsewhere);
}

/// The same through Redis alone: one connection publishes, another one has subscribed, to as many channels.
async fn publish(backend: &Backend, sessions: usize) -> Vec<u32> {
    let client = ::redis::Client::open(backend.services.redis_url()).unwrap();
    let mut bus = client.get_async_pubsub().await.unwrap();
    let channels: Vec<String> = (0..sessions).map(|session| format!("bare:{session}")).collect();
    bus.subscribe(&channels).await.unwrap();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let micros = Rc::clone(&heard);
    let listener = spawn_local(async move {
        let mut messages = bus.into_on_message();
        while let Some(message) = messages.next().await {
            let at = now();
            micros.borrow_mut().extend(stamps(message.get_payload_bytes()).map(|begun| ((at - begun) / 1000) as u32));
        }
    });
    let mut redis = redis(backend).await;
    let mut timer = interval(Duration::from_secs_f64(1.0 / PACE / sessions as f64));
    timer.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let end = tokio::time::Instant::now() + WINDOW;
    for channel in channels.iter().cycle() {
        if timer.tick().await > end {
            break;
        }
        let payload = format!("{STAMP}{}", now());
        let () = ::redis::cmd("PUBLISH").arg(channel).arg(payload).query_async(&mut redis).await.unwrap();
    }
    listener.abort();
    heard.take()
}

fn table(all: &mut [Micros]) -> Table {
    for micros in all.iter_mut() {
        let Micros { answered, here, elsewhere, bare } = micros;
        [answered, here, elsewhere, bare].into_iter().for_each(|micros| micros.sort_unstable());
    }
    let row = |stage: &str, of: fn(&Micros) -> &Vec<u32>| {
        let cell = |micros: &Micros| {
            let of = |thousandths| percentile(of(micros), thousandths) / 1000.0;
            format!("{:.2} / {:.2}", of(500), of(990))
        };
        std::iter::once(stage.to_owned()).chain(all.iter().map(cell)).collect()
    };
    let column = |sessions| format!("{sessions} at once, p50 / p99 ms");
    Table {
        name: "sessions",
        question: format!("How long a chunk takes: sessions of {PACE} chunks a second"),
        columns: std::iter::once("from the request until".to_owned()).chain(SESSIONS.map(column)).collect(),
        rows: vec![
            row("it is answered", |micros| &micros.answered),
            row("a reader on the same node has it", |micros| &micros.here),
            row("a reader on another node has it", |micros| &micros.elsewhere),
            row("for comparison: PUBLISH to Redis alone, until a subscriber has it", |micros| &micros.bare),
        ],
        notes: vec![SHARED.to_owned(), "each session has one reader on each of the two nodes".to_owned()],
    }
}
