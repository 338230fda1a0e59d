//! How fast the relay works off what was committed at once, on the way to every node.

use std::time::Instant;

use rowcast::change::EventId;
use sqlx::{Connection, PgConnection};

use crate::{
    process::Place,
    report::{Report, Table, median},
    server::{Backend, Node, database, insert},
};

const CHANGES: usize = 100_000;

pub async fn ask(backend: &Backend, report: &mut Report) {
    let (mut written, mut drained) = (Vec::new(), Vec::new());
    for _ in 0..report.rounds {
        let database = database(backend).await;
        let leader = Node::leading(backend, &database, Place::Anywhere).await;
        let node = Node::start(backend, &database, Place::Anywhere, &[]).await;
        let mut session = PgConnection::connect(&database).await.unwrap();
        let from = head(&node).await;
        let begun = Instant::now();
        insert(&mut session, (0..CHANGES).map(|_| 0)).await;
        let committed = Instant::now();
        while head(&node).await.position < from.position + CHANGES as i64 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        written.push(CHANGES as f64 / (committed - begun).as_secs_f64());
        drained.push(CHANGES as f64 / committed.elapsed().as_secs_f64());
        drop(leader);
    }
    let (written, drained) = (median(written), median(drained));
    let row = |what: &str, rate: f64| vec![what.to_owned(), format!("{rate:.0}"), format!("{:.2}", rate / written)];
    report.add(Table {
        name: "relay",
        question: format!("{CHANGES} messages of 200 bytes, inserted by one statement"),
        columns: ["", "changes/s", "× the INSERT"].map(str::to_owned).to_vec(),
        rows: vec![
            row("PostgreSQL inserts and captures them", written),
            row("from its commit until another node has them all", drained),
        ],
        notes: Vec::new(),
    });
}

async fn head(node: &Node) -> EventId {
    node.health().await["hub"]["head"].as_str().unwrap().parse().unwrap()
}
