//! The board: what the watchers of a room on this node were told last, and where each of them has a seat.
//!
//! A watcher has no queue: it has a place among what was told, of which a few are kept for all. Who is further behind
//! is told anew who is there. A watcher costs its seat and nothing else.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use slab::Slab;

use super::{
    frame::{Told, What},
    roster::Roster,
};
use crate::metrics::METRICS;

/// What the watchers of a room share.
pub(super) struct Board {
    room: Arc<str>,
    pub(super) roster: Roster,
    /// Who is there now, if anybody has asked since it changed.
    state: Option<Arc<Told>>,
    /// What was told last, and how much before that.
    told: VecDeque<Arc<Told>>,
    floor: u64,
    most: usize,
    seats: Slab<Option<Waker>>,
}

/// Where a watcher is.
pub(super) struct Place {
    seat: usize,
    /// What it is told next; at first, who is there.
    next: Option<u64>,
}

impl Board {
    /// A board that keeps so much.
    pub(super) fn new(room: Arc<str>, most: usize) -> Self {
        let roster = Roster::new();
        Self { room, roster, state: None, told: VecDeque::new(), floor: 0, most, seats: Slab::new() }
    }

    /// How many watchers there are.
    pub(super) fn watchers(&self) -> usize {
        self.seats.len()
    }

    /// A seat.
    pub(super) fn sit(&mut self) -> Place {
        Place { seat: self.seats.insert(None), next: None }
    }

    /// The watcher is gone.
    pub(super) fn leave(&mut self, place: &Place) {
        self.seats.remove(place.seat);
    }

    /// What a watcher is told next. It is woken when there is something.
    pub(super) fn turn(&mut self, place: &mut Place, cx: &Context<'_>) -> Poll<Arc<Told>> {
        let end = self.floor + self.told.len() as u64;
        let behind = place.next.is_none_or(|next| next < self.floor);
        if behind && let Some(state) = self.state() {
            METRICS.presence.behind.inc_by(u64::from(place.next.is_some()));
            place.next = Some(end);
            return Poll::Ready(state);
        }
        if let Some(next) = place.next.as_mut()
            && let Some(told) = self.told.get(usize::try_from(*next - self.floor).unwrap_or(usize::MAX))
        {
            *next += 1;
            return Poll::Ready(Arc::clone(told));
        }
        self.seats[place.seat] = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Tells watchers of changes, or what they wait for at first. Whom to wake.
    #[must_use]
    pub(super) fn tell(&mut self, changes: Vec<What>) -> Vec<Waker> {
        if changes.is_empty() {
            return Vec::new();
        }
        self.state = None;
        for what in changes {
            METRICS.presence.told(what.name());
            self.told.push_back(Arc::new(Told::new(&self.room, what)));
            if self.told.len() > self.most {
                self.told.pop_front();
                self.floor += 1;
            }
        }
        self.seats.iter_mut().filter_map(|(_, waker)| waker.take()).collect()
    }

    fn state(&mut self) -> Option<Arc<Told>> {
        if self.state.is_none() {
            self.state = self.roster.state().map(|what| Arc::new(Told::new(&self.room, what)));
        }
        self.state.clone()
    }
}
