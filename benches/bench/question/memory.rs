//! What an idle subscriber costs in memory.

use std::time::Duration;

use super::crowd;
use crate::{
    report::{Report, Table, median},
    server::{self, Backend},
};

/// How many subscribers, where the system lets a process have so many connections.
const COUNTS: [usize; 2] = [10_000, 50_000];

pub async fn ask(backend: &Backend, report: &mut Report) {
    for wanted in COUNTS {
        let subscribers = wanted.min(report.connections);
        let mut rows = Vec::new();
        for contestant in server::all() {
            let mut each = Vec::new();
            for _ in 0..report.rounds {
                let server = contestant.start(backend).await;
                let before = server.usage().memory;
                let _crowd = crowd(&*server, subscribers, vec![server.everything()], "").await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                each.push((server.usage().memory - before) as f64 / subscribers as f64);
            }
            rows.push(vec![contestant.name().to_owned(), format!("{:.2}", median(each))]);
        }
        let mut notes = Vec::new();
        if subscribers < wanted {
            notes.push(format!("{wanted} were meant; the system lets a process have {subscribers} connections"));
        }
        report.add(Table {
            name: "memory",
            question: format!("Memory of {subscribers} idle subscribers"),
            columns: ["", "KiB of the server for each"].map(str::to_owned).to_vec(),
            rows,
            notes,
        });
    }
}
