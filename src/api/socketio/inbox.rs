//! The inbox of a session: what has come and is not yet worked off, in order.
//!
//! The library hands over what comes as fast as it comes, and waits for nobody. So here is the bound, in number and in
//! bytes. An empty inbox takes no memory of its own: most are, most of the time.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::packet::Packet;

/// How many places an empty inbox may keep.
const KEPT: usize = 4;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Packets.
    pub packets: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// What waits to be worked off.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    come: Notify,
}

#[derive(Default)]
struct Waiting {
    packets: VecDeque<(Packet, usize)>,
    bytes: usize,
}

impl Inbox {
    /// Puts in a packet of so many bytes; gives it back where there is no room.
    pub(super) fn put(&self, packet: Packet, bytes: usize, most: Most) -> Result<(), Packet> {
        let mut waiting = self.waiting();
        // A single one is taken however large it is: that is bounded elsewhere.
        let full = waiting.packets.len() >= most.packets || waiting.bytes + bytes > most.bytes;
        if full && !waiting.packets.is_empty() {
            return Err(packet);
        }
        waiting.packets.push_back((packet, bytes));
        waiting.bytes += bytes;
        drop(waiting);
        self.come.notify_one();
        Ok(())
    }

    /// The next packet. One reader waits; dropping the future loses none.
    pub(super) async fn next(&self) -> Packet {
        loop {
            if let Some(packet) = self.take() {
                return packet;
            }
            self.come.notified().await;
        }
    }

    fn take(&self) -> Option<Packet> {
        let mut waiting = self.waiting();
        let (packet, bytes) = waiting.packets.pop_front()?;
        waiting.bytes -= bytes;
        if waiting.packets.is_empty() {
            waiting.packets.shrink_to(KEPT);
        }
        Some(packet)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code panics under this lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Most = Most { packets: 2, bytes: 10 };

    #[tokio::test]
    async fn what_is_too_many_or_too_much_is_given_back_and_the_rest_comes_out_in_order() {
        let inbox = Inbox::default();
        assert!(inbox.put(Packet::Connect(None), 4, MOST).is_ok());
        assert!(inbox.put(Packet::Nothing, 7, MOST).is_err(), "bytes");
        assert!(inbox.put(Packet::Disconnect, 6, MOST).is_ok());
        assert!(inbox.put(Packet::Nothing, 0, MOST).is_err(), "number");
        assert!(matches!(inbox.next().await, Packet::Connect(None)));
        assert!(inbox.put(Packet::Nothing, 4, MOST).is_ok());
        assert!(matches!(inbox.next().await, Packet::Disconnect));
        assert!(matches!(inbox.next().await, Packet::Nothing));
        assert!(inbox.put(Packet::Nothing, 11, MOST).is_ok(), "one alone");
    }
}
