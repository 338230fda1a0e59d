//! The backlog of a client that polls: whether a websocket may take over without losing something.
//!
//! An answer to a poll holds what fits, and the library sets aside the packet that did not. It brings it with the next
//! poll; a websocket that takes over before never brings it, and nobody notices. So we count what a client is told and
//! what its polls have brought. While more waits than would have fitted, a websocket is refused, and the client polls
//! on; where that is found out when a websocket is taking over already, its session must end.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is between the packets of an answer.
const SEPARATOR: u8 = 0x1e;

/// What those packets begin with that are told.
const MESSAGE: u8 = b'4';

/// See the module.
#[derive(Default)]
pub(super) struct Backlog(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    /// Bytes that were told and not polled.
    waiting: usize,
    /// The last answer may have left out a packet.
    behind: bool,
    /// A websocket takes over.
    upgrading: bool,
}

/// A packet may be lost.
#[derive(Debug)]
pub(super) struct Gap;

impl Backlog {
    /// A packet is about to be told.
    pub(super) fn told(&self, packet: &str) {
        self.inside().waiting += 1 + packet.len();
    }

    /// A poll is answered, of so many bytes at most.
    pub(super) fn polled(&self, answer: &[u8], most: usize) -> Result<(), Gap> {
        let packets = answer.split(|byte| *byte == SEPARATOR).filter(|packet| packet.first() == Some(&MESSAGE));
        let mut inside = self.inside();
        inside.waiting = inside.waiting.saturating_sub(packets.map(<[u8]>::len).sum());
        // What was told since the answer was made counts too: better a websocket too few than a packet.
        inside.behind = inside.waiting > 0 && answer.len() + 1 + inside.waiting > most;
        if inside.behind && inside.upgrading { Err(Gap) } else { Ok(()) }
    }

    /// Whether a websocket may take over; at most one does.
    pub(super) fn upgrade(&self) -> bool {
        let mut inside = self.inside();
        let may = !inside.behind && !inside.upgrading;
        inside.upgrading |= may;
        may
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // No code panics under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_takes_over_unless_a_packet_may_have_been_left_out() {
        let backlog = Backlog::default();
        for _ in 0..3 {
            backlog.told("2345");
        }
        // All that waits would have fitted, so nothing was set aside.
        backlog.polled(b"42345", 17).unwrap();
        assert!(!backlog.0.lock().unwrap().behind);
        backlog.told("2345");
        backlog.polled(b"2\x1e42345", 17).unwrap();
        assert!(!backlog.upgrade(), "13 bytes and 10 more are too many for 17");
        backlog.polled(b"42345\x1e42345", 17).unwrap();
        assert!(backlog.upgrade());
        assert!(!backlog.upgrade(), "one does already");
    }

    #[test]
    fn what_is_left_out_while_a_websocket_takes_over_is_found_out() {
        let backlog = Backlog::default();
        assert!(backlog.upgrade());
        backlog.told("2345");
        backlog.told("2345");
        assert!(backlog.polled(b"42345", 10).is_err());
        backlog.polled(b"42345", 10).unwrap();
    }
}
