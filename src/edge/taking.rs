//! Answers of HTTP/2 that their client does not take.
//!
//! Of HTTP/1.1 the kernel sees that a client takes nothing, and ends the connection. HTTP/2 has a window for each answer:
//! a client that opens none leaves its answer in our memory for as long as it likes, and answers every ping meanwhile.
//! To end the connection would be wrong, since a proxy may have others' requests on it. So the exchange is dropped, and
//! with it this one stream.
//!
//! hyper runs each exchange as a task of its own, takes a piece of the body, waits for a window, and only then asks for the
//! next piece. So here are the pieces, small ones, lest it buffer the whole at the first byte that may be sent; and here
//! the tasks are started, so that they can be ended.

use std::{
    cell::Cell,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::{
    body::{Body, Frame, SizeHint},
    rt::Executor,
};
use tokio::time::{Instant, sleep};

use crate::metrics::METRICS;

/// The most bytes that are given at once.
const PIECE: usize = 32 << 10;

thread_local! {
    /// What the exchange that is being polled on this thread has asked of its body last: whether there was a piece.
    static GIVEN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Runs the exchanges of HTTP/2, each for as long as its client takes what it is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchanges {
    /// How long a client may take nothing.
    pub(super) patience: Duration,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Exchanges {
    fn execute(&self, exchange: F) {
        tokio::spawn(run(exchange, self.patience));
    }
}

/// Runs it to its end, or until a piece was given and no other one asked for in time.
async fn run(exchange: impl Future<Output = ()>, patience: Duration) {
    let (mut exchange, mut timer) = (pin!(exchange), pin!(sleep(patience)));
    let mut waits = false;
    poll_fn(|cx| {
        GIVEN.set(None);
        if exchange.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if let Some(given) = GIVEN.get() {
            waits = given;
            timer.as_mut().reset(Instant::now() + patience);
        }
        if waits {
            ready!(timer.as_mut().poll(cx));
            METRICS.streams.slow_closes.inc();
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// A body in pieces.
pub(super) struct Pieces {
    body: BoxBody<Bytes, io::Error>,
    /// What is left of what came at once.
    rest: Bytes,
}

impl Pieces {
    pub(super) fn new(body: BoxBody<Bytes, io::Error>) -> Self {
        Self { body, rest: Bytes::new() }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        GIVEN.set(Some(false));
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        GIVEN.set(Some(true));
        let most = PIECE.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(most)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
