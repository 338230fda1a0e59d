//! What a socket holds that is in a room where nothing is said, and what it costs that it comes.

use std::time::{Duration, Instant};

use super::sockets;
use crate::{
    report::{Report, Table, median},
    server::{
        Backend,
        socketio::{Chat, rival},
    },
};

/// How many, where the system lets a process have so many connections.
const SOCKETS: usize = 10_000;

/// How many are in a room.
const EACH: usize = 10;

const SETTLE: Duration = Duration::from_secs(3);

/// What one measurement gave.
struct Measured {
    /// KiB.
    each: f64,
    /// MiB, before anybody came.
    empty: f64,
    per_second: f64,
    /// Of the processor, for each that came.
    micros: f64,
}

pub async fn ask(backend: &Backend, report: &mut Report) {
    let count = SOCKETS.min(report.connections);
    let mut rows = Vec::new();
    for chat in Chat::all() {
        let mut measured = Vec::new();
        for _ in 0..report.rounds {
            measured.push(measure(backend, chat, count).await);
        }
        let of = |of: fn(&Measured) -> f64| median(measured.iter().map(of).collect());
        rows.push(vec![
            chat.name().to_owned(),
            format!("{:.1}", of(|one| one.each)),
            format!("{:.0}", of(|one| one.empty)),
            format!("{:.0}", of(|one| one.per_second)),
            format!("{:.0}", of(|one| one.micros)),
        ]);
    }
    let columns = ["", "KiB of the node for each", "MiB without any", "come a second", "CPU µs each, to come"];
    report.add(Table {
        name: "sockets",
        question: format!("Memory of {count} sockets, {EACH} in each room, where nothing is said"),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        notes: vec![rival(), "websocket from the beginning; each comes, connects and joins its room".to_owned()],
    });
}

async fn measure(backend: &Backend, chat: Chat, count: usize) -> Measured {
    let nodes = chat.start(backend).await;
    tokio::time::sleep(SETTLE).await;
    let [_, before] = nodes.usage();
    let begun = Instant::now();
    let _sockets = sockets(&nodes, count, count / EACH);
    let (seconds, [_, come]) = (begun.elapsed().as_secs_f64(), nodes.usage());
    tokio::time::sleep(SETTLE).await;
    let [_, after] = nodes.usage();
    let count = count as f64;
    Measured {
        each: (after.memory as f64 - before.memory as f64) / count,
        empty: before.memory as f64 / 1024.0,
        per_second: count / seconds,
        micros: (come.cpu - before.cpu).as_secs_f64() * 1e6 / count,
    }
}
