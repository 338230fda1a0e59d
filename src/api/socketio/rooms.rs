//! Who is connected, and in which rooms: whom a change is told.
//!
//! The library has rooms too, and would say only that some buffer was full, not whose. A room is locked for as long as
//! it takes to put one packet into the buffers of all its members.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use engineioxide::{Str, socket::Sid};
use tokio::sync::Notify;

use super::session::Session;
use crate::{
    hub::{Hub, Tap},
    metrics::METRICS,
};

type Members = HashMap<Sid, Arc<Session>>;

/// Who is where.
pub(super) struct Rooms {
    hub: Hub,
    all: Mutex<All>,
    /// The first has come.
    come: Notify,
}

#[derive(Default)]
struct All {
    everyone: Members,
    rooms: HashMap<Arc<str>, Arc<Mutex<Members>>>,
    /// Somebody follows the feed, or is to: from here.
    followed: bool,
    tap: Option<Tap>,
}

impl Rooms {
    pub(super) fn new(hub: Hub) -> Self {
        Self { hub, all: Mutex::default(), come: Notify::new() }
    }

    /// A session is connected. From here on the feed is followed.
    pub(super) fn enter(&self, session: &Arc<Session>) {
        let mut all = self.all();
        all.everyone.insert(session.id, Arc::clone(session));
        METRICS.socketio.connected.set(all.everyone.len() as i64);
        if !all.followed {
            all.followed = true;
            all.tap = Some(self.hub.tap());
            self.come.notify_one();
        }
    }

    /// It is so no longer.
    pub(super) fn leave(&self, session: &Session, rooms: impl Iterator<Item = Arc<str>>) {
        let mut all = self.all();
        rooms.for_each(|room| all.part(session, &room));
        all.everyone.remove(&session.id);
        METRICS.socketio.connected.set(all.everyone.len() as i64);
    }

    /// It is in a room: what is published from now on is told to it.
    pub(super) fn join(&self, session: &Arc<Session>, room: &Arc<str>) {
        let mut all = self.all();
        let members = all.rooms.entry(Arc::clone(room)).or_default();
        locked(members).insert(session.id, Arc::clone(session));
        METRICS.socketio.rooms.set(all.rooms.len() as i64);
    }

    /// It is in it no longer: nothing is told to it any more.
    pub(super) fn part(&self, session: &Session, room: &str) {
        self.all().part(session, room);
    }

    /// Waits for somebody to be there; the feed from then on.
    pub(super) async fn somebody(&self) -> Tap {
        loop {
            if let Some(tap) = self.all().tap.take() {
                return tap;
            }
            self.come.notified().await;
        }
    }

    /// Whether nobody is there: then the feed need not be followed.
    pub(super) fn rest(&self) -> bool {
        let mut all = self.all();
        all.followed = !all.everyone.is_empty();
        !all.followed
    }

    /// Puts a packet into the buffers of those in a room, or of all where none is named; how many they were. It is made
    /// only if there is anyone.
    pub(super) fn tell(&self, room: Option<&str>, packet: impl FnOnce() -> Option<Str>) -> usize {
        let members = match room {
            None => Some(Arc::new(Mutex::new(self.all().everyone.clone()))),
            Some(room) => self.all().rooms.get(room).map(Arc::clone),
        };
        let Some(members) = members else { return 0 };
        let members = locked(&members);
        match packet() {
            Some(packet) => members.values().filter(|session| session.tell(packet.clone())).count(),
            None => {
                members.values().for_each(|session| session.end("feed"));
                0
            }
        }
    }

    /// All who are connected.
    pub(super) fn everyone(&self) -> Vec<Arc<Session>> {
        self.all().everyone.values().cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        locked(&self.all)
    }
}

impl All {
    fn part(&mut self, session: &Session, room: &str) {
        let Some(members) = self.rooms.get(room) else { return };
        let mut there = locked(members);
        there.remove(&session.id);
        let empty = there.is_empty();
        drop(there);
        if empty {
            self.rooms.remove(room);
            METRICS.socketio.rooms.set(self.rooms.len() as i64);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics under these locks; if it did, what they hold would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
