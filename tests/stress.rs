//! Every fault at full size, one after the other; prints the table of what came of it, and fails where a promise does.
//!
//! `STRESS_SECONDS` is about how long all of it takes (600), `STRESS_SEED` throws the same dice again, `STRESS_ONLY`
//! plays the faults whose name has this text.

#![expect(unreachable_pub, clippy::unwrap_used, reason = "a test binary has no users, and fails by panicking")]
#![allow(dead_code, unused_imports, reason = "it shares its support with the tests, which need more of it")]

#[path = "it/faults/mod.rs"]
mod faults;
#[path = "it/support/mod.rs"]
mod support;

use std::{panic::AssertUnwindSafe, process::ExitCode, str::FromStr, time::Instant};

use faults::{FAULTS, Fault};
use futures_util::FutureExt;
use support::{guests::Told, stage::Scale};

/// What all of it takes at pace 1, in seconds.
const SECONDS: f64 = 600.0;

fn main() -> ExitCode {
    let seed = setting("STRESS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let seconds: f64 = setting("STRESS_SECONDS").unwrap_or(SECONDS);
    let only: String = setting("STRESS_ONLY").unwrap_or_default();
    let scale = Scale { subscribers: 300, sockets: 12, rate: 100, pace: seconds / SECONDS, seed };
    println!("SEED={seed} SECONDS={seconds}\n");
    println!("| fault | subscribers | changes | lost | repeated | out of order | time to recover | promised |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let begun = Instant::now();
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.name.contains(&only)).collect();
    let mut told = Told::default();
    let broken = faults.iter().filter(|fault| !held(fault, scale, &mut told)).count();
    println!("\n{} faults in {:.0?}; {broken} broke a promise.", faults.len(), begun.elapsed());
    println!("Socket.IO and presence: {told}.");
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    let value = text.parse().ok();
    assert!(value.is_some(), "{name} cannot be {text}");
    value
}

/// Plays a fault and prints its row; whether all promises held.
fn held(fault: &Fault, scale: Scale, told: &mut Told) -> bool {
    // A runtime of its own: what one leaves behind, ends with it.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outcome = runtime.block_on(AssertUnwindSafe((fault.play)(scale)).catch_unwind());
    runtime.shutdown_background();
    let Ok(outcome) = outcome else {
        println!("| {} | – | – | – | – | – | failed |", fault.name);
        return false;
    };
    println!("{}", outcome.row(fault.name, fault.within));
    *told += outcome.told;
    outcome.notes.iter().for_each(|note| eprintln!("    {note}"));
    let breaches = outcome.breaches(scale.patience(fault.within));
    breaches.iter().for_each(|breach| eprintln!("    BROKEN: {breach}"));
    breaches.is_empty()
}
