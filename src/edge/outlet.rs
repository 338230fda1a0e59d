//! The outlet: one stream at its writer, a socket and its events.

use std::{
    io::{ErrorKind, Read, Write},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use mio::net::TcpStream;

use super::{
    handover::{Events, Handed},
    places::Place,
    writers::Bell,
};

/// What is read at once of what a client sends, to be thrown away.
const JUNK: usize = 16 << 10;

/// One stream.
pub(super) struct Outlet {
    socket: TcpStream,
    events: Events,
    /// What is being written.
    rest: Bytes,
    bell: Arc<Bell>,
    waker: Waker,
    /// The socket takes no more for now.
    full: bool,
    _place: Place,
}

/// How a turn went.
pub(super) enum Turn {
    /// Nothing more to write until the bell rings, or the socket takes more.
    Waits,
    /// There is more, for another turn.
    HasMore,
    /// The stream is over.
    Ended,
}

impl Outlet {
    pub(super) fn new(socket: TcpStream, handed: Handed, bell: Arc<Bell>, place: Place) -> Self {
        let Handed { head, events } = handed;
        let waker = Waker::from(Arc::clone(&bell));
        Self { socket, events, rest: head, bell, waker, full: false, _place: place }
    }

    /// Writes what there is, once.
    pub(super) fn turn(&mut self) -> Turn {
        if self.full {
            return Turn::Waits;
        }
        if self.rest.is_empty()
            && let Some(turn) = self.refill()
        {
            return turn;
        }
        match self.socket.write(&self.rest) {
            Ok(written) => {
                self.rest.advance(written);
                match self.rest.is_empty() {
                    true => self.refill().unwrap_or(Turn::HasMore),
                    false => Turn::HasMore,
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Turn::HasMore,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.full = true;
                Turn::Waits
            }
            Err(error) => {
                self.note(&error);
                Turn::Ended
            }
        }
    }

    /// Asks for more events; how the turn ends where there is none.
    fn refill(&mut self) -> Option<Turn> {
        self.bell.rearm();
        match self.events.poll_next_unpin(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.rest = bytes;
                None
            }
            Poll::Ready(None) => Some(Turn::Ended),
            Poll::Pending => Some(Turn::Waits),
        }
    }

    /// Nothing can be written any more: notes why.
    pub(super) fn hang_up(&mut self) {
        if let Ok(Some(error)) = self.socket.take_error() {
            self.note(&error);
        }
    }

    fn note(&mut self, error: &std::io::Error) {
        if error.kind() == ErrorKind::TimedOut {
            self.events.too_slow();
        }
    }

    /// The socket takes more again; whether it had not.
    pub(super) fn takes_again(&mut self) -> bool {
        std::mem::take(&mut self.full)
    }

    /// Throws away what the client has sent, a part of it; whether there may be more. A socket that is closed with
    /// something unread would take back what it wrote.
    pub(super) fn ignore(&mut self) -> bool {
        self.socket.read(&mut [0; JUNK]).is_ok_and(|read| read == JUNK)
    }
}
