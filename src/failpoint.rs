//! Places where a test lets the process die, as by `kill -9`: at the one instant that no signal from outside can be
//! trusted to hit. Without the feature `failpoints`, which only tests have, there is nothing here.
//!
//! `FAILPOINT=ticked:150` ends the process when it passes the place `ticked` for the 150th time.

/// Dies here, if a test wants it.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn pass(_place: &str) {}

/// Dies here, if a test wants it.
#[cfg(feature = "failpoints")]
pub(crate) fn pass(place: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };

    /// The place, and after how many passes.
    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let wanted = WANTED.get_or_init(|| {
        let wanted = std::env::var("FAILPOINT").ok()?;
        let (place, passes) = wanted.split_once(':')?;
        Some((place.to_owned(), passes.parse().ok()?))
    });
    let Some((at, passes)) = wanted else { return };
    if at == place && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *passes {
        let _ = nix::sys::signal::raise(nix::sys::signal::SIGKILL);
    }
}
