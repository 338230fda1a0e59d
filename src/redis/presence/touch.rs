//! What changes who is there.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use ::redis::Script;

use super::{Rooms, bell, milliseconds, script};
use crate::redis::Away;

static TOUCH: LazyLock<Script> = script!("touch.lua");
static DUE: LazyLock<Script> = script!("due.lua");

/// A connection of a user in a room, and how long it is there; not at all if that is nothing.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The connection, by a number of its node's own.
    pub connection: u64,
    /// Its user.
    pub user: Arc<str>,
    /// How long it is there.
    pub keep: Duration,
}

/// What a call has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touched {
    /// Users that were not there before.
    pub came: u64,
    /// Users that are not there any more.
    pub went: u64,
    /// Connections whose time was over.
    pub over: u64,
}

impl Rooms {
    /// Lets connections of a node be there or not, all of them at once. What is done by a call with a smaller number
    /// of the same node, and comes later, is not heeded.
    ///
    /// # Errors
    /// [`Away`]; then it may be done or not, or yet be done, and can be done again.
    pub async fn touch(&self, room: &str, node: &str, number: u64, entries: &[Entry]) -> Result<Touched, Away> {
        let mut call = self.touch_of(room);
        call.arg(0).arg(node).arg(number);
        for Entry { connection, user, keep } in entries {
            // Redis counts whole milliseconds, and nothing is nothing.
            let keep = milliseconds(*keep).max(u64::from(!keep.is_zero()));
            call.arg(format!("{node}{connection:x} {user}")).arg(keep);
        }
        self.touched(&call).await
    }

    /// Takes away those in a room whose time is over, so many at most.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn sweep(&self, room: &str, most: usize) -> Result<Touched, Away> {
        let mut call = self.touch_of(room);
        call.arg(most);
        self.touched(&call).await
    }

    /// Rooms in which somebody's time is over, so many at most.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn due(&self, most: usize) -> Result<Vec<String>, Away> {
        let mut call = self.of(&DUE);
        call.key(self.due_key()).arg(most);
        self.invoke(&call).await
    }

    fn touch_of(&self, room: &str) -> ::redis::ScriptInvocation<'static> {
        let mut call = self.of(&TOUCH);
        for part in ["", ":users", ":names", ":nodes"] {
            call.key(self.key(room, part));
        }
        call.key(self.due_key()).arg(room).arg(self.line.name(&bell(room))).arg(milliseconds(self.times.keep));
        call
    }

    async fn touched(&self, call: &::redis::ScriptInvocation<'_>) -> Result<Touched, Away> {
        let (came, went, over) = self.invoke(call).await?;
        Ok(Touched { came, went, over })
    }
}
