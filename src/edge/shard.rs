//! The shard: one writer's loop over its streams.
//!
//! Each stream that has something to write has a turn: one write. Who has more after it waits behind those that are
//! roused meanwhile, and of those that wait so, only some have a turn before the others are looked at again: who lacks
//! much does not hold up who lacks little. A socket that takes no more is left alone until it does; the system ends one
//! that takes nothing for the write timeout. Whatever a client sends is thrown away.

use std::{collections::VecDeque, io::ErrorKind, sync::Arc, time::Duration};

use mio::{Events, Interest, Poll, Token, event::Event};
use slab::Slab;

use super::{
    outlet::{Outlet, Turn},
    writers::{Arrival, Bell, MAIL, Mail, Mailbox},
};

/// Events of sockets taken from the system at once.
const EVENTS: usize = 1024;

/// The pause after a failure that should not be: the processor must not burn for it.
const PAUSE: Duration = Duration::from_millis(100);

/// Turns of those that have more, at least, before the others are looked at again: a millisecond or so.
const TURNS: usize = 64;

/// One writer.
pub(super) struct Shard {
    poll: Poll,
    mailbox: Arc<Mailbox>,
    outlets: Slab<Outlet>,
    /// Those that may have something to write; the others wait for a bell or for their socket.
    ready: Vec<usize>,
    /// Those that had more after their turn.
    busy: VecDeque<usize>,
    /// Those whose client has sent more than was thrown away.
    noisy: Vec<usize>,
    finish: bool,
}

impl Shard {
    pub(super) fn new(poll: Poll, mailbox: Arc<Mailbox>) -> Self {
        Self {
            poll,
            mailbox,
            outlets: Slab::new(),
            ready: Vec::new(),
            busy: VecDeque::new(),
            noisy: Vec::new(),
            finish: false,
        }
    }

    /// Runs until it is told to end.
    pub(super) fn run(mut self) {
        let (mut events, mut mail) = (Events::with_capacity(EVENTS), Mail::default());
        while !(self.finish && self.outlets.is_empty()) {
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    tracing::error!(%error, "a writer cannot wait for its sockets");
                    std::thread::sleep(PAUSE);
                }
                _ => {}
            }
            events.iter().filter(|event| event.token() != MAIL).for_each(|event| self.heard(event));
            self.mailbox.empty(&mut mail);
            if mail.cut {
                return;
            }
            self.finish |= mail.finish;
            self.ready.append(&mut mail.woken);
            mail.arrivals.drain(..).for_each(|arrival| self.arrive(arrival));
            self.take_turns();
            self.ignore();
        }
    }

    /// How long there is nothing to do but wait.
    fn patience(&self) -> Option<Duration> {
        let idle = self.busy.is_empty() && self.noisy.is_empty();
        (!idle).then_some(Duration::ZERO)
    }

    fn arrive(&mut self, Arrival { socket, handed, place }: Arrival) {
        let entry = self.outlets.vacant_entry();
        let key = entry.key();
        let mut socket = mio::net::TcpStream::from_std(socket);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut socket, Token(key), interest) {
            tracing::warn!(%error, "a stream ends, since its socket cannot be watched");
            return;
        }
        let bell = Arc::new(Bell::new(Arc::clone(&self.mailbox), key));
        entry.insert(Outlet::new(socket, handed, bell, place));
        self.ready.push(key);
    }

    fn heard(&mut self, event: &Event) {
        let key = event.token().0;
        let Some(outlet) = self.outlets.get_mut(key) else { return };
        if event.is_error() || event.is_read_closed() || event.is_write_closed() {
            outlet.hang_up();
            self.outlets.remove(key);
            return;
        }
        if event.is_readable() {
            self.noisy.push(key);
        }
        if event.is_writable() && outlet.takes_again() {
            self.ready.push(key);
        }
    }

    /// Gives each that is ready a turn, and then as many of those that had more: where all have much, all wait alike.
    fn take_turns(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        let turns = self.busy.len().min(ready.len().max(TURNS));
        ready.into_iter().for_each(|key| self.take_turn(key));
        self.busy.drain(..turns).collect::<Vec<_>>().into_iter().for_each(|key| self.take_turn(key));
    }

    fn take_turn(&mut self, key: usize) {
        let Some(outlet) = self.outlets.get_mut(key) else { return };
        match outlet.turn() {
            Turn::Waits => {}
            Turn::HasMore => self.busy.push_back(key),
            Turn::Ended => drop(self.outlets.remove(key)),
        }
    }

    /// Throws away a part of what clients have sent.
    fn ignore(&mut self) {
        let outlets = &mut self.outlets;
        self.noisy.retain(|&key| outlets.get_mut(key).is_some_and(Outlet::ignore));
    }
}
