//! The quota: how many of something each may have at once.
//!
//! Only those who have any are held: it is no larger than what it counts, however many have come and gone.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many each has, and the most.
#[derive(Debug)]
pub struct Quota<K> {
    most: usize,
    taken: Mutex<HashMap<K, usize>>,
}

impl<K: Eq + Hash> Quota<K> {
    /// So many for each; 0 is no bound.
    pub fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// Whether there is a bound: without one, nothing need be counted.
    pub fn is_bounded(&self) -> bool {
        self.most > 0
    }

    /// Takes one more, if `who` has not had its most; whoever has taken one gives it back.
    pub fn take(&self, who: K) -> bool {
        let mut taken = self.taken();
        let count = taken.entry(who).or_default();
        let free = *count < self.most;
        *count += usize::from(free);
        free
    }

    /// Gives back one that was taken.
    pub fn give_back(&self, who: &K) {
        let mut taken = self.taken();
        if let Some(count) = taken.get_mut(who) {
            *count -= 1;
            if *count == 0 {
                taken.remove(who);
            }
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        // No code panics under this lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_most_and_leaves_nothing_behind() {
        let quota = Quota::new(2);
        assert!(quota.take("a") && quota.take("a") && !quota.take("a"));
        assert!(quota.take("b"), "others are not concerned");
        quota.give_back(&"a");
        assert!(quota.take("a") && !quota.take("a"));
        for who in ["a", "a", "b"] {
            quota.give_back(&who);
        }
        assert!(quota.taken().is_empty());
    }
}
