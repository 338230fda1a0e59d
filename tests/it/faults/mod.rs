//! Every fault that Rowcast promises to stand: a script each, played on a stage with readers and writers at work, and
//! judged alike. `cargo test` plays all of them small, `make stress` plays them large and prints the table.

mod clients;
mod leader;
mod nodes;
mod postgres;
mod redis;
mod volume;

use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::support::stage::{Outcome, Scale};

/// A fault, and what must hold after it.
pub struct Fault {
    /// What happens.
    pub name: &'static str,
    /// How long it may take until all subscribers have what was committed after it.
    pub within: Duration,
    /// Lets it happen.
    pub play: fn(Scale) -> LocalBoxFuture<'static, Outcome>,
}

/// Enough to see a breach, and little enough for every run of the tests.
#[cfg(test)]
const SMALL: Scale = Scale { subscribers: 40, sockets: 6, rate: 50, pace: 0.1, seed: 0 };

/// The table of faults, and a small test of each.
macro_rules! faults {
    ($($place:ident::$fault:ident within $within:literal s: $name:literal;)*) => {
        /// All faults.
        pub const FAULTS: &[Fault] = &[$(Fault {
            name: $name,
            within: Duration::from_secs($within),
            play: |scale| Box::pin($place::$fault(scale)),
        }),*];

        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $fault() {
            play_small($name).await;
        })*
    };
}

/// The README shows the table of a real run.
#[test]
fn the_readme_tells_what_came_of_each_fault() {
    let readme = include_str!("../../../README.md");
    let (_, table) = readme.split_once("<!-- faults -->").unwrap();
    let (table, _) = table.split_once("<!-- /faults -->").unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    for fault in FAULTS {
        let row = rows.iter().find(|row| row.get(1) == Some(&fault.name)).unwrap_or_else(|| panic!("{}", fault.name));
        assert_eq!(row[4..7], ["0", "0", "0"], "{}", fault.name);
        let recovered: f64 = row[7].trim_end_matches(" s").parse().unwrap();
        assert!(recovered <= fault.within.as_secs_f64(), "{}", fault.name);
        assert_eq!(row[8], format!("{} s", fault.within.as_secs()));
    }
    assert_eq!(rows.iter().filter(|row| row.len() > 8).count(), FAULTS.len() + 2, "a fault that is played no more");
}

#[cfg(test)]
async fn play_small(name: &str) {
    let scale = Scale { seed: crate::support::writers::seed(), ..SMALL };
    let fault = FAULTS.iter().find(|fault| fault.name == name).unwrap();
    let outcome = (fault.play)(scale).await;
    let breaches = outcome.breaches(scale.patience(fault.within));
    assert!(breaches.is_empty(), "{breaches:#?}\n{}\n{:#?}", outcome.row(name, fault.within), outcome.notes);
}

faults! {
    leader::killed_between_tick_and_publish within 5 s: "leader killed between tick and publish";
    leader::killed_after_publish within 5 s: "leader killed after publish";
    leader::stopped_and_continued within 5 s: "leader stopped for 10 s (SIGSTOP, SIGCONT)";
    leader::cut_from_postgres within 5 s: "leader's network to PostgreSQL falls silent";
    postgres::restarted within 5 s: "PostgreSQL restarted (fast)";
    postgres::crashed within 5 s: "PostgreSQL restarted (immediate)";
    postgres::listeners_ended within 2 s: "listening backends terminated, 5 times";
    postgres::all_sessions_ended within 5 s: "all sessions terminated, 5 times";
    postgres::long_transactions within 2 s: "write transactions open for 60 s, here and elsewhere";
    postgres::statement_timeout within 5 s: "statement timeout 5 ms, idle timeout 200 ms";
    postgres::connections_exhausted within 5 s: "connection limit reached, leader's session lost";
    postgres::standby_promoted within 5 s: "standby promoted that lacks the last changes";
    redis::stopped within 2 s: "Redis stopped for 30 s";
    redis::crashed_and_empty within 2 s: "Redis killed, restarted empty";
    redis::emptied within 2 s: "FLUSHALL, 3 times";
    redis::clients_killed within 2 s: "CLIENT KILL of all, 10 times";
    redis::output_buffer_full within 2 s: "output buffer limit hit";
    redis::paused within 2 s: "CLIENT PAUSE for 20 s";
    redis::silently_detached within 2 s: "a node subscribed and deaf";
    nodes::killed within 5 s: "two nodes of three killed";
    nodes::terminated within 5 s: "a node terminated (SIGTERM)";
    nodes::restarted_in_turn within 5 s: "three nodes restarted in turn";
    clients::who_read_nothing within 5 s: "500 clients that read nothing";
    clients::who_return_at_once within 30 s: "5,000 clients back at once, each 1,000 behind";
    clients::who_vanish_at_once within 5 s: "10,000 clients gone at once, 500 others coming";
    clients::who_are_half_open within 5 s: "200 half-open clients";
    clients::who_take_every_descriptor within 5 s: "file descriptors exhausted";
    volume::huge_statements within 30 s: "200,000 rows in one statement, three times";
    volume::large_messages within 5 s: "messages of 1 MiB, 50 a second";
    volume::truncated within 5 s: "TRUNCATE, 3 times";
    volume::expired_while_behind within 5 s: "a reader further behind than the log keeps";
    volume::trimmed_all_the_time within 5 s: "log trimmed all the time";
}
