//! One room of the node: its sockets, and who is there of all nodes, as they are told.
//!
//! A room is watched once, for all its sockets. Who joins is told who is there under the same lock under which the others
//! are told who came and went: so from then on nothing is told twice, and nothing is missing.

use std::{
    collections::{BTreeSet, HashMap},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use engineioxide::{Str, socket::Sid};
use serde::Serialize;
use tokio::{sync::Notify, time::timeout};

use super::{packet, session::Session};
use crate::presence::{Presence, Told, What};

/// How long who joins waits until it is known who is there: Redis answers in a millisecond, or it is away, and then that
/// is told when it is back.
const PATIENCE: Duration = Duration::from_secs(1);

/// A room.
pub(super) struct Room {
    name: Arc<str>,
    inside: Mutex<Inside>,
    /// It is known who is there.
    known: Notify,
}

#[derive(Default)]
struct Inside {
    members: HashMap<Sid, Member>,
    there: Option<There>,
}

struct Member {
    session: Arc<Session>,
    user: Arc<str>,
    /// It has joined, and is told who comes and goes.
    joined: bool,
}

/// Who is there, of all nodes.
#[derive(Debug, Clone)]
pub(super) struct There {
    /// How many users.
    pub count: u64,
    /// Who; none where they are too many.
    pub users: Option<BTreeSet<Arc<str>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    room_id: &'a str,
    count: u64,
    users: &'a Option<BTreeSet<Arc<str>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Moved<'a> {
    room_id: &'a str,
    user_id: &'a str,
    count: u64,
}

impl Room {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name, inside: Mutex::default(), known: Notify::new() }
    }

    /// A socket comes in: from now on it is told what is said.
    pub(super) fn enter(&self, session: &Arc<Session>, user: &Arc<str>) {
        let member = || Member { session: Arc::clone(session), user: Arc::clone(user), joined: false };
        self.inside().members.entry(session.id).or_insert_with(member);
    }

    /// It is told nothing any more; whether nobody is left.
    pub(super) fn leave(&self, session: &Session) -> bool {
        let mut inside = self.inside();
        inside.members.remove(&session.id);
        inside.members.is_empty()
    }

    /// Who is there for one that has come in, itself among them; nothing where that cannot be known. From now on it is
    /// told who comes and goes.
    pub(super) async fn join(&self, session: &Session) -> Option<There> {
        timeout(PATIENCE, self.known()).await.ok();
        let mut inside = self.inside();
        let there = inside.there.clone();
        let member = inside.members.get_mut(&session.id)?;
        member.joined = true;
        there.map(|there| there.with(&member.user))
    }

    async fn known(&self) {
        let mut known = pin!(self.known.notified());
        // First the place in the queue, then the look.
        known.as_mut().enable();
        if self.inside().there.is_none() {
            known.await;
        }
    }

    /// Puts a packet into the buffers of all sockets; how many they were. It is made only if there is anyone; if it
    /// cannot be made, none of them has missed nothing.
    pub(super) fn tell(&self, packet: impl FnOnce() -> Option<Str>) -> usize {
        let inside = self.inside();
        let sessions = inside.members.values().map(|member| &member.session);
        match packet() {
            Some(packet) => sessions.filter(|session| session.tell(packet.clone())).count(),
            None => {
                sessions.for_each(|session| session.end("feed"));
                0
            }
        }
    }

    /// Tells the sockets who comes and goes; for ever.
    pub(super) async fn watch(&self, presence: &Presence) {
        let mut watch = presence.watch(&self.name);
        loop {
            let told = watch.next().await;
            self.learn(&told);
        }
    }

    fn learn(&self, told: &Told) {
        let mut inside = self.inside();
        let (packet, who) = inside.learn(&self.name, &told.what);
        for member in inside.members.values().filter(|member| member.joined && Some(&member.user) != who) {
            member.session.tell(packet.clone());
        }
        drop(inside);
        self.known.notify_waiters();
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // No code panics under this lock.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// The packet that tells of it, and who need not be told.
    fn learn<'a>(&mut self, room_id: &str, what: &'a What) -> (Str, Option<&'a Arc<str>>) {
        let there = self.there.get_or_insert(There { count: 0, users: None });
        let (event, user, count) = match what {
            What::State { count, users } => {
                *there = There { count: *count, users: users.as_ref().map(|users| users.iter().cloned().collect()) };
                let state = State { room_id, count: *count, users: &there.users };
                return (packet::told("roomState", &state), None);
            }
            What::Joined { user, count } => {
                there.users.iter_mut().for_each(|users| _ = users.insert(Arc::clone(user)));
                ("userJoined", user, *count)
            }
            What::Left { user, count } => {
                there.users.iter_mut().for_each(|users| _ = users.remove(user));
                ("userLeft", user, *count)
            }
        };
        // Who joins between two changes that were read together is told who is there by then, and how many those are.
        there.count = there.users.as_ref().map_or(count, |users| users.len() as u64);
        (packet::told(event, &Moved { room_id, user_id: user, count }), Some(user))
    }
}

impl There {
    /// With one who has just come: Redis may not have told yet.
    fn with(mut self, user: &Arc<str>) -> Self {
        if let Some(users) = &mut self.users {
            self.count += u64::from(users.insert(Arc::clone(user)));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_joins_between_changes_that_were_read_together_is_told_as_many_as_are_named() {
        let mut inside = Inside::default();
        let user = |name: &str| Arc::<str>::from(name);
        let count = |inside: &Inside| inside.there.as_ref().unwrap().count;
        inside.learn("a", &What::State { count: 1, users: Some(vec![user("ann")]) });
        let (packet, _) = inside.learn("a", &What::Joined { user: user("bob"), count: 3 });
        assert!(packet.contains(r#""count":3"#), "{packet}");
        assert_eq!(count(&inside), 2);
        inside.learn("a", &What::Joined { user: user("eve"), count: 3 });
        assert_eq!(count(&inside), 3);
        // Where nobody is named, the number is all there is.
        inside.learn("a", &What::State { count: 5000, users: None });
        inside.learn("a", &What::Left { user: user("eve"), count: 4999 });
        assert_eq!(count(&inside), 4999);
    }
}
