//! The outlet: one stream at its writer, a socket and its events.

use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::{Buf, Bytes};
use mio::net::TcpStream;

use super::{
    handover::{Events, Handed},
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
    /// Since when the socket takes no more.
    full: Option<Instant>,
}

/// How a turn went.
pub(super) enum Turn {
    /// Nothing more to write until the bell rings.
    Waits,
    /// There is more, for another turn.
    HasMore,
    /// The socket takes no more for now.
    IsFull,
    /// The stream is over.
    Ended,
}

impl Outlet {
    pub(super) fn new(socket: TcpStream, handed: Handed, bell: Arc<Bell>) -> Self {
        let Handed { head, events } = handed;
        let waker = Waker::from(Arc::clone(&bell));
        Self { socket, events, rest: head, bell, waker, full: None }
    }

    /// Writes what there is, once.
    pub(super) fn turn(&mut self) -> Turn {
        if self.full.is_some() {
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
                self.full = Some(Instant::now());
                Turn::IsFull
            }
            Err(_) => Turn::Ended,
        }
    }

    /// Asks for more events; how the turn ends where there is none.
    fn refill(&mut self) -> Option<Turn> {
        self.bell.rearm();
        match self.events.as_mut().poll_next(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.rest = bytes;
                None
            }
            Poll::Ready(None) => {
                let _ = self.socket.shutdown(Shutdown::Write);
                Some(Turn::Ended)
            }
            Poll::Pending => Some(Turn::Waits),
        }
    }

    /// The socket takes more again; whether it had not.
    pub(super) fn takes_again(&mut self) -> bool {
        self.full.take().is_some()
    }

    /// Since when the socket takes no more, if that is so.
    pub(super) fn full_since(&self) -> Option<Instant> {
        self.full
    }

    /// Throws away what the client has sent, a part of it; whether there may be more. A socket that is closed with
    /// something unread would take back what it wrote.
    pub(super) fn ignore(&mut self) -> bool {
        self.socket.read(&mut [0; JUNK]).is_ok_and(|read| read == JUNK)
    }
}
