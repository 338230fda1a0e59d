//! Who is there, as somebody was told it: what comes must follow from what came before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What one connection was told of its rooms.
#[derive(Debug, Default)]
pub struct View {
    rooms: BTreeMap<String, Option<BTreeSet<String>>>,
    /// Told to have come, and to have gone.
    pub joined: u64,
    pub left: u64,
    /// Who came that was there, or went that was not.
    pub wrong: Vec<String>,
}

impl View {
    /// A connection has ended: the next is told anew.
    pub fn forget(&mut self) {
        self.rooms.clear();
    }

    /// Of how many rooms it was told.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Who is there.
    pub fn state(&mut self, room: &str, users: &Value) {
        let users = users.as_array().map(|users| users.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        self.rooms.insert(room.to_owned(), users);
    }

    /// Somebody has come.
    pub fn joined(&mut self, room: &str, user: &str) {
        self.joined += 1;
        let new = self.rooms.get_mut(room).and_then(Option::as_mut).map(|users| users.insert(user.to_owned()));
        if new != Some(true) {
            self.wrong.push(format!("{user} came to {room}, and was there or nothing was known: {new:?}"));
        }
    }

    /// Somebody has gone.
    pub fn left(&mut self, room: &str, user: &str) {
        self.left += 1;
        let known = self.rooms.get_mut(room).and_then(Option::as_mut).map(|users| users.remove(user));
        if known != Some(true) {
            self.wrong.push(format!("{user} left {room}, and was not there or nothing was known: {known:?}"));
        }
    }

    /// Whether these are there, by what was told; who is asked is there without being told so.
    pub fn is(&self, room: &str, users: &BTreeSet<String>, own: &str) -> bool {
        let known = self.rooms.get(room).and_then(Option::as_ref);
        known.is_some_and(|known| known.iter().filter(|user| *user != own).eq(users.iter().filter(|user| *user != own)))
    }

    /// What was told of a room, to be shown.
    pub fn of(&self, room: &str) -> String {
        format!("{:?}", self.rooms.get(room))
    }
}
