//! The roster: who is in a room, as its watchers were told.
//!
//! What they are told next is the difference between that and what Redis says now. So whatever bells are lost, nothing
//! is told twice, and nobody comes twice without having gone. Who comes and goes between two readings was not there.
//!
//! When Redis begins another era, or was not heard for a while, it may lack somebody who is there. Until every node has
//! had the time to tell again who is there, nobody is told as gone of whom nothing is known since.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::frame::What;
use crate::redis::presence::Reading;

/// Who is in a room.
pub(super) struct Roster {
    known: Known,
    era: String,
    /// Something may have been missed.
    missed: bool,
    /// Until then somebody may be missing who is there.
    doubt: Option<Instant>,
}

enum Known {
    Nothing,
    Users {
        users: BTreeSet<Arc<str>>,
        /// Those of whom nothing was heard since there is doubt.
        doubtful: HashSet<Arc<str>>,
    },
    Count(u64),
}

impl Roster {
    /// One that knows nothing yet.
    pub(super) fn new() -> Self {
        Self { known: Known::Nothing, era: String::new(), missed: false, doubt: None }
    }

    /// Redis could not be read: who is not there next time may be there all the same.
    pub(super) fn miss(&mut self) {
        self.missed = true;
    }

    /// Until when somebody may be missing who is there.
    pub(super) fn doubt(&self) -> Option<Instant> {
        self.doubt
    }

    /// Who is there, once that is known.
    pub(super) fn state(&self) -> Option<What> {
        match &self.known {
            Known::Nothing => None,
            Known::Users { users, .. } => {
                Some(What::State { count: users.len() as u64, users: Some(users.iter().cloned().collect()) })
            }
            Known::Count(count) => Some(What::State { count: *count, users: None }),
        }
    }

    /// Whether only the number is known.
    pub(super) fn is_counted(&self) -> bool {
        matches!(self.known, Known::Count(_))
    }

    /// Learns what Redis says, of which others may lack something for `settle`. What is to be told; if that is more than
    /// `most`, it is who is there.
    pub(super) fn learn(&mut self, reading: Reading, settle: Duration, most: usize) -> Vec<What> {
        self.judge(&reading, settle);
        let before = match &self.known {
            Known::Nothing => 0,
            Known::Users { users, .. } => users.len() as u64,
            Known::Count(count) => *count,
        };
        let listed = reading.users.map(|users| users.into_iter().map(Arc::from).collect::<BTreeSet<Arc<str>>>());
        match (&mut self.known, listed) {
            (Known::Users { users, doubtful }, Some(listed)) => {
                let changes = differ(users, doubtful, &listed);
                if changes.len() > most { self.state().into_iter().collect() } else { changes }
            }
            // Who is missing cannot be told from who has gone.
            (Known::Users { .. } | Known::Count(_), _) if self.doubt.is_some() && reading.count < before => Vec::new(),
            (Known::Count(count), None) if *count == reading.count => Vec::new(),
            (known, Some(users)) => {
                *known = Known::Users { users, doubtful: HashSet::new() };
                self.state().into_iter().collect()
            }
            (known, None) => {
                *known = Known::Count(reading.count);
                self.state().into_iter().collect()
            }
        }
    }

    /// Finds out whether there is doubt, and who is doubtful.
    fn judge(&mut self, reading: &Reading, settle: Duration) {
        let now = Instant::now();
        let other = self.era != reading.era;
        self.era.clone_from(&reading.era);
        if matches!(self.known, Known::Nothing) {
            // Nobody is missed.
            self.missed = false;
        } else if std::mem::take(&mut self.missed) || other {
            let rest = if other { settle.saturating_sub(reading.age) } else { settle };
            self.doubt = self.doubt.max(Some(now + rest));
            if let Known::Users { users, doubtful } = &mut self.known {
                doubtful.extend(users.iter().cloned());
            }
        }
        if self.doubt.is_some_and(|until| until <= now) {
            self.doubt = None;
            if let Known::Users { doubtful, .. } = &mut self.known {
                doubtful.clear();
            }
        }
    }
}

/// Makes `users` those that are listed, and those that are doubtful. What has changed.
fn differ(users: &mut BTreeSet<Arc<str>>, doubtful: &mut HashSet<Arc<str>>, listed: &BTreeSet<Arc<str>>) -> Vec<What> {
    doubtful.retain(|user| !listed.contains(user));
    let gone: Vec<_> = users.difference(listed).filter(|user| !doubtful.contains(*user)).cloned().collect();
    let come: Vec<_> = listed.difference(users).cloned().collect();
    gone.iter().for_each(|user| _ = users.remove(user));
    users.extend(come.iter().cloned());
    // All at once, as it was read: who is not told of itself would else be left with a number from the midst of it.
    let count = users.len() as u64;
    let come = come.into_iter().map(|user| What::Joined { user, count });
    // In this order nobody who counts for himself finds a room empty in which one comes as another goes.
    come.chain(gone.into_iter().map(|user| What::Left { user, count })).collect()
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
