//! Who is connected, and in which rooms: whom a change is told.
//!
//! The library has no rooms, and one that has says only that some buffer was full, not whose.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use engineioxide::{Str, socket::Sid};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{room::Room, session::Session};
use crate::{
    hub::{Hub, Tap},
    metrics::METRICS,
    presence::Presence,
};

/// Who is where.
pub(super) struct Rooms {
    hub: Hub,
    presence: Presence,
    all: Mutex<All>,
    /// The first has come.
    come: Notify,
}

#[derive(Default)]
struct All {
    everyone: HashMap<Sid, One>,
    /// Each is watched until it goes from here.
    rooms: HashMap<Arc<str>, (Arc<Room>, DropGuard)>,
    /// Somebody follows the feed, or is to: from here.
    followed: bool,
    tap: Option<Tap>,
}

struct One {
    session: Arc<Session>,
    rooms: HashSet<Arc<str>>,
}

/// It is in as many rooms as it may be.
#[derive(Debug)]
pub(super) struct Full;

impl Rooms {
    pub(super) fn new(hub: Hub, presence: Presence) -> Self {
        Self { hub, presence, all: Mutex::default(), come: Notify::new() }
    }

    /// A session is connected. From here on the feed is followed.
    pub(super) fn enter(&self, session: &Arc<Session>) {
        let mut all = self.all();
        all.everyone.insert(session.id, One { session: Arc::clone(session), rooms: HashSet::new() });
        METRICS.socketio.connected.set(all.everyone.len() as i64);
        if !all.followed {
            all.followed = true;
            all.tap = Some(self.hub.tap());
            self.come.notify_one();
        }
    }

    /// It is so no longer, and in no room.
    pub(super) fn leave(&self, session: &Session) {
        let mut all = self.all();
        let Some(One { rooms, .. }) = all.everyone.remove(&session.id) else { return };
        rooms.iter().for_each(|room| all.part(session, room));
        METRICS.socketio.connected.set(all.everyone.len() as i64);
    }

    /// It is in a room, as this user: what is published from now on is told to it.
    pub(super) fn join(
        &self,
        session: &Arc<Session>,
        user: &Arc<str>,
        room: &Arc<str>,
        most: usize,
    ) -> Result<Arc<Room>, Full> {
        let mut all = self.all();
        let All { everyone, rooms, .. } = &mut *all;
        let one = everyone.get_mut(&session.id).ok_or(Full)?;
        if one.rooms.len() >= most && !one.rooms.contains(room) {
            return Err(Full);
        }
        one.rooms.insert(Arc::clone(room));
        let (joined, _) = rooms.entry(Arc::clone(room)).or_insert_with(|| self.open(room));
        joined.enter(session, user);
        let joined = Arc::clone(joined);
        METRICS.socketio.rooms.set(rooms.len() as i64);
        Ok(joined)
    }

    fn open(&self, room: &Arc<str>) -> (Arc<Room>, DropGuard) {
        let (room, gone) = (Arc::new(Room::new(Arc::clone(room))), CancellationToken::new());
        let (watched, presence) = (Arc::clone(&room), self.presence.clone());
        let watching = async move { watched.watch(&presence).await };
        tokio::spawn(gone.clone().run_until_cancelled_owned(watching));
        (room, gone.drop_guard())
    }

    /// It is in it no longer: nothing is told to it any more.
    pub(super) fn part(&self, session: &Session, room: &str) {
        let mut all = self.all();
        if all.everyone.get_mut(&session.id).is_some_and(|one| one.rooms.remove(room)) {
            all.part(session, room);
        }
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

    /// Puts a packet into the buffers of those in a room, or of all where none is named; how many they were.
    pub(super) fn tell(&self, room: Option<&str>, packet: impl FnOnce() -> Option<Str>) -> usize {
        match room {
            None => {
                let Some(packet) = packet() else { return 0 };
                self.everyone().iter().filter(|session| session.tell(packet.clone())).count()
            }
            Some(room) => {
                let room = self.all().rooms.get(room).map(|(room, _)| Arc::clone(room));
                room.map_or(0, |room| room.tell(packet))
            }
        }
    }

    /// All who are connected.
    pub(super) fn everyone(&self) -> Vec<Arc<Session>> {
        self.all().everyone.values().map(|one| Arc::clone(&one.session)).collect()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        // No code panics under this lock; if it did, what it holds would still be whole.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn part(&mut self, session: &Session, room: &str) {
        if self.rooms.get(room).is_some_and(|(room, _)| room.leave(session)) {
            self.rooms.remove(room);
            METRICS.socketio.rooms.set(self.rooms.len() as i64);
        }
    }
}
