//! What is left of a caller's budget: each call on messages, sessions and streams takes from it, and every answer says
//! so.
//!
//! The call is counted where the caller is known, deep inside of the framework, and the headers belong to whatever is
//! answered, also to an error. So the request carries a note from one to the other. Calls without a limit have none.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use poem::{Endpoint, IntoResponse, Request, Response, Result, http::Method};

use super::problem::ApiError;
use crate::limit::{Group, Limiter, Refused, Standing, Who};

/// The headers of an answer, with what the document says of them.
pub(super) const HEADERS: [(&str, &str); 3] = [
    ("RateLimit-Limit", "How many requests of this kind may be made at once, where they are limited."),
    ("RateLimit-Remaining", "How many may be made now."),
    ("RateLimit-Reset", "Seconds until all may be made again."),
];

/// How a request's caller stands, as soon as that is known.
#[derive(Clone, Default)]
struct Note(Arc<OnceLock<Standing>>);

/// Calls the endpoint, and adds to its answer how the caller stands.
pub(super) async fn tell(endpoint: Arc<impl Endpoint>, mut request: Request, limiter: Limiter) -> Result<Response> {
    if !limiter.limits(group(&request)) {
        return Ok(endpoint.call(request).await?.into_response());
    }
    let note = Note::default();
    request.extensions_mut().insert(note.clone());
    let mut answer = endpoint.call(request).await?.into_response();
    if let Some(standing) = note.0.get() {
        let numbers = [standing.limit, standing.remaining, seconds(standing.reset)];
        for ((name, _), number) in HEADERS.into_iter().zip(numbers) {
            answer.headers_mut().insert(name, number.into());
        }
    }
    Ok(answer)
}

/// Counts the call.
///
/// # Errors
/// When its caller asks too often.
pub(super) async fn spend(limiter: &Limiter, request: &Request, who: impl FnOnce() -> Who) -> Result<(), ApiError> {
    let (standing, refused) = count(limiter, group(request), who).await;
    if let (Some(standing), Some(note)) = (standing, request.extensions().get::<Note>()) {
        // A request is counted once.
        let _ = note.0.set(standing);
    }
    refused
}

/// Counts a call that is no request of its own: how its caller stands, where that is known, and whether it asks too
/// often.
pub(super) async fn count(
    limiter: &Limiter,
    group: Group,
    who: impl FnOnce() -> Who,
) -> (Option<Standing>, Result<(), ApiError>) {
    match limiter.count(group, who).await {
        Ok(standing) => (standing, Ok(())),
        Err(Refused::TooOften { standing, wait }) => (Some(standing), Err(too_often(wait))),
        Err(error @ Refused::Uncounted(_)) => (None, Err(ApiError::Unavailable(error.into()))),
    }
}

fn group(request: &Request) -> Group {
    // By the whole path: in the place of an id, the same words would choose a budget for what is no such call.
    let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
    match (request.method(), &*path) {
        (_, ["stream"] | ["session", _, "stream"] | ["socket.io", ..]) => Group::Stream,
        (_, ["chat"]) => Group::Chat,
        (_, ["session", _, "chunk"]) => Group::Chunk,
        (&Method::GET | &Method::HEAD, _) => Group::Read,
        _ => Group::Write,
    }
}

fn too_often(wait: Duration) -> ApiError {
    ApiError::TooMany { what: "too many requests of this kind", seconds: seconds(wait).max(1) }
}

/// Whole seconds, and none too early.
fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}
