//! How many chunks can be appended, beside what Redis takes without a server between.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;

use super::{SHARED, Scene, redis};
use crate::{
    process::{Place, at},
    report::{Report, Table, median, percentile},
    role::producer::{Answered, Order},
    server::{Backend, version, which},
};

/// Sessions that are written at the same time, and chunks in a request.
const SCENES: [(usize, usize); 4] = [(1, 1), (64, 1), (1, 16), (64, 16)];

const SETTLE: Duration = Duration::from_millis(500);
const WINDOW: Duration = Duration::from_secs(4);

/// As long as a chunk here.
const TEXT: &str = "a text of 21 bytes...";

/// The least that keeps a log, says how long it is, and rings: no token, no bounds, no order.
const LEAST: &str = "redis.call('XADD', KEYS[1], '*', 'c', ARGV[1])
redis.call('HSET', KEYS[2], 'count', 1)
return redis.call('PUBLISH', KEYS[3], 1)";

/// What a scene gave, in all rounds.
#[derive(Default)]
struct Figures {
    per_second: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    bare: Vec<f64>,
    least: Vec<f64>,
}

pub async fn ask(_backend: &Backend, report: &mut Report) {
    let backend = super::backend().await;
    let mut all = SCENES.map(|_| Figures::default());
    for _ in 0..report.rounds {
        for ((sessions, chunks), figures) in SCENES.into_iter().zip(&mut all) {
            let answered = append(&backend, sessions, chunks).await;
            figures.per_second.push(answered.chunks as f64 / answered.seconds);
            figures.p50.push(percentile(&answered.micros, 500) / 1000.0);
            figures.p99.push(percentile(&answered.micros, 990) / 1000.0);
            if which("redis-benchmark").is_some() {
                let script: String = ::redis::cmd("SCRIPT")
                    .arg("LOAD")
                    .arg(LEAST)
                    .query_async(&mut redis(&backend).await)
                    .await
                    .unwrap();
                let bare = ["XADD", "log:__rand_int__", "*", "c", TEXT];
                let least = ["EVALSHA", &script, "3", "log:__rand_int__", "it:__rand_int__", "bell:__rand_int__", TEXT];
                figures.bare.push(ask_redis(&backend, sessions, chunks, &bare).await);
                figures.least.push(ask_redis(&backend, sessions, chunks, &least).await);
            }
        }
    }
    report.add(table(&all));
    backend.services.stop().await;
}

async fn append(backend: &Backend, sessions: usize, chunks: usize) -> Answered {
    let scene = Scene::begin(backend, 1, sessions).await;
    let mut producer = scene.producer();
    producer.order(&Order::Write { chunks, per_second: None });
    tokio::time::sleep(SETTLE).await;
    producer.order(&Order::Count);
    let _warm_up: Answered = producer.says();
    tokio::time::sleep(WINDOW).await;
    producer.order(&Order::Count);
    producer.says()
}

/// How often a second Redis does this over so many connections, so many requests in a row.
async fn ask_redis(backend: &Backend, connections: usize, pipelined: usize, request: &[&str]) -> f64 {
    let requests = if pipelined == 1 { 200_000 } else { 1_000_000 };
    let mut command = Command::new(which("redis-benchmark").unwrap());
    command.args(["-u", backend.services.redis_url(), "--csv"]);
    for (option, value) in [("-c", connections), ("-n", requests), ("-r", connections), ("-P", pipelined)] {
        command.arg(option).arg(value.to_string());
    }
    command.args(request).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = at(Place::Anywhere, || command.spawn().unwrap()).wait_with_output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().last().unwrap_or_default();
    let rate = line.split("\",\"").nth(1).and_then(|rate| rate.parse().ok());
    rate.unwrap_or_else(|| panic!("redis-benchmark says {text:?}"))
}

fn table(all: &[Figures]) -> Table {
    let columns = [
        "sessions at once",
        "chunks a request",
        "chunks/s",
        "answer p50 / p99 ms",
        "redis-benchmark, XADD, 1/s",
        "XADD, HSET and PUBLISH in a script, 1/s",
        "of that script",
    ];
    let mut notes = vec![SHARED.to_owned()];
    if which("redis-benchmark").is_some() {
        let version = version("redis-benchmark", "--version");
        notes.push(format!("{version}, on as many connections; for several chunks a request, as many in a row"));
    }
    Table {
        name: "sessions",
        question: format!("Appending chunks of {} bytes to sessions that nobody reads", TEXT.len()),
        columns: columns.map(str::to_owned).to_vec(),
        rows: SCENES.into_iter().zip(all).map(|(scene, figures)| row(scene, figures)).collect(),
        notes,
    }
}

fn row((sessions, chunks): (usize, usize), figures: &Figures) -> Vec<String> {
    let of = |values: &[f64]| median(values.to_vec());
    let (rate, least) = (of(&figures.per_second), of(&figures.least));
    let there = |text: String| if figures.least.is_empty() { "no redis-benchmark".to_owned() } else { text };
    vec![
        sessions.to_string(),
        chunks.to_string(),
        format!("{rate:.0}"),
        format!("{:.2} / {:.2}", of(&figures.p50), of(&figures.p99)),
        there(format!("{:.0}", of(&figures.bare))),
        there(format!("{least:.0}")),
        there(format!("{:.0} %", 100.0 * rate / least)),
    ]
}
