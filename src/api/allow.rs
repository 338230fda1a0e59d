//! What paths there are, and their methods: a wrong method is told which ones are right (RFC 9110 demands `Allow`).
//!
//! The framework does not tell, but the document does; it has all but its own pages.

use std::sync::Arc;

use poem::{
    Endpoint, IntoResponse, Request, Response, Result,
    error::{MethodNotAllowedError, ParsePathError, ResponseError},
    http::{HeaderValue, header},
};
use serde_json::Value;

use super::problem::ApiError;

/// Paths that are not in the document, which [`super::routes`] adds.
const PAGES: [(&str, &str); 7] = [
    ("/", "GET"),
    ("/console/{file}", "GET"),
    ("/console/{folder}/{file}", "GET"),
    ("/docs", "GET"),
    ("/openapi.json", "GET"),
    ("/openapi.yaml", "GET"),
    ("/socket.io/", "GET, POST"),
];

/// The methods of each path.
pub(super) struct Allow {
    paths: Vec<(Arc<String>, HeaderValue)>,
    /// Instead of a template, where none fits.
    unmatched: Arc<String>,
}

impl Allow {
    /// Reads an OpenAPI document.
    pub(super) fn of(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let paths = document["paths"].as_object().into_iter().flatten();
        let methods = paths.filter_map(|(path, item)| {
            let names: Vec<String> = item.as_object()?.keys().map(|name| name.to_uppercase()).collect();
            Some((Arc::new(path.clone()), HeaderValue::try_from(names.join(", ")).ok()?))
        });
        let pages = PAGES.map(|(path, methods)| (Arc::new(path.to_owned()), HeaderValue::from_static(methods)));
        Self { paths: methods.chain(pages).collect(), unmatched: Arc::new("unmatched".to_owned()) }
    }

    /// The path as the document has it, like `/message/{id}`.
    pub(super) fn template(&self, path: &str) -> Arc<String> {
        self.find(path).map_or(&self.unmatched, |(template, _)| template).clone()
    }

    fn methods(&self, path: &str) -> Option<&HeaderValue> {
        self.find(path).map(|(_, methods)| methods)
    }

    /// What the document calls the parameter in a path; none has two.
    fn parameter(&self, path: &str) -> Option<&str> {
        let (template, _) = self.find(path)?;
        template.split('/').find_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    fn find(&self, path: &str) -> Option<&(Arc<String>, HeaderValue)> {
        let fits = |template: &str| {
            let [template, path] = [template, path].map(|path| path.trim_end_matches('/').split('/'));
            template.clone().count() == path.clone().count()
                && template.zip(path).all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
        };
        self.paths.iter().find(|(template, _)| fits(template))
    }
}

/// Calls the endpoint, and answers a wrong method or path.
pub(super) async fn call(endpoint: Arc<impl Endpoint>, request: Request, allow: Arc<Allow>) -> Result<Response> {
    let path = request.original_uri().path().to_owned();
    match endpoint.call(request).await.map(IntoResponse::into_response) {
        Err(error) if error.is::<MethodNotAllowedError>() => {
            let mut answer = ApiError::Method.as_response();
            if let Some(methods) = allow.methods(&path) {
                answer.headers_mut().insert(header::ALLOW, methods.clone());
            }
            Ok(answer)
        }
        Err(error) if error.is::<ParsePathError>() => Err(match allow.parameter(&path) {
            Some(name) => ApiError::field(name, "is not UTF-8 text").into(),
            // Broken text in a path that has no parameter is just another path.
            None => ApiError::NoPath.into(),
        }),
        answer => answer,
    }
}
