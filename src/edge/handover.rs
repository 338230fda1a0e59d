//! The handover: a stream leaves the HTTP library, and lives on as a socket and its events.
//!
//! Whatever serves HTTP keeps buffers, a task and timers for each connection: some 30 KiB, for a stream that only ever
//! writes. So the endpoint answers with an [`Offer`]. The edge takes the events out of it where the connection is plain
//! HTTP/1.1, writes the head itself, and gives both to a writer; where it does not (HTTP/2, or an earlier answer is
//! still on its way), the body of the answer takes them.

use std::{
    convert::Infallible,
    fmt::Write,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use chrono::Utc;
use futures_util::{Stream, StreamExt, future, stream};
use poem::Body;

use crate::metrics::METRICS;

/// Events as they are to be written, asked for only when the client takes more. Those that do not end by themselves are
/// counted as ended by the client, when they are dropped.
pub(super) struct Events {
    events: Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send>>,
    /// They have ended by themselves, and whoever ended them has counted that.
    over: bool,
    slow: bool,
    /// Counts those that do not.
    ended: fn(&'static str),
}

impl Events {
    /// The client has taken nothing for the write timeout.
    pub(super) fn too_slow(&mut self) {
        METRICS.streams.slow_closes.inc();
        self.slow = true;
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.events.as_mut().poll_next(cx);
        self.over |= matches!(polled, Poll::Ready(None));
        polled
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        if !self.over {
            (self.ended)(if self.slow { "slow" } else { "client" });
        }
    }
}

/// Events, for whoever writes them to take out: the edge, or else the body.
#[derive(Clone)]
pub struct Offer(Arc<Mutex<Option<Events>>>);

impl Offer {
    /// Offers events of the feed.
    pub fn new(events: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Self {
        Self::of(events, |why| METRICS.streams.ended(why))
    }

    /// Offers events of a session.
    pub fn of_session(events: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Self {
        Self::of(events, |why| METRICS.sessions.reader_ended(why))
    }

    fn of(events: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static, ended: fn(&'static str)) -> Self {
        let events = Events { events: Box::pin(events), over: false, slow: false, ended };
        Self(Arc::new(Mutex::new(Some(events))))
    }

    /// The body that takes them, once it is read.
    pub fn body(self) -> Body {
        let events = stream::once(future::ready(self)).filter_map(|offer| future::ready(offer.take())).flatten();
        Body::from_bytes_stream(events.map(|bytes| bytes.map_err(std::io::Error::other)))
    }

    fn take(&self) -> Option<Events> {
        // No code panics under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What is handed over, beside the socket.
pub(super) struct Handed {
    /// The head of the answer.
    pub(super) head: Bytes,
    pub(super) events: Events,
}

impl Handed {
    /// Takes the events that an answer offers.
    pub(super) fn of(answer: &hyper::Response<impl Sized>) -> Option<Self> {
        let events = answer.extensions().get::<Offer>()?.take()?;
        Some(Self { head: head(answer), events })
    }
}

/// The head of an answer whose body ends with the connection.
fn head(answer: &hyper::Response<impl Sized>) -> Bytes {
    let mut head = format!("HTTP/1.1 {}\r\n", answer.status());
    for (name, value) in answer.headers() {
        // Our own headers are text.
        let _ = write!(head, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    let _ = write!(head, "connection: close\r\ndate: {}\r\n\r\n", Utc::now().format("%a, %d %b %Y %H:%M:%S GMT"));
    head.into()
}
