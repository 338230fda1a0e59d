//! The producer of a session: whoever has its token, and it needs no other.
//!
//! A producer is a worker. It may serve many users, or one that is gone; so it has no token of a user's, but one for
//! this session alone, which another one takes the place of when another worker takes over. It is counted by its
//! address, and not among the calls of users: a reply is some hundred chunks.

use std::net::Ipv4Addr;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use poem::{Request, RequestBody, Result, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};
use uuid::Uuid;

use super::refusal::not_appended;
use crate::{
    api::{budget, caller::Gate, problem::ApiError, wire},
    auth::AuthError,
    limit::Who,
    session::{NotAppended, Sessions},
};

/// The header with the token.
pub(in crate::api) const HEADER: &str = "X-Producer-Token";

/// The most bytes that are read before it is known who brings them, which costs a question to Redis: some seconds of a
/// reply.
const SMALL: u64 = 16 << 10;

/// Who brings chunks.
pub(super) struct Producer {
    /// What it says is its token.
    pub token: String,
}

impl<'a> ApiExtractor<'a> for Producer {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let words = "The token of a session's producer, which opening the session has given. It is all that appending \
                     needs.";
        let scheme = MetaSecurityScheme {
            ty: "apiKey",
            description: Some(words),
            name: Some(HEADER),
            key_in: Some("header"),
            scheme: None,
            bearer_format: None,
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme("producer", scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["producer"]
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let admitted = admit(request).await;
        if admitted.is_err() {
            wire::forget(body).await;
        }
        Ok(admitted?)
    }
}

async fn admit(request: &Request) -> Result<Producer, ApiError> {
    // Without a gate nobody comes in.
    let gate = request.data::<Gate>().ok_or_else(|| ApiError::from(AuthError::KeysAway))?;
    let address = gate.proxies.client(request).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    budget::spend(&gate.limiter, request, || Who::of(None, address)).await?;
    let token = request.headers().get(HEADER).ok_or(ApiError::NoProducer)?;
    // What is no text is no token of ours either.
    let producer = Producer { token: String::from_utf8_lossy(token.as_bytes()).into_owned() };
    if !is_small(request) {
        producer.vouch(request).await?;
    }
    Ok(producer)
}

/// Whether so much may be read from anybody.
fn is_small(request: &Request) -> bool {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.is_some_and(|length: u64| length <= SMALL)
}

impl Producer {
    /// Whether the session has this producer. It is asked once more when the batch is appended; but by then the node has
    /// the batch in memory, and Redis too.
    async fn vouch(&self, request: &Request) -> Result<(), ApiError> {
        // Without an id it is refused for that, before it is read.
        let Ok(id) = request.path_params::<Uuid>() else { return Ok(()) };
        let sessions = request.data::<Sessions>().ok_or_else(|| ApiError::from(AuthError::KeysAway))?;
        match sessions.is_producer(id, &self.token).await? {
            Some(true) => Ok(()),
            Some(false) => Err(not_appended(id, NotAppended::Fenced, 0)),
            None => Err(ApiError::NoSession(id)),
        }
    }
}

/// A new token, which nobody guesses: two UUIDs have 244 bits of the system's randomness.
pub(in crate::api) fn token() -> String {
    let halves = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes);
    BASE64_URL_SAFE_NO_PAD.encode(halves.as_flattened())
}
