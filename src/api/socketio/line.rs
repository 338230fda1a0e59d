//! The line of a websocket: its connection after the upgrade, which can be cut.
//!
//! The library ends a session by ceasing to read and, once all is written, to write. To a client that takes nothing,
//! nothing is ever all written; so the line can be cut, and then what is still to be written fails at once. When the
//! line is gone, so is its session: the library forgets to end one whose upgrade has failed halfway.

use std::{
    io,
    pin::Pin,
    sync::Weak,
    task::{Context, Poll},
};

use poem::Upgraded;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::session::Session;

/// An upgraded connection.
pub(super) struct Line {
    connection: Upgraded,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The session that was there before.
    session: Weak<Session>,
}

impl Line {
    pub(super) fn new(connection: Upgraded, cut: CancellationToken, session: Weak<Session>) -> Self {
        Self { connection, cut: Box::pin(cut.cancelled_owned()), session }
    }

    /// Only whoever writes waits for it: who reads is stopped by the library.
    fn is_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(session) = self.session.upgrade() {
            session.abandon();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.is_cut(cx)?;
        Pin::new(&mut self.connection).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_cut(cx)?;
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_cut(cx)?;
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}
