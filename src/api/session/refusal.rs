//! Why a session does not take what it is given, in a word for programs and in one for people.

use poem_openapi::Enum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{api::problem::ApiError, reply::head, session::NotAppended};

/// Why a session does not take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Enum, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "RefusalReason", rename_all = "snake_case")]
pub enum Refusal {
    /// The id is another session's, or that of one that is over.
    #[error("the id is another session's, or that of one that is over")]
    Taken,
    /// It takes no more chunks.
    #[error("the session takes no more chunks")]
    Closed,
    /// The last chunk was another one before, or later chunks are there.
    #[error("the last chunk cannot be this one: it was another one before, or later chunks are there")]
    FinalConflict,
    /// A chunk comes after the last one.
    #[error("a chunk comes after the last one")]
    BeyondFinal,
    /// A chunk is too far ahead of the first that is missing.
    #[error("a chunk is too far ahead of the first that is missing: send that one first")]
    Window,
    /// It would have too many chunks.
    #[error("the session would have too many chunks")]
    TooMany,
    /// Its text would be too large.
    #[error("the session's text would be too large")]
    TooLarge,
}

/// Why chunks were not appended to a session that has so many without a hole.
pub(super) fn not_appended(id: Uuid, why: NotAppended, count: u64) -> ApiError {
    let reason = match why {
        NotAppended::Unknown => return ApiError::NoSession(id),
        NotAppended::Fenced => return ApiError::Forbidden(why.to_string()),
        NotAppended::Closed => Refusal::Closed,
        NotAppended::FinalConflict => Refusal::FinalConflict,
        NotAppended::BeyondFinal => Refusal::BeyondFinal,
        NotAppended::Window => Refusal::Window,
        NotAppended::TooMany => Refusal::TooMany,
        NotAppended::TooLarge => Refusal::TooLarge,
    };
    ApiError::NotTaken { reason, head: Some(head(count)) }
}
