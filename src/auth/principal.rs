//! The principal: who calls, and what they may do.

use tokio::time::Instant;
use uuid::Uuid;

use super::pattern::Pattern;

/// Who calls. Without identity, anyone may do anything.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The token's `sub`; none without a token.
    pub subject: Option<String>,
    /// The same, where it is a sender's id.
    pub sender: Option<Uuid>,
    /// When the token ends; none without a token.
    pub until: Option<Instant>,
    /// What the token allows; all, without one.
    pub(super) rights: Option<Rights>,
}

/// What a token allows.
#[derive(Debug, Clone, Default)]
pub(super) struct Rights {
    pub(super) read: Vec<Pattern>,
    pub(super) write: Vec<Pattern>,
    pub(super) moderate: bool,
}

/// The rooms that someone may read, where they have named none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// All there are.
    Everything,
    /// These, each once.
    Rooms(Vec<String>),
    /// Those of some patterns: which rooms these are, only the rooms could tell.
    Patterns,
}

impl Principal {
    /// Whoever calls a server that asks for no token.
    pub fn anyone() -> Self {
        Self { subject: None, sender: None, until: None, rights: None }
    }

    /// Whether they may do anything, since the server asks nobody who they are.
    pub fn is_anyone(&self) -> bool {
        self.rights.is_none()
    }

    /// Whether they may read a room.
    pub fn may_read(&self, room: &str) -> bool {
        self.rights.as_ref().is_none_or(|rights| rights.read.iter().any(|pattern| pattern.matches(room)))
    }

    /// Whether they may write to a room, in someone's name at least.
    pub fn may_write(&self, room: &str) -> bool {
        self.rights.as_ref().is_none_or(|rights| rights.write.iter().any(|pattern| pattern.matches(room)))
    }

    /// Whether they may write in this sender's name.
    pub fn is_sender(&self, sender: Uuid) -> bool {
        self.rights.is_none() || self.sender == Some(sender)
    }

    /// Whether they may change what others have written.
    pub fn may_moderate(&self) -> bool {
        self.rights.as_ref().is_none_or(|rights| rights.moderate)
    }

    /// The patterns of the rooms they may read; none for all rooms.
    pub fn patterns(&self) -> Option<Vec<String>> {
        let read = &self.rights.as_ref()?.read;
        let everything = read.iter().any(Pattern::is_everything);
        (!everything).then(|| read.iter().map(Pattern::to_string).collect())
    }

    /// The rooms they may read.
    pub fn reads(&self) -> Reads {
        let Some(Rights { read, .. }) = &self.rights else { return Reads::Everything };
        if read.iter().any(Pattern::is_everything) {
            return Reads::Everything;
        }
        let rooms: Option<Vec<String>> = read.iter().map(|pattern| pattern.room().map(str::to_owned)).collect();
        rooms.map_or(Reads::Patterns, |mut rooms| {
            rooms.sort_unstable();
            rooms.dedup();
            Reads::Rooms(rooms)
        })
    }
}
