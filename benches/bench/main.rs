//! The benchmark: one table for each question, ours beside the limit and every peer that this machine has.
//!
//! All take turns in the same run, each started anew, on a processor of its own; clients, PostgreSQL and Redis have the
//! others. What a server takes is read from the system, so that clients do not count. A figure is the median of the
//! rounds. `BENCH_ONLY=fanout,memory` asks some questions only, `BENCH_ROUNDS=1` is quick.

#![expect(unreachable_pub, clippy::unwrap_used, reason = "a benchmark has no users, and fails by panicking")]

mod plot;
mod process;
mod question;
mod report;
mod role;
mod server;

use process::Place;
use report::Report;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let plan = arguments.get(2).map_or("null", String::as_str);
    match arguments.get(1).map(String::as_str) {
        Some("crowd") => role::crowd::play(serde_json::from_str(plan).unwrap()),
        Some("limit") => role::limit::play(),
        Some("producer") => role::producer::play(serde_json::from_str(plan).unwrap()),
        Some("sockets") => role::sockets::play(serde_json::from_str(plan).unwrap()),
        Some("poster") => role::poster::play(&serde_json::from_str(plan).unwrap()),
        _ => run(),
    }
}

fn run() {
    let (_, most) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, most, most).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let rounds = std::env::var("BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    process::at(Place::Elsewhere, || {});
    let local = tokio::task::LocalSet::new();
    let report = local.block_on(&runtime, async {
        let backend = server::Backend::start(Place::Elsewhere).await;
        let mut report = Report::begin(rounds, most as usize);
        for (name, ask) in question::ALL {
            // `sessions` asks all that begins with it, and so does `sockets`.
            let family = name.split('-').next().unwrap_or_default();
            if only.is_empty() || only.split(',').any(|wanted| wanted == *name || wanted == family) {
                ask(&backend, &mut report).await;
            }
        }
        backend.services.stop().await;
        report
    });
    report.write();
}
