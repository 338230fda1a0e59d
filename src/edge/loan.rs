//! The loan: a socket that hyper serves, and that can be taken back from it.
//!
//! hyper gives a connection away only for an upgrade. So it gets a handle, and the socket stays ours: once a service
//! has ended the connection with an error, of which hyper writes nothing, the socket is taken out from under it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use hyper::Response;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{handover::Handed, places::Place};
use crate::metrics::METRICS;

/// A handle on a socket: one is lent to hyper, one is kept.
#[derive(Clone)]
pub(super) struct Loan(Arc<Mutex<Lent>>);

struct Lent {
    socket: Option<(TcpStream, Place)>,
    /// All that was written has been flushed: its borrower holds nothing back.
    flushed: bool,
    /// What the connection becomes.
    stream: Option<Handed>,
}

impl Loan {
    /// Of a socket with its place, which both last as long as somebody has a handle: whoever upgrades the connection,
    /// too.
    pub(super) fn new(socket: TcpStream, place: Place) -> Self {
        Self(Arc::new(Mutex::new(Lent { socket: Some((socket, place)), flushed: true, stream: None })))
    }

    /// Ends the loan, if the answer offers a stream and the borrower holds nothing back that it was given to write: an
    /// earlier answer, to a client that did not wait for it.
    pub(super) fn end_with(&self, answer: &Response<impl Sized>) -> bool {
        let mut lent = self.lent();
        lent.stream = if lent.flushed { Handed::of(answer) } else { None };
        lent.stream.is_some()
    }

    /// Takes the socket back if the loan was ended, with what it becomes. Whoever has another handle can read and write
    /// no more.
    pub(super) fn take_back(&self) -> Option<(TcpStream, Handed, Place)> {
        let mut lent = self.lent();
        let stream = lent.stream.take()?;
        lent.socket.take().map(|(socket, place)| (socket, stream, place))
    }

    fn lent(&self) -> MutexGuard<'_, Lent> {
        // No code panics under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, io: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let done = match &mut self.lent().socket {
            Some((socket, _)) => io(Pin::new(socket)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        };
        if matches!(&done, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::TimedOut) {
            METRICS.streams.slow_closes.inc();
        }
        done
    }
}

impl AsyncRead for Loan {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|socket| socket.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Loan {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.lent().flushed = false;
        self.with(|socket| socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.lent().flushed = false;
        self.with(|socket| socket.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.with(|socket| socket.poll_flush(cx));
        self.lent().flushed = matches!(flushed, Poll::Ready(Ok(())));
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|socket| socket.poll_shutdown(cx))
    }
}

#[cfg(test)]
#[path = "loan_tests.rs"]
mod tests;
