//! What HTTP may cost: how hyper is set.
//!
//! What a client may send before someone looks at it is bounded, and so is what is held for one that reads slowly. A
//! client of HTTP/2 opens requests without waiting, so their number is bounded too, and that of those it takes back
//! before they were answered: it could make the node begin any number of them ("rapid reset"). A peer whose network has
//! gone is found by pings.

use std::time::Duration;

use hyper_util::{rt::TokioTimer, server::conn::auto::Builder};

use super::taking::Exchanges;

/// What is held of an answer until its reader takes it, in bytes.
const BUFFER: usize = 64 << 10;

/// What a client of HTTP/2 may send of a body, and of all bodies together, before it is read; in bytes.
const WINDOWS: (u32, u32) = (64 << 10, 256 << 10);

/// The most requests of a connection that its client has taken back and nobody has looked at yet, and the most that
/// were ended for its mistakes: then the connection ends.
const RESETS: (usize, usize) = (20, 128);

/// What HTTP may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The longest head of a request, in bytes.
    pub head: usize,
    /// The most requests at once on a connection of HTTP/2.
    pub requests: u32,
    /// After how long a silent peer of HTTP/2 is asked whether it is there, how long it has for the answer, and how long
    /// it may take nothing of one of ours.
    pub patience: Duration,
}

/// HTTP/1.1, and HTTP/2 for clients that begin with it.
pub(super) fn builder(bounds: Bounds) -> Builder<Exchanges> {
    let mut http = Builder::new(Exchanges { patience: bounds.patience });
    // What is timed, is timed for both versions alike, elsewhere.
    http.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(bounds.head);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(bounds.head).unwrap_or(u32::MAX))
        .max_send_buf_size(BUFFER)
        .max_concurrent_streams(bounds.requests)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_pending_accept_reset_streams(RESETS.0)
        .max_local_error_reset_streams(RESETS.1)
        .keep_alive_interval(bounds.patience)
        .keep_alive_timeout(bounds.patience);
    http
}
