//! What tells who is there.

use std::{sync::LazyLock, time::Duration};

use ::redis::{Script, ScriptInvocation};

use super::{Rooms, script};
use crate::redis::Away;

static READ: LazyLock<Script> = script!("read.lua");
static LIST: LazyLock<Script> = script!("list.lua");

/// Who is in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Since when nothing was lost.
    pub era: String,
    /// How long that is.
    pub age: Duration,
    /// How many users there are.
    pub count: u64,
    /// Who, by name; none if they are too many.
    pub users: Option<Vec<String>>,
}

/// A page of those who are in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// How many users there are, on all pages.
    pub count: u64,
    /// Those on this page, by name.
    pub users: Vec<Present>,
    /// Whether there are others after them.
    pub has_more: bool,
}

/// A user who is in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The user.
    pub user_id: String,
    /// How many connections of this user are there, or were a moment ago.
    pub connections: u64,
}

impl Rooms {
    /// Who is in a room; only how many, if there are more than `most`.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn read(&self, room: &str, most: u64) -> Result<Reading, Away> {
        let mut call = self.read_of(&READ, room);
        call.arg(most);
        let answer: Vec<String> = self.invoke(&call).await?;
        let mut answer = answer.into_iter();
        let mut next = || answer.next().unwrap_or_default();
        let (era, age, count) = (next(), next(), next().parse().unwrap_or_default());
        let age = Duration::from_millis(age.parse().unwrap_or_default());
        Ok(Reading { era, age, count, users: (count <= most).then(|| answer.collect()) })
    }

    /// A page of those who are in a room, by name, from after `after`.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn list(&self, room: &str, after: Option<&str>, limit: usize) -> Result<Listed, Away> {
        let mut call = self.read_of(&LIST, room);
        call.arg(after.map_or_else(|| "-".to_owned(), |after| format!("({after}"))).arg(limit + 1);
        let answer: Vec<String> = self.invoke(&call).await?;
        let mut answer = answer.into_iter();
        let count = answer.next().and_then(|count| count.parse().ok()).unwrap_or_default();
        let mut users = Vec::with_capacity(answer.len() / 2);
        while let (Some(user_id), Some(connections)) = (answer.next(), answer.next()) {
            users.push(Present { user_id, connections: connections.parse().unwrap_or_default() });
        }
        let has_more = users.len() > limit;
        users.truncate(limit);
        Ok(Listed { count, users, has_more })
    }

    fn read_of<'a>(&self, script: &'a Script, room: &str) -> ScriptInvocation<'a> {
        let mut call = self.of(script);
        for part in [":users", ":names", ":nodes"] {
            call.key(self.key(room, part));
        }
        call
    }
}
