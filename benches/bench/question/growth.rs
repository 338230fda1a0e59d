//! How cost and memory grow with the number of subscribers, at the same number of deliveries.

use std::time::Duration;

use super::{count, crowd, fanout::measure};
use crate::{
    report::{Report, Table, median},
    server::{Backend, Contestant, Load},
};

const DELIVERIES: f64 = 40_000.0;

pub async fn ask(backend: &Backend, report: &mut Report) {
    let mut rows = Vec::new();
    for wanted in [100, 1_000, 10_000, 50_000] {
        let subscribers = usize::min(wanted, report.connections);
        let load = Load { events_per_second: DELIVERIES / subscribers as f64, rooms: 1 };
        let mut figures = Vec::new();
        for contestant in [Contestant::Limit, Contestant::Rowcast] {
            let (mut micros, mut memory) = (Vec::new(), Vec::new());
            for _ in 0..report.rounds {
                let mut server = contestant.start(backend).await;
                let before = server.usage().memory;
                let mut crowd = crowd(&*server, subscribers, vec![server.everything()], "").await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                memory.push((server.usage().memory - before) as f64 / subscribers as f64);
                count(&mut crowd);
                micros.push(measure(&mut *server, &mut crowd, subscribers, load).await.micros);
            }
            figures.push((median(micros), median(memory)));
        }
        let [(limit, bare), (ours, memory)] = figures[..] else { unreachable!() };
        rows.push(vec![
            subscribers.to_string(),
            format!("{limit:.2}"),
            format!("{ours:.2}"),
            format!("{:.2}", ours / limit),
            format!("{bare:.2}"),
            format!("{memory:.2}"),
        ]);
    }
    let columns =
        ["subscribers", "bare loop, CPU µs", "Rowcast, CPU µs", "ratio", "bare loop, KiB each", "Rowcast, KiB each"];
    report.add(Table {
        name: "growth",
        question: format!("{DELIVERIES} deliveries a second to more and more subscribers"),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        notes: vec!["a process can have fewer than 50,000 connections where the system says so".to_owned()],
    });
}
