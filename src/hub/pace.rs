//! The pace of those who come back: how fast they are brought to the head, all together.
//!
//! Five thousand that come back at once want gigabytes, those at the head a few bytes. All of them are served by the
//! same threads in turn, so without a bound the few bytes wait until the gigabytes are written: a second, where it was
//! milliseconds. To let fewer of them run at once does not help, since each of those runs on for as long as its client
//! takes what it is given. So after each write they wait, all together, until that much was due.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Sooner than this is now: a timer is no finer.
const NOW: Duration = Duration::from_millis(1);

/// Gives out bytes by time.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: u64,
    /// When all that was given out until now is used up.
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, next: Mutex::new(Instant::now()) }
    }

    /// Gives out so many bytes; when the next ones may follow them, if that is not now.
    pub(super) fn reserve(&self, bytes: usize) -> Option<Instant> {
        let now = Instant::now();
        // No code panics under this lock.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = now.max(*next) + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        (*next > now + NOW).then_some(*next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_are_given_out_in_order_and_in_time() {
        let (pace, begun) = (Pace::new(1000), Instant::now());
        let after = |at: Option<Instant>| at.map(|at| at - begun);
        assert_eq!(after(pace.reserve(1)), None);
        assert_eq!(after(pace.reserve(99)), Some(Duration::from_millis(100)));
        assert_eq!(after(pace.reserve(50)), Some(Duration::from_millis(150)));
        assert_eq!(after(pace.reserve(1)), Some(Duration::from_millis(151)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_took_is_not_saved_up() {
        let pace = Pace::new(1000);
        pace.reserve(100);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(pace.reserve(1), None);
        assert_eq!(pace.reserve(99), Some(Instant::now() + Duration::from_millis(100)));
    }
}
