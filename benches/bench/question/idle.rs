//! What it costs to wait: nodes to which nothing happens, and subscribers that are only kept alive.

use std::time::Duration;

use super::crowd;
use crate::{
    process::{Place, usage},
    report::{Report, Table, median},
    server::{Backend, Contestant, Node, database},
};

/// Each subscriber is kept alive once in this time.
const WINDOW: Duration = Duration::from_secs(15);
const SETTLE: Duration = Duration::from_secs(2);

/// How many subscribers, where the system lets a process have so many connections.
const SUBSCRIBERS: usize = 50_000;

pub async fn ask(backend: &Backend, report: &mut Report) {
    let subscribers = SUBSCRIBERS.min(report.connections);
    let (mut leading, mut standing_by, mut kept_alive) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..report.rounds {
        let database = database(backend).await;
        let leader = Node::leading(backend, &database, Place::Server).await;
        let node = Node::start(backend, &database, Place::Server, &[]).await;
        tokio::time::sleep(SETTLE).await;
        let shares = shares(&[leader.id(), node.id()]).await;
        leading.push(shares[0]);
        standing_by.push(shares[1]);
        drop((leader, node));
        let server = Contestant::Rowcast.start(backend).await;
        let _crowd = crowd(&*server, subscribers, vec![server.everything()], "").await;
        tokio::time::sleep(SETTLE).await;
        kept_alive.push(self::shares(&server.processes()).await[0]);
    }
    let row = |what: String, shares: Vec<f64>| vec![what, format!("{:.2} %", 100.0 * median(shares))];
    report.add(Table {
        name: "idle",
        question: "Waiting".to_owned(),
        columns: ["", "of a processor"].map(str::to_owned).to_vec(),
        rows: vec![
            row("a node that leads".to_owned(), leading),
            row("a node that stands by".to_owned(), standing_by),
            row(format!("the same with {subscribers} subscribers, kept alive every 15 s"), kept_alive),
        ],
        notes: Vec::new(),
    });
}

/// What each of these processes takes of a processor.
async fn shares(processes: &[u32]) -> Vec<f64> {
    let used = || processes.iter().map(|&process| usage(&[process]).cpu).collect::<Vec<_>>();
    let before = used();
    tokio::time::sleep(WINDOW).await;
    used().iter().zip(before).map(|(after, before)| (*after - before).as_secs_f64() / WINDOW.as_secs_f64()).collect()
}
