//! Who is subscribed, by room: whom a change wakes.
//!
//! A change costs the subscribers of its room, not all of the node. A slot holds no data: only how to wake its
//! subscriber, and two things the node may have to say to it.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::task::AtomicWaker;

use super::ring::Filter;

/// The place of one subscriber.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) waker: AtomicWaker,
    /// A keep-alive is due, if nothing else was written.
    pub(super) beat: AtomicBool,
    /// The node goes away.
    pub(super) bye: AtomicBool,
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
    next: u64,
    slots: HashMap<u64, Arc<Slot>>,
    /// Those without a filter.
    everything: HashSet<u64>,
    rooms: HashMap<String, HashSet<u64>>,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn add(&mut self, filter: &Filter) -> (u64, Arc<Slot>) {
        let (key, slot) = (self.next, Arc::new(Slot::default()));
        self.next += 1;
        self.slots.insert(key, Arc::clone(&slot));
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

    pub(super) fn remove(&mut self, key: u64, filter: &Filter) {
        self.slots.remove(&key);
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

    /// Those whom changes of `rooms` concern; `None` among them concerns everyone.
    pub(super) fn concerned(&self, rooms: &HashSet<Option<String>>) -> Vec<Arc<Slot>> {
        if rooms.contains(&None) {
            return self.slots.values().cloned().collect();
        }
        let members = rooms.iter().flatten().filter_map(|room| self.rooms.get(room)).flatten();
        let keys: HashSet<&u64> = members.chain(&self.everything).collect();
        keys.into_iter().filter_map(|key| self.slots.get(key)).cloned().collect()
    }

    /// Lets one of `parts` equal parts of all subscribers look whether they were silent.
    pub(super) fn beat(&self, part: u64, parts: u64) {
        for slot in self.part(part, parts) {
            slot.tell(&slot.beat);
        }
    }

    /// Says good-bye to one of `parts` equal parts of all subscribers.
    pub(super) fn bye(&self, part: u64, parts: u64) {
        for slot in self.part(part, parts) {
            slot.tell(&slot.bye);
        }
    }

    fn part(&self, part: u64, parts: u64) -> impl Iterator<Item = &Arc<Slot>> {
        self.slots.iter().filter(move |(key, _)| *key % parts == part).map(|(_, slot)| slot)
    }
}
