//! The front: what every answer passes on its way out, errors, pages and streams among them.
//!
//! Each layer is a file. An answer passes the list in [`around`] from top to bottom; the request came the other way.
//! None of them touches what an answer carries in its extensions: the edge looks there for the events of a stream.
//!
//! poem has middleware for some of it. Its CORS answers 403 to an origin that is not listed, allows every origin where
//! none is, and says no `Vary` to those that are. Its compression also packs streams, answers of ten bytes and what a
//! client refuses with `q=0`, says no `Vary`, and unpacks whatever a request's body claims to be. Both are few lines.

mod compression;
mod cors;
mod exchange;
mod security;

use std::sync::Arc;

use poem::{Endpoint, EndpointExt, Response};

use super::allow::Allow;
pub(super) use compression::Once;
pub use cors::Origins;
pub(super) use exchange::RequestId;
pub(super) use security::call as guard;

/// What the front does that can be chosen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Pages of which origins may read the answers.
    pub origins: Origins,
    /// Answers of so many bytes and more are compressed.
    pub compress_from: usize,
}

/// Puts the layers around an endpoint that has an answer to everything.
pub(super) fn around(
    endpoint: impl Endpoint + 'static,
    allow: Arc<Allow>,
    options: Options,
) -> impl Endpoint<Output = Response> {
    let Options { origins, compress_from } = options;
    let cors = Arc::new(cors::Cors::new(origins));
    endpoint
        .around(move |endpoint, request| compression::call(endpoint, request, compress_from))
        .around(move |endpoint, request| cors::call(endpoint, request, Arc::clone(&cors)))
        .around(security::call)
        .around(move |endpoint, request| exchange::call(endpoint, request, Arc::clone(&allow)))
}
