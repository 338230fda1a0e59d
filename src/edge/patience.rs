//! Patience: how long a connection may go without a request.
//!
//! A client that sends nothing, or a head byte by byte, costs as much as one that works. hyper times the head of an
//! HTTP/1.1 request, from when it knows that it is one, and takes the pause between two requests for a slow head; of
//! HTTP/2 it times nothing. So its timer is off, and there is one for both: from the first byte, which TLS and a proxy
//! may have used up a part of, to the first request; between requests; and for each further head of HTTP/1.1 from its
//! first byte. While a request is being answered it does not run: other bounds hold then. It is one timer for a
//! connection, set anew when it rings, not with each request.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Version,
    body::{Body, Frame, SizeHint},
};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::taking::Pieces;

/// How long a connection that is to end may take to say good-bye, once nothing is being answered.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long each may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the connection, or the first byte of a request, to the end of its head.
    pub head: Duration,
    /// From an answer to the next request.
    pub idle: Duration,
}

/// The patience with one connection.
#[derive(Clone)]
pub(super) struct Patience(Arc<Mutex<Waiting>>);

struct Waiting {
    timeouts: Timeouts,
    /// Requests whose answers have not ended.
    open: usize,
    /// What ends with `until` is a head that has begun, or should have.
    head: bool,
    /// Bytes need not be of a head.
    http2: bool,
    /// When it ends, while nothing is open.
    until: Instant,
}

impl Patience {
    /// With a connection that has been there since then.
    pub(super) fn new(timeouts: Timeouts, since: Instant) -> Self {
        let until = since + timeouts.head;
        Self(Arc::new(Mutex::new(Waiting { timeouts, open: 0, head: true, http2: false, until })))
    }

    /// Something has come.
    pub(super) fn heard(&self) {
        let mut waiting = self.waiting();
        if waiting.open == 0 && !waiting.head && !waiting.http2 {
            waiting.head = true;
            waiting.until = Instant::now() + waiting.timeouts.head;
        }
    }

    /// A request has come, and is open for as long as what this returns.
    pub(super) fn request(&self, version: Version) -> Open {
        let mut waiting = self.waiting();
        waiting.open += 1;
        waiting.http2 = version == Version::HTTP_2;
        drop(waiting);
        Open(self.clone())
    }

    /// Waits until it has run out.
    pub(super) async fn run_out(&self) {
        let mut timer = pin!(sleep_until(self.waiting().until));
        poll_fn(|cx| self.poll(timer.as_mut(), cx)).await;
    }

    /// Asked whenever the connection does anything: what it does may bring the end nearer.
    fn poll(&self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let (idle, until) = {
                let waiting = self.waiting();
                (waiting.open == 0, waiting.until)
            };
            if idle && until < timer.deadline() {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(cx));
            match idle {
                true if until <= timer.deadline() => return Poll::Ready(()),
                true => timer.as_mut().reset(until),
                false => timer.as_mut().reset(Instant::now() + self.waiting().timeouts.idle),
            }
        }
    }

    /// Waits for as long as a connection that is to end may still take.
    pub(super) async fn farewell(&self) {
        sleep(FAREWELL).await;
        while self.waiting().open > 0 {
            sleep(FAREWELL).await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code panics under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
pub(super) struct Open(Patience);

impl Drop for Open {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.open -= 1;
        waiting.head = false;
        waiting.until = Instant::now() + waiting.timeouts.idle;
    }
}

/// The body of an answer; with its end the request is no longer open.
pub(super) struct Answering {
    body: Pieces,
    _open: Open,
}

impl Answering {
    pub(super) fn new(body: Pieces, open: Open) -> Self {
        Self { body, _open: open }
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
