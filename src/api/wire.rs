//! JSON in and out: its schema by poem-openapi, its bytes by serde, its rules by validator.
//!
//! poem-openapi's own `Json` goes through a tree of values in both directions, and its errors name types, not fields. A
//! client must be told which field was wrong.

use poem::{IntoResponse, Request, RequestBody, Response};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    error::ContentTypeError,
    payload::{ParsePayload, Payload},
    registry::{MetaMediaType, MetaRequest, MetaSchemaRef, Registry},
    types::Type,
};
use serde::{Serialize, de::DeserializeOwned};

use super::problem::{ApiError, FieldError};

/// The most bytes of a body: more are not read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BodyLimit(pub(super) usize);

/// A JSON body.
#[derive(Debug)]
pub(super) struct Wire<T>(pub T);

impl<T: Type> Payload for Wire<T> {
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

impl<T: Type + DeserializeOwned> ParsePayload for Wire<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let BodyLimit(limit) = request.data().copied().unwrap_or_default();
        let body = body.take()?.into_bytes_limit(limit).await?;
        Ok(Self(parse(&body)?))
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde would take a list of the fields' values too.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::field("body", "must be an object"));
    }
    let mut input = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => ApiError::field(&field(&path, &error), plain(&error)),
            _ => ApiError::Malformed(error.to_string()),
        }
    })?;
    input.end().map_err(|error| ApiError::Malformed(error.to_string()))?;
    Ok(value)
}

/// The field at fault: where the error is, or, for a missing one, which its text names.
fn field(path: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let named = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (path, named) {
        (_, Some(named)) => named.to_owned(),
        (".", None) => "body".to_owned(),
        (path, None) => path.to_owned(),
    }
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

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for Wire<T> {
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
        match request.content_type() {
            Some(content_type) if Self::check_content_type(content_type) => {
                <Self as ParsePayload>::from_request(request, body).await
            }
            _ => Err(ContentTypeError::ExpectContentType.into()),
        }
    }
}
