//! The errors of an operation as the document tells them: which statuses it may answer, and in what words.

use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};

use super::{
    problem::{ApiError, Problem},
    session::Refusal,
};
use crate::auth::AuthError;

/// The document's words on a status.
const DOCUMENTED: [(u32, u16, &str); 11] = [
    (MALFORMED, 400, "The body is not JSON."),
    (CALLER, 401, "No token, or one that is not accepted."),
    (CALLER, 403, "The token does not allow it."),
    (NOT_FOUND, 404, "Nothing has this id, or nothing that the caller may read."),
    (SLOW, 408, "The body did not come in time."),
    (CONFLICT, 409, "The session does not take it; `reason` says why, and `head` how far it is."),
    (TOO_LARGE, 413, "The body is larger than is allowed, or what it adds to would be; then `reason` says so."),
    (MEDIA_TYPE, 415, "The body is not declared to be JSON, or to be compressed."),
    (INVALID, 422, "A field is not valid; `errors` names it."),
    (CALLER, 429, "Too many requests; `Retry-After` says when to try again."),
    (UNAVAILABLE, 503, "Not possible now; `Retry-After` says when to try again."),
];

/// 400, for [`Failed`].
pub(super) const MALFORMED: u32 = 1;
/// 404
pub(super) const NOT_FOUND: u32 = 2;
/// 413
pub(super) const TOO_LARGE: u32 = 4;
/// 415
pub(super) const MEDIA_TYPE: u32 = 8;
/// 422
pub(super) const INVALID: u32 = 16;
/// 503
pub(super) const UNAVAILABLE: u32 = 32;
/// 401, 403 and 429: whoever calls may have to show who it is, and may call only so often.
pub(super) const CALLER: u32 = 64;
/// 408
pub(super) const SLOW: u32 = 128;
/// 409
pub(super) const CONFLICT: u32 = 256;
/// What a body can have wrong.
pub(super) const BODY: u32 = MALFORMED | SLOW | TOO_LARGE | MEDIA_TYPE | INVALID;

/// An error of an operation that documents the statuses in `SET`, and 500.
#[derive(Debug)]
pub struct Failed<const SET: u32>(ApiError);

impl<const SET: u32, E: Into<ApiError>> From<E> for Failed<SET> {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl<const SET: u32> From<Failed<SET>> for poem::Error {
    fn from(failed: Failed<SET>) -> Self {
        failed.0.into()
    }
}

impl<const SET: u32> ApiResponse for Failed<SET> {
    fn meta() -> MetaResponses {
        let documented = DOCUMENTED.iter().filter(|(bit, ..)| SET & bit != 0);
        let mut responses: Vec<_> = documented.map(|(_, status, words)| meta(*status, words)).collect();
        responses.push(meta(500, "The server failed."));
        responses.sort_by_key(|response| response.status);
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

fn meta(status: u16, description: &'static str) -> MetaResponse {
    let schema: MetaSchemaRef = Problem::schema_ref();
    let mut headers = Vec::new();
    if matches!(status, 429 | 503) {
        headers.push(header("Retry-After", "Seconds to wait before trying again."));
    }
    if status == 401 {
        let header = header("WWW-Authenticate", "What is asked for (RFC 6750).");
        headers.push(MetaHeader { schema: String::schema_ref(), ..header });
    }
    MetaResponse {
        description,
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType { content_type: "application/problem+json", schema }],
        headers,
    }
}

/// An error with this status, as a client may read it.
pub(super) fn sample(status: u16) -> Option<Problem> {
    let error = match status {
        400 => ApiError::Malformed("expected value at line 1 column 1".to_owned()),
        401 => ApiError::Unauthorized(AuthError::Missing),
        403 => ApiError::Forbidden("the token does not allow to write in this room".to_owned()),
        404 => ApiError::NoMessage(42),
        408 => ApiError::Slow,
        409 => ApiError::NotTaken { reason: Refusal::Window, head: Some(3) },
        413 => ApiError::TooLarge,
        415 => ApiError::MediaType,
        422 => ApiError::field("content", "must not be empty"),
        429 => ApiError::TooMany { what: "too many requests of this kind", seconds: 3 },
        500 => ApiError::Internal(anyhow::anyhow!("an example")),
        503 => ApiError::Unavailable(anyhow::anyhow!("an example")),
        _ => return None,
    };
    Some(error.problem())
}

/// A header that holds a number.
fn header(name: &str, description: &str) -> MetaHeader {
    let (name, description) = (name.to_owned(), Some(description.to_owned()));
    MetaHeader { name, description, required: true, deprecated: false, schema: u32::schema_ref() }
}
