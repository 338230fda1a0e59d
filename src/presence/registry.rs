//! The registry: who is in which room on this node, and what of that Redis has yet to be told.
//!
//! It is the truth about this node's connections; what Redis has is what others believe of them. A room with something
//! to tell is in a queue, once; a batch of it is under way, one at a time. So what is told of a connection is told in
//! order, and however long Redis is away, nothing waits but the last word about each connection.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::redis::presence::Entry;

/// The most connections that are told of at once: Redis does nothing else meanwhile.
pub(super) const TOGETHER: usize = 256;

/// Into how many parts the rooms are cut of which it is told again that all are there.
pub(super) const PARTS: usize = 16;

/// Who is here.
#[derive(Default)]
pub(super) struct Registry {
    rooms: HashMap<Arc<str>, Room>,
    /// Rooms with something to tell, of which nothing is under way.
    queue: VecDeque<Arc<str>>,
    /// The number of the last connection.
    last: u64,
    /// How many connections are here.
    here: usize,
}

struct Room {
    connections: HashMap<u64, Connection>,
    /// Connections of which Redis has yet to be told how they are now.
    untold: BTreeSet<u64>,
    /// It is in the queue, or a batch of it is under way.
    queued: bool,
    part: usize,
}

struct Connection {
    user: Arc<str>,
    /// It has ended, and is there until then.
    until: Option<Instant>,
    /// Redis may know of it.
    told: bool,
}

/// What is told of a room at once.
pub(super) struct Batch {
    pub(super) room: Arc<str>,
    pub(super) entries: Vec<Entry>,
    /// How each connection was.
    was: Vec<(u64, Option<Instant>)>,
}

impl Registry {
    /// A connection of a user comes into a room. The room, and the connection's number.
    pub(super) fn enter(&mut self, room: &str, user: &str) -> (Arc<str>, u64) {
        let name = self.rooms.get_key_value(room).map_or_else(|| room.into(), |(name, _)| Arc::clone(name));
        self.last += 1;
        self.here += 1;
        let room = self.rooms.entry(Arc::clone(&name)).or_insert_with(Room::new);
        room.connections.insert(self.last, Connection { user: user.into(), until: None, told: false });
        room.untold.insert(self.last);
        self.enqueue(&name);
        (name, self.last)
    }

    /// A connection has ended, and is there until then.
    pub(super) fn go(&mut self, name: &Arc<str>, number: u64, until: Instant) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let Some(connection) = room.connections.get_mut(&number).filter(|one| one.until.is_none()) else { return };
        self.here -= 1;
        connection.until = Some(until);
        if connection.told {
            room.untold.insert(number);
            return self.enqueue(name);
        }
        // Nobody has ever known of it.
        room.connections.remove(&number);
        room.untold.remove(&number);
        self.tidy(name);
    }

    /// All connections end.
    pub(super) fn go_all(&mut self, until: Instant) {
        let here = |(name, room): (&Arc<str>, &Room)| {
            let here = room.connections.iter().filter(|(_, one)| one.until.is_none()).map(|(number, _)| *number);
            (Arc::clone(name), here.collect::<Vec<_>>())
        };
        let all: Vec<_> = self.rooms.iter().map(here).collect();
        for (name, numbers) in all {
            numbers.into_iter().for_each(|number| self.go(&name, number, until));
        }
    }

    /// It is to be told again who is in the rooms of this part.
    pub(super) fn beat(&mut self, part: usize) {
        let due = |(name, room): (&Arc<str>, &mut Room)| {
            (room.part == part).then(|| {
                room.untold.extend(room.connections.keys());
                Arc::clone(name)
            })
        };
        let due: Vec<_> = self.rooms.iter_mut().filter_map(due).collect();
        due.iter().for_each(|name| self.enqueue(name));
    }

    /// What is to be told next. Nothing else of that room is, until it is [done](Self::done).
    pub(super) fn take(&mut self, ttl: Duration) -> Option<Batch> {
        let name = self.queue.pop_front()?;
        let (room, now) = (self.rooms.get_mut(&name)?, Instant::now());
        let (mut entries, mut was) = (Vec::new(), Vec::new());
        while was.len() < TOGETHER
            && let Some(number) = room.untold.pop_first()
        {
            let Some(connection) = room.connections.get_mut(&number) else { continue };
            connection.told = true;
            was.push((number, connection.until));
            let keep = connection.until.map_or(ttl, |until| until.saturating_duration_since(now));
            entries.push(Entry { connection: number, user: Arc::clone(&connection.user), keep });
        }
        Some(Batch { room: name, entries, was })
    }

    /// A batch was told, or has to be told again.
    pub(super) fn done(&mut self, batch: Batch, told: bool) {
        let Some(room) = self.rooms.get_mut(&batch.room) else { return };
        room.queued = false;
        for (number, was) in batch.was {
            if !told {
                room.untold.insert(number);
            } else if was.is_some() {
                room.connections.remove(&number);
            }
        }
        if !room.untold.is_empty() {
            self.enqueue(&batch.room);
        }
        self.tidy(&batch.room);
    }

    /// How many connections are here, and of how many Redis has yet to be told.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.here, self.rooms.values().map(|room| room.untold.len()).sum())
    }

    fn enqueue(&mut self, name: &Arc<str>) {
        if let Some(room) = self.rooms.get_mut(name)
            && !std::mem::replace(&mut room.queued, true)
        {
            self.queue.push_back(Arc::clone(name));
        }
    }

    /// Forgets a room with nobody in it. One in the queue is forgotten after its turn.
    fn tidy(&mut self, name: &Arc<str>) {
        if self.rooms.get(name).is_some_and(|room| room.connections.is_empty() && !room.queued) {
            self.rooms.remove(name);
        }
    }
}

impl Room {
    fn new() -> Self {
        let part = fastrand::usize(..PARTS);
        Self { connections: HashMap::new(), untold: BTreeSet::new(), queued: false, part }
    }
}
