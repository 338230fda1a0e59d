//! How much a delivery costs, and how many there can be.

use std::time::Duration;

use super::{count, crowd};
use crate::{
    process::Role,
    report::{Report, Table, median, percentile},
    server::{self, Backend, Contestant, Load, Server},
};

/// How long a measurement takes, and what comes before and after it.
const WINDOW: Duration = Duration::from_secs(4);
const SETTLE: Duration = Duration::from_millis(1500);

/// Subscribers, and the rates at which they are told: two that are modest, then up to where none can keep up.
const SCENES: [(usize, &[f64]); 2] = [(1_000, &[20.0, 80.0, 800.0, 3200.0]), (10_000, &[2.0, 8.0, 80.0, 320.0])];

/// How many of these rates are modest.
const MODEST: usize = 2;

/// What one measurement gave.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    per_second: f64,
    /// Of the server's processors, for each delivery.
    pub micros: f64,
    /// Delivered, of what was due.
    share: f64,
    p50: f64,
    p99: f64,
}

pub async fn ask(backend: &Backend, report: &mut Report) {
    for (subscribers, rates) in SCENES {
        let loads: Vec<Load> = rates.iter().map(|&events_per_second| Load { events_per_second, rooms: 1 }).collect();
        compare(backend, report, question(subscribers), subscribers, &loads).await;
    }
}

fn question(subscribers: usize) -> String {
    format!("{subscribers} subscribers, messages of 200 bytes")
}

/// The same question at one rate.
fn at_rate(question: &str, rate: f64) -> String {
    format!("{question}, {rate} a second")
}

/// The questions at modest rates.
pub fn modest() -> Vec<String> {
    let of = |(subscribers, rates): (usize, &'static [f64])| {
        rates[..MODEST].iter().map(move |&rate| at_rate(&question(subscribers), rate))
    };
    SCENES.into_iter().flat_map(of).collect()
}

/// Measures everybody in turn under each of the loads, and reports a table for each.
pub async fn compare(backend: &Backend, report: &mut Report, question: String, subscribers: usize, loads: &[Load]) {
    let mut results: Vec<(Contestant, Vec<Vec<Measured>>)> =
        server::all().into_iter().map(|one| (one, vec![Vec::new(); loads.len()])).collect();
    for _ in 0..report.rounds {
        for (contestant, measured) in &mut results {
            let mut server = contestant.start(backend).await;
            let paths = match loads[0].rooms {
                1 => vec![server.everything()],
                rooms => (0..rooms).map(|room| server.path(room)).collect(),
            };
            let mut crowd = crowd(&*server, subscribers, paths, "").await;
            for (load, measured) in loads.iter().zip(measured) {
                measured.push(measure(&mut *server, &mut crowd, subscribers, *load).await);
            }
        }
    }
    for (number, load) in loads.iter().enumerate() {
        let question = at_rate(&question, load.events_per_second);
        let results = results.iter().map(|(one, measured)| (*one, measured[number].as_slice())).collect();
        report.add(table(question, results));
    }
}

/// Publishes for a while, and looks what comes of it.
pub async fn measure(server: &mut dyn Server, crowd: &mut Role, subscribers: usize, load: Load) -> Measured {
    server.publish(load);
    tokio::time::sleep(SETTLE).await;
    let (_, before) = (count(crowd), server.usage());
    tokio::time::sleep(WINDOW).await;
    let (counted, after) = (count(crowd), server.usage());
    server.publish(Load::NONE);
    // What is still on its way must not count for the next load.
    tokio::time::sleep(SETTLE).await;
    // Those that the server has lost meanwhile had theirs due, too.
    let due = load.events_per_second * (subscribers / load.rooms) as f64 * counted.seconds;
    Measured {
        per_second: counted.events as f64 / counted.seconds,
        micros: (after.cpu - before.cpu).as_secs_f64() * 1e6 / counted.events as f64,
        share: counted.events as f64 / due,
        p50: percentile(&counted.micros, 500) / 1000.0,
        p99: percentile(&counted.micros, 990) / 1000.0,
    }
}

/// A figure, if there is one: where nothing was delivered, nothing can be said of a delivery.
pub fn figure(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "–".to_owned() }
}

fn table(question: String, results: Vec<(Contestant, &[Measured])>) -> Table {
    let middle = |measured: &[Measured], of: fn(&Measured) -> f64| median(measured.iter().map(of).collect());
    let limit = middle(results[0].1, |one| one.micros);
    let row = |(contestant, measured): &(Contestant, &[Measured])| {
        let micros = middle(measured, |one| one.micros);
        vec![
            contestant.name().to_owned(),
            format!("{:.0}", middle(measured, |one| one.per_second)),
            format!("{:.0} %", 100.0 * middle(measured, |one| one.share)),
            figure(micros, 2),
            figure(micros / limit, 2),
            format!("{} / {}", figure(middle(measured, |one| one.p50), 1), figure(middle(measured, |one| one.p99), 1)),
        ]
    };
    let columns = ["", "deliveries/s", "of those due", "server CPU µs each", "× bare loop", "p50 / p99 ms"];
    Table {
        name: "fanout",
        question,
        columns: columns.map(str::to_owned).to_vec(),
        rows: results.iter().map(row).collect(),
        notes: Vec::new(),
    }
}
