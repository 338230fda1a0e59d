//! Who is in which room, as all nodes believe it.
//!
//! | key | what it is |
//! |---|---|
//! | `presence` | a sorted set: the rooms that somebody is in, by the instant at which the first there has to be heard of again |
//! | `presence:era` | the instant since which Redis has lost nothing, and has always been reached by some node |
//! | `presence:{room}` | a sorted set: connections with their users, by the instant until which they are there |
//! | `presence:{room}:users` | a hash: how many connections each user has |
//! | `presence:{room}:names` | a sorted set: the users by name |
//! | `presence:{room}:nodes` | a hash: the last call of each node that was heeded; and the era that all this is of |
//! | `presence:{room}:bell` | a channel: somebody has come or gone, look (see [`super::bells`]) |
//!
//! Nobody is there for ever. Who goes for good is taken away; who may come back, and whoever is on a node that dies,
//! is there until its time is over. All keys have an end, so nothing stays when all nodes are gone.
//!
//! Two things would be told wrongly without more. A call can be held up, and overtaken by a later one of its node: so
//! calls have numbers. And where Redis was away for a while, or has lost something, it does not know who is there any
//! more, while all nodes do: so another era begins, of which nothing is known. Who reads can tell by it that somebody
//! is missing from somebody who has gone.

mod read;
mod touch;

use std::time::Duration;

use ::redis::{FromRedisValue, Script, ScriptInvocation};

pub use read::{Listed, Present, Reading};
pub use touch::{Entry, Touched};

use super::{Away, Line, milliseconds};

/// A script, after what all of them begin with.
macro_rules! script {
    ($file:literal) => {
        ::std::sync::LazyLock::new(|| ::redis::Script::new(concat!(include_str!("era.lua"), include_str!($file))))
    };
}
use script;

/// How long what is believed.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long an era lasts in which no node is heard of. Shorter than anybody is there who is not heard of.
    pub era: Duration,
    /// How long anything is kept: longer than anybody is there.
    pub keep: Duration,
}

/// All rooms, as one node sees them; a cheap handle.
#[derive(Clone)]
pub struct Rooms {
    line: Line,
    times: Times,
}

impl Rooms {
    /// Rooms in which things are believed for so long.
    pub fn new(line: Line, times: Times) -> Self {
        Self { line, times }
    }

    fn key(&self, room: &str, part: &str) -> String {
        self.line.name(&format!("presence:{{{room}}}{part}"))
    }

    fn due_key(&self) -> String {
        self.line.name("presence")
    }

    /// A script with what all begin with.
    fn of<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.key(self.line.name("presence:era"));
        call.arg(milliseconds(self.times.era));
        call
    }

    async fn invoke<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Away> {
        self.line.ask(|mut redis| async move { call.invoke_async(&mut redis).await }).await
    }
}

/// The channel on which the bell of a room rings, before any prefix.
pub fn bell(room: &str) -> String {
    format!("presence:{{{room}}}:bell")
}
