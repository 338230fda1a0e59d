//! Who is subscribed, by room: whom a change wakes.
//!
//! A change costs the subscribers of its room, not all of the node. A slot holds no data: only how to wake its
//! subscriber, and the few things the node may have to say to it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::task::AtomicWaker;
use slab::Slab;
use tokio::time::Instant;

use super::ring::Filter;

/// The place of one subscriber.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) waker: AtomicWaker,
    /// A keep-alive is due, if nothing else was written.
    pub(super) beat: AtomicBool,
    /// It is to go.
    pub(super) bye: AtomicBool,
    /// It is to go because its time is over, and not because the node goes away.
    pub(super) expired: AtomicBool,
}

impl Slot {
    fn tell(&self, flag: &AtomicBool) {
        flag.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// All slots of a node.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Slab<Arc<Slot>>,
    /// Those without a filter. In order, as they were added: a writer that goes through its sockets in the order in
    /// which they came finds the system's own records of them faster.
    everything: BTreeSet<usize>,
    rooms: HashMap<String, BTreeSet<usize>>,
    /// Those whose time ends, the next one first: one timer serves them all, and who has no end takes nothing here.
    ends: BTreeSet<(Instant, usize)>,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn add(&mut self, filter: &Filter, until: Option<Instant>) -> (usize, Arc<Slot>) {
        let slot = Arc::new(Slot::default());
        let key = self.slots.insert(Arc::clone(&slot));
        self.ends.extend(until.map(|until| (until, key)));
        match filter {
            Filter::All => drop(self.everything.insert(key)),
            Filter::Rooms(rooms) => {
                for room in rooms {
                    self.rooms.entry(room.clone()).or_default().insert(key);
                }
            }
        }
        (key, slot)
    }

    pub(super) fn remove(&mut self, key: usize, filter: &Filter, until: Option<Instant>) {
        self.slots.remove(key);
        if let Some(until) = until {
            self.ends.remove(&(until, key));
        }
        self.everything.remove(&key);
        let Filter::Rooms(rooms) = filter else { return };
        for room in rooms {
            if let Some(members) = self.rooms.get_mut(room) {
                members.remove(&key);
                if members.is_empty() {
                    self.rooms.remove(room);
                }
            }
        }
    }

    /// Those whom changes of `rooms` concern; `None` among them concerns everyone. Who is concerned by several is there
    /// several times: to be woken again costs less than to be looked up.
    pub(super) fn concerned(&self, rooms: &HashSet<Option<String>>) -> Vec<Arc<Slot>> {
        if rooms.contains(&None) {
            return self.slots.iter().map(|(_, slot)| Arc::clone(slot)).collect();
        }
        let members = rooms.iter().flatten().filter_map(|room| self.rooms.get(room)).flatten();
        members.chain(&self.everything).filter_map(|&key| self.slots.get(key)).cloned().collect()
    }

    /// Lets one of `parts` equal parts of all subscribers look whether they were silent.
    pub(super) fn beat(&self, part: usize, parts: usize) {
        for slot in self.part(part, parts) {
            slot.tell(&slot.beat);
        }
    }

    /// Says good-bye to one of `parts` equal parts of all subscribers.
    pub(super) fn bye(&self, part: usize, parts: usize) {
        for slot in self.part(part, parts) {
            slot.tell(&slot.bye);
        }
    }

    /// Says good-bye to those whose time is over; when the next one's will be.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Instant> {
        while let Some(&(until, key)) = self.ends.first() {
            if until > now {
                return Some(until);
            }
            self.ends.pop_first();
            if let Some(slot) = self.slots.get(key) {
                slot.expired.store(true, Ordering::Release);
                slot.tell(&slot.bye);
            }
        }
        None
    }

    fn part(&self, part: usize, parts: usize) -> impl Iterator<Item = &Arc<Slot>> {
        self.slots.iter().filter(move |(key, _)| key % parts == part).map(|(_, slot)| slot)
    }
}
