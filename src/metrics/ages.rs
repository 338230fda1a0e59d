//! Ages that can be read back: how many changes were how old, in buckets so narrow that a quantile of them is one.
//!
//! The histograms that Prometheus reads cannot be read here, and their buckets are as wide as twice their beginning: a
//! median of them would be a guess. So each age is counted here too, by one number that goes up. A bucket is a
//! sixteenth as wide as its ages are large, and its middle is told: at most 3 % from what was.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Buckets between an age and twice that age.
const PARTS: u64 = 16;

/// The oldest age that is told from older ones, in microseconds: more than an hour.
const OLDEST: u64 = u32::MAX as u64;

const BUCKETS: usize = bucket(OLDEST) + 1;

/// How many changes were how old.
pub(super) struct Ages([AtomicU64; BUCKETS]);

/// The same at one instant. Of two instants, what came between can be told.
#[derive(Debug, Clone)]
pub struct Counted(Box<[u64]>);

impl Default for Ages {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Ages {
    pub(super) fn count(&self, age: Duration) {
        let micros = u64::try_from(age.as_micros()).unwrap_or(OLDEST).min(OLDEST);
        self.0[bucket(micros)].fetch_add(1, Relaxed);
    }

    pub(super) fn counted(&self) -> Counted {
        Counted(self.0.iter().map(|count| count.load(Relaxed)).collect())
    }
}

impl Counted {
    /// Those that were counted since.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self(self.0.iter().zip(&before.0).map(|(now, before)| now.saturating_sub(*before)).collect())
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The age that so large a part of them is not older than; none of nothing.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let rank = ((self.len() as f64 * part).ceil() as u64).max(1);
        let below = self.0.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        let found = below.enumerate().find(|(_, sum)| *sum >= rank);
        found.map(|(bucket, _)| Duration::from_micros(middle(bucket as u64)))
    }
}

/// How far an age is shifted until only its first digits are left.
const fn shift(micros: u64) -> u64 {
    (micros | PARTS).ilog2() as u64 - PARTS.ilog2() as u64
}

const fn bucket(micros: u64) -> usize {
    let shift = shift(micros);
    (shift * PARTS + (micros >> shift)) as usize
}

fn middle(bucket: u64) -> u64 {
    let shift = (bucket / PARTS).saturating_sub(1);
    ((bucket - shift * PARTS) << shift) + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_age_is_told_to_a_few_hundredths() {
        let mut micros = 1;
        while micros < OLDEST {
            let told = middle(bucket(micros) as u64);
            assert!(told.abs_diff(micros) as f64 <= micros as f64 * 0.035, "{micros} is told as {told}");
            assert!(bucket(micros + 1) - bucket(micros) <= 1, "no bucket is left out after {micros}");
            micros += micros / 97 + 1;
        }
    }

    #[test]
    fn quantiles_are_of_what_was_counted_meanwhile_alone() {
        let ages = Ages::default();
        (0..1000).for_each(|_| ages.count(Duration::from_secs(60)));
        let before = ages.counted();
        assert_eq!(before.since(&before).quantile(0.5), None);
        (1..=100).for_each(|age| ages.count(Duration::from_millis(age)));
        let counted = ages.counted().since(&before);
        let [half, most, all] = [0.5, 0.99, 1.0].map(|part| counted.quantile(part).unwrap().as_secs_f64());
        assert_eq!(counted.len(), 100);
        assert!((half - 0.05).abs() < 0.002 && (most - 0.099).abs() < 0.004 && (all - 0.1).abs() < 0.004);
        ages.count(Duration::MAX);
        assert!(ages.counted().since(&before).quantile(1.0).unwrap() > Duration::from_secs(4000));
    }
}
