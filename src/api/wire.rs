//! JSON in and out: its schema by poem-openapi, its bytes by serde, its rules by validator.
//!
//! poem-openapi's own `Json` goes through a tree of values in both directions, and its errors name types, not fields. A
//! client must be told which field was wrong.

use std::time::Duration;

use poem::{Body, IntoResponse, Request, RequestBody, Response, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    error::ContentTypeError,
    payload::{ParsePayload, Payload},
    registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry},
    types::Type,
};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{
    problem::{ApiError, FieldError},
    session::SessionLimits,
};
use crate::message::Limits;

/// The most bytes of a body: more are not read. And how long it may take to come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BodyLimit {
    /// Of a message, or of anything smaller.
    message: usize,
    /// Of what a producer brings.
    chunks: usize,
    time: Duration,
}

impl BodyLimit {
    /// Room for the largest message, and for the text of a whole session in as many chunks as may come at once.
    pub(super) fn new(message: &Limits, session: &SessionLimits, time: Duration) -> Self {
        // A byte of text is at most six in JSON (`\u0001`), and the other fields are small.
        let json = |bytes: usize| bytes.saturating_mul(6).saturating_add(4096);
        let each = session.batch.saturating_mul(128);
        Self { message: json(message.content_bytes), chunks: json(session.bytes).saturating_add(each), time }
    }
}

/// The most bytes beyond the limit that are read and forgotten, and the longest time that may take.
const FORGOTTEN: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// The most characters of what is said of a field.
const LONGEST: usize = 200;

/// A JSON body; that of chunks has a limit of its own.
#[derive(Debug)]
pub(super) struct Wire<T, const CHUNKS: bool = false>(pub T);

impl<T: Type, const CHUNKS: bool> Payload for Wire<T, CHUNKS> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn check_content_type(content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(Self::CONTENT_TYPE)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + DeserializeOwned, const CHUNKS: bool> ParsePayload for Wire<T, CHUNKS> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let limit: BodyLimit = request.data().copied().unwrap_or_default();
        let most = if CHUNKS { limit.chunks } else { limit.message };
        let body = read(body.take()?, most, limit.time).await?;
        Ok(Self(parse(&body)?))
    }
}

/// Reads a body up to the limit. What comes beyond is read too, within bounds, and forgotten: a client that is still
/// sending when the connection closes would not see the answer.
pub(super) async fn read(body: Body, most: usize, time: Duration) -> Result<Vec<u8>, ApiError> {
    let (mut bytes, mut body) = (Vec::new(), body.into_async_read());
    let mut whole = (&mut body).take(most as u64 + 1);
    let read = tokio::time::timeout(time, whole.read_to_end(&mut bytes)).await.map_err(|_| ApiError::Slow)?;
    read.map_err(|_| ApiError::Malformed("the body did not arrive whole".to_owned()))?;
    if bytes.len() <= most {
        return Ok(bytes);
    }
    forget_rest(body).await;
    Err(ApiError::TooLarge)
}

/// Reads and forgets the body of a request that is refused for something else, for the same reason.
pub(super) async fn forget(body: &mut RequestBody) {
    if let Ok(body) = body.take() {
        forget_rest(body.into_async_read()).await;
    }
}

async fn forget_rest(body: impl AsyncRead + Unpin) {
    let mut rest = body.take(FORGOTTEN);
    let _ = tokio::time::timeout(PATIENCE, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde would take a list of the fields' values too, and would speak of a struct where anything else comes.
    if !body.trim_ascii_start().starts_with(b"{") {
        let json = serde_json::from_slice::<IgnoredAny>(body);
        return Err(json.map_or_else(malformed, |_| ApiError::field("body", "must be an object")));
    }
    let mut input = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => ApiError::field(&brief(field(&path, &error)), brief(plain(&error))),
            _ => malformed(error),
        }
    })?;
    input.end().map_err(malformed)?;
    Ok(value)
}

fn malformed(error: serde_json::Error) -> ApiError {
    ApiError::Malformed(error.to_string())
}

/// The field at fault: where the error is, or, for one that is missing or there twice, which its text names.
fn field(path: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let named = ["missing field `", "duplicate field `"].iter().find_map(|words| text.strip_prefix(words));
    let named = named.and_then(|rest| rest.split('`').next());
    match (path, named) {
        (_, Some(named)) => named.to_owned(),
        (".", None) => "body".to_owned(),
        (path, None) => path.to_owned(),
    }
}

/// A text that may repeat a name of the client's, which may be as long as a body: no longer than a person reads.
fn brief(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The error without its place in the text, which is of no use to a client's user.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(plain, _)| plain.to_owned())
}

/// The fields that break a rule.
///
/// # Errors
/// [`ApiError::Invalid`], naming each of them.
pub(super) fn check(checked: Result<(), validator::ValidationErrors>) -> Result<(), ApiError> {
    let Err(errors) = checked else { return Ok(()) };
    let each = errors.field_errors().into_iter().flat_map(|(field, errors)| {
        errors.iter().map(move |error| FieldError { field: field.to_string(), detail: error.to_string() })
    });
    let mut fields: Vec<FieldError> = each.collect();
    fields.sort_by(|one, other| one.field.cmp(&other.field));
    Err(ApiError::Invalid(fields))
}

impl<T: Type + Serialize + Send> IntoResponse for Wire<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => Response::builder().content_type(Self::CONTENT_TYPE).body(body),
            Err(error) => poem::Error::from(ApiError::Internal(error.into())).into_response(),
        }
    }
}

impl<'a, T: Type + DeserializeOwned, const CHUNKS: bool> ApiExtractor<'a> for Wire<T, CHUNKS> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: Self::schema_ref() }];
        Some(MetaRequest { description: None, content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        // What says that it is compressed is taken by its word, and not unpacked: a few bytes could become gigabytes.
        let packed = request.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        match request.content_type() {
            _ if packed => Err(ApiError::MediaType.into()),
            Some(content_type) if Self::check_content_type(content_type) => {
                <Self as ParsePayload>::from_request(request, body).await
            }
            _ => Err(ContentTypeError::ExpectContentType.into()),
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
