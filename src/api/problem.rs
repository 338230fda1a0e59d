//! Errors as clients see them: `application/problem+json` (RFC 9457), always, from one place.
//!
//! An error has two texts. What a client reads says what was wrong with the request and names the field; it holds no
//! SQL, no address, no path. What the log holds is the cause. Here is the only conversion from one to the other.

use poem::{
    Response,
    error::{MethodNotAllowedError, NotFoundError, ReadBodyError, ResponseError, SizedLimitError},
    http::{StatusCode, header},
};
use poem_openapi::{
    Object,
    error::{ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    message::KEY,
    session::{Refusal, producer},
};
use crate::{auth::AuthError, hub::Refused, idempotency, session::SessionError, store::StoreError};

/// How long a client waits before it repeats what may work later, in seconds.
const RETRY_AFTER: u32 = 1;

/// What went wrong (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Object)]
pub struct Problem {
    /// The kind of problem: stable, made for programs.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What it was this time.
    pub detail: String,
    /// The fields that were wrong, if it was the fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[oai(default)]
    pub errors: Vec<FieldError>,
    /// Why a session does not take it, if that was it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Refusal>,
    /// The number of that session's last chunk that is there without a hole; -1 where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<i64>,
}

/// A field that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Object)]
pub struct FieldError {
    /// The name of the property, parameter or header.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The body is no JSON.
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    /// Fields that are not what they must be.
    #[error("{}", fields(.0))]
    Invalid(Vec<FieldError>),
    /// There is no such message.
    #[error("there is no message {0}")]
    NoMessage(i64),
    /// There is no such session, or none that the caller may read.
    #[error("there is no session {0}")]
    NoSession(Uuid),
    /// A session does not take it.
    #[error("{reason}")]
    NotTaken {
        /// Why.
        reason: Refusal,
        /// How far the session is, if it is the caller's.
        head: Option<i64>,
    },
    /// No token of a producer.
    #[error("the header {} is missing", producer::HEADER)]
    NoProducer,
    /// There is no such path.
    #[error("there is nothing at this path; see /docs")]
    NoPath,
    /// The connection cannot become a websocket.
    #[error("{0}")]
    NoWebsocket(&'static str),
    /// Nothing is asked for by this event.
    #[error("there is no such event: there are joinRoom, leaveRoom and sendMessage")]
    NoEvent,
    /// The path does not know the method.
    #[error("this path does not answer this method; see /docs")]
    Method,
    /// No token, or one that is not accepted.
    #[error("{0}")]
    Unauthorized(AuthError),
    /// The token does not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// The body did not come in time.
    #[error("the body did not come in time")]
    Slow,
    /// Too much was asked; when it may be asked again.
    #[error("{what}; try again in {seconds} s")]
    TooMany {
        /// What there was too much of.
        what: &'static str,
        /// Seconds until it may be tried again.
        seconds: u32,
    },
    /// The body is larger than any that is allowed.
    #[error("the body is larger than is allowed")]
    TooLarge,
    /// The body is of another type, or compressed.
    #[error("the Content-Type must be application/json, and there must be no Content-Encoding")]
    MediaType,
    /// It may work later.
    #[error("the server cannot do this now; try again")]
    Unavailable(#[source] anyhow::Error),
    /// Our fault.
    #[error("the server failed")]
    Internal(#[source] anyhow::Error),
}

fn fields(errors: &[FieldError]) -> String {
    let say = |error: &FieldError| format!("{}: {}", error.field, error.detail);
    errors.iter().map(say).collect::<Vec<_>>().join("; ")
}

impl ApiError {
    /// One field that is wrong.
    pub fn field(field: &str, detail: impl ToString) -> Self {
        Self::Invalid(vec![FieldError { field: field.to_owned(), detail: detail.to_string() }])
    }

    /// The same of a field that the client calls by another name.
    pub(super) fn renamed(mut self, field: &str, to: &str) -> Self {
        if let Self::Invalid(errors) = &mut self {
            errors.iter_mut().filter(|error| error.field == field).for_each(|error| to.clone_into(&mut error.field));
        }
        self
    }

    /// The status, the kind and its words. Every error is classified here and nowhere else.
    const fn class(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed(_) | Self::NoWebsocket(_) => {
                (StatusCode::BAD_REQUEST, "malformed", "The request cannot be read")
            }
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "A field is not valid"),
            Self::Unauthorized(_) | Self::NoProducer => (StatusCode::UNAUTHORIZED, "unauthorized", "Not authorized"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "slow", "The request came too slowly"),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests"),
            Self::NoMessage(_) | Self::NoSession(_) | Self::NoPath | Self::NoEvent => {
                (StatusCode::NOT_FOUND, "not-found", "Not found")
            }
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::TooLarge | Self::NotTaken { reason: Refusal::TooLarge | Refusal::TooMany, .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large")
            }
            Self::NotTaken { .. } => (StatusCode::CONFLICT, "conflict", "The session does not take it"),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Not JSON"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed"),
        }
    }

    /// What the client reads.
    pub fn problem(&self) -> Problem {
        let (status, kind, title) = self.class();
        let errors = match self {
            Self::Invalid(errors) => errors.clone(),
            _ => Vec::new(),
        };
        let (reason, head) = match *self {
            Self::NotTaken { reason, head } => (Some(reason), head),
            _ => (None, None),
        };
        let (kind, title) = (format!("urn:rowcast:problem:{kind}"), title.to_owned());
        Problem { kind, title, status: status.as_u16(), detail: self.to_string(), errors, reason, head }
    }

    /// The same, for whoever tells the client; the log has the cause.
    pub(super) fn tell(&self) -> Problem {
        if let Self::Unavailable(cause) | Self::Internal(cause) = self {
            // Each says its own cause.
            tracing::warn!(error = %cause, "{self}");
        }
        self.problem()
    }

    /// Turns what the framework found wrong with a request into our own terms.
    pub fn of_framework(error: &poem::Error) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<ParseParamError>() {
            return Some(Self::field(parameter(error.name), in_words(&error.reason)));
        }
        if let Some(error) = error.downcast_ref::<ParsePathError>() {
            return Some(Self::field(parameter(error.name), in_words(&error.reason)));
        }
        if error.is::<poem::error::ParsePathError>() {
            return Some(Self::field("id", "is not UTF-8 text"));
        }
        if let Some(error) = error.downcast_ref::<ParseRequestPayloadError>() {
            return Some(Self::Malformed(error.reason.clone()));
        }
        match error.status() {
            StatusCode::NOT_FOUND if error.is::<NotFoundError>() => Some(Self::NoPath),
            StatusCode::METHOD_NOT_ALLOWED if error.is::<MethodNotAllowedError>() => Some(Self::Method),
            StatusCode::UNSUPPORTED_MEDIA_TYPE if error.is::<ContentTypeError>() => Some(Self::MediaType),
            _ if error.is::<SizedLimitError>() => Some(Self::TooLarge),
            StatusCode::PAYLOAD_TOO_LARGE if error.is::<ReadBodyError>() => Some(Self::TooLarge),
            _ if error.is::<ReadBodyError>() => Some(Self::Malformed("the body did not arrive whole".to_owned())),
            _ => None,
        }
    }
}

/// The name of a parameter as the document has it: the framework counts those of the path.
fn parameter(name: &str) -> &str {
    if name.starts_with("param") { "id" } else { name }
}

/// What is wrong with a parameter, as a person would say it: the framework speaks of its own types and rules.
fn in_words(reason: &str) -> String {
    let rule = reason.split_once("verification failed. ").map(|(_, rule)| rule);
    let Some((rule, bound)) = rule.and_then(|rule| rule.split_once('(')) else {
        // It begins with the name of the type, and goes on with what the client has sent.
        let kinds = [("\"string_uuid\"", "must be a UUID"), ("\"boolean\"", "must be `true` or `false`")];
        let kind = kinds.iter().find(|(kind, _)| reason.contains(kind));
        return kind.map_or("must be a whole number", |(_, words)| words).to_owned();
    };
    let bound = bound.trim_end_matches(')');
    let number = bound.split(',').next().unwrap_or_default();
    match rule {
        "minimum" => format!("must be at least {number}"),
        "maximum" => format!("must be at most {number}"),
        _ => format!("must match {}", bound.trim_matches('"')),
    }
}

impl ResponseError for ApiError {
    fn status(&self) -> StatusCode {
        self.class().0
    }

    fn as_response(&self) -> Response {
        let body = serde_json::to_vec(&self.tell()).unwrap_or_default();
        let response = Response::builder().status(self.status()).content_type("application/problem+json");
        match self {
            Self::Unavailable(_) => response.header(header::RETRY_AFTER, RETRY_AFTER).body(body),
            Self::TooMany { seconds, .. } => response.header(header::RETRY_AFTER, *seconds).body(body),
            // HTTP demands a challenge, and knows none for a header of one's own.
            Self::NoProducer => response.header(header::WWW_AUTHENTICATE, producer::HEADER).body(body),
            Self::Unauthorized(error) => response.header(header::WWW_AUTHENTICATE, challenge(*error)).body(body),
            _ => response.body(body),
        }
    }
}

/// What `WWW-Authenticate` says (RFC 6750, 3): nothing of an error where there was no token.
fn challenge(error: AuthError) -> String {
    match error {
        AuthError::Missing => "Bearer".to_owned(),
        AuthError::Several => format!("Bearer error=\"invalid_request\", error_description=\"{error}\""),
        _ => format!("Bearer error=\"invalid_token\", error_description=\"{error}\""),
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::KeysAway => Self::Unavailable(error.into()),
            _ => Self::Unauthorized(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Crowded | StoreError::Fenced => Self::Unavailable(error.into()),
            StoreError::Refused(_) => {
                tracing::warn!(%error, "a row was refused that had passed our own checks");
                Self::field("body", "breaks a rule of the table")
            }
            StoreError::Failed(_) | StoreError::Migrate(_) | StoreError::Render(_) => Self::Internal(error.into()),
        }
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Away(_) => Self::Unavailable(error.into()),
            SessionError::Store(error) => error.into(),
        }
    }
}

impl From<Refused> for ApiError {
    fn from(error: Refused) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<idempotency::Refused> for ApiError {
    fn from(error: idempotency::Refused) -> Self {
        match error {
            idempotency::Refused::Reused => Self::field(KEY, error),
            idempotency::Refused::Forgetful(_) => Self::Unavailable(error.into()),
            idempotency::Refused::Store(error) => error.into(),
        }
    }
}

/// Every error that leaves the server passes here.
pub(super) async fn catch(error: poem::Error) -> Response {
    if error.is::<ApiError>() || error.is_from_response() {
        return error.into_response();
    }
    match ApiError::of_framework(&error) {
        Some(error) => error.as_response(),
        None => ApiError::Internal(anyhow::anyhow!("{error}")).as_response(),
    }
}
