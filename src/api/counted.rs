//! Every answer is counted: by the template of its path, its method and its status.
//!
//! A path that nobody documented, or a method that nobody knows, is whatever a client makes up: those are counted together.

use poem::{Endpoint, IntoResponse, Request, Response, Result, http::Method};
use tokio::time::Instant;

use super::allow::Allow;
use crate::metrics::METRICS;

/// Calls the endpoint, and counts its answer.
pub(super) async fn call<E: Endpoint>(paths: &Allow, endpoint: &E, request: Request) -> Result<Response> {
    let (asked, method) = (Instant::now(), known(request.method()));
    let route = paths.template(request.original_uri().path());
    let answer = endpoint.call(request).await.map_or_else(poem::Error::into_response, IntoResponse::into_response);
    METRICS.http.answered(route, method, answer.status().as_u16(), asked.elapsed());
    Ok(answer)
}

fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}
