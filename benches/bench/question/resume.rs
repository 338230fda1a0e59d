//! Thousands that come back at once, each far behind.

use std::time::Instant;

use super::begin;
use crate::{
    report::{Report, Table, median},
    role::crowd::{Counted, Order},
    server::{self, Backend, CONTENT},
};

const SUBSCRIBERS: usize = 10_000;
const BEHIND: usize = 1_000;

pub async fn ask(backend: &Backend, report: &mut Report) {
    let mut rows = Vec::new();
    for contestant in server::all().into_iter().filter(|contestant| contestant.keeps()) {
        let (mut seconds, mut micros, mut queries) = (Vec::new(), Vec::new(), None);
        let mut stayed = SUBSCRIBERS;
        for _ in 0..report.rounds {
            let mut server = contestant.start(backend).await;
            let past = server.past(BEHIND).await;
            let (before, reads, since) = (server.usage(), server.reads().await, Instant::now());
            let mut crowd = begin(&*server, SUBSCRIBERS, vec![past.path], &past.headers);
            crowd.order(&Order::Await(past.events));
            let _there: String = crowd.says();
            let counted: Counted = crowd.says();
            stayed = stayed.min(counted.subscribers);
            // Events alone do not say so where one holds many messages.
            let least = counted.subscribers * BEHIND * CONTENT;
            assert!(counted.bytes >= least as u64, "{} has not sent all that is missing", contestant.name());
            seconds.push(since.elapsed().as_secs_f64());
            let used = (server.usage().cpu - before.cpu).as_secs_f64();
            micros.push(used * 1e6 / (SUBSCRIBERS * BEHIND) as f64);
            queries = server.reads().await.zip(reads).map(|(after, before)| after - before);
        }
        let remark = if stayed < SUBSCRIBERS { format!(" ({stayed} stayed)") } else { String::new() };
        rows.push(vec![
            contestant.name().to_owned(),
            format!("{:.1}{remark}", median(seconds)),
            format!("{:.2}", median(micros)),
            queries.map_or("–".to_owned(), |queries| queries.to_string()),
        ]);
    }
    report.add(Table {
        name: "resume",
        question: format!("{SUBSCRIBERS} clients come back at once, each {BEHIND} messages behind"),
        columns: ["", "s until all are live", "server CPU µs a message", "queries"].map(str::to_owned).to_vec(),
        rows,
        notes: vec![
            "nchan sends all that its channel holds, which is as many".to_owned(),
            "Mercure keeps them in its database here, a file, and nowhere else; Centrifugo sends them as one event"
                .to_owned(),
            "Pushpin is not here: it keeps nothing, and leaves this to the origin".to_owned(),
        ],
    });
}
