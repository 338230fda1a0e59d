//! The tally of deliveries: the one count that is raised for every subscriber of every change.
//!
//! A number that all writers raise goes from one core's cache to another's each time, which would cost as much as a
//! tenth of all else that a delivery costs, beside its write. So each thread has numbers of its own, which nobody else
//! writes, and who asks adds them up. They outlive their thread: what was counted stays counted.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// What one thread has delivered. On a cache line that is no other thread's.
#[derive(Default)]
#[repr(align(128))]
struct Tally {
    events: AtomicU64,
    bytes: AtomicU64,
}

static ALL: Mutex<Vec<&'static Tally>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: &'static Tally = begin();
}

/// Few threads deliver, and they live as long as the process.
fn begin() -> &'static Tally {
    let tally: &'static Tally = Box::leak(Box::default());
    ALL.lock().unwrap_or_else(PoisonError::into_inner).push(tally);
    tally
}

/// Counts events that one stream is given, and their bytes.
pub fn delivered(events: usize, bytes: usize) {
    OWN.with(|own| {
        // Nobody else writes here, so reading and writing need not be one step.
        own.events.store(own.events.load(Relaxed) + events as u64, Relaxed);
        own.bytes.store(own.bytes.load(Relaxed) + bytes as u64, Relaxed);
    });
}

/// The events and bytes of all threads.
pub(super) fn sum() -> (u64, u64) {
    let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().fold((0, 0), |(events, bytes), one| (events + one.events.load(Relaxed), bytes + one.bytes.load(Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_have_counted_is_added_up_and_outlives_them() {
        let before = sum();
        let count = || (0..1000).for_each(|_| delivered(2, 30));
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(count);
            }
        });
        // Other tests of this process deliver too.
        assert!(sum().0 >= before.0 + 8000 && sum().1 >= before.1 + 120_000);
    }
}
