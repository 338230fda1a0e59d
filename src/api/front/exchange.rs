//! An exchange, request and answer, as it is found again: by its id, in the log, in a trace.
//!
//! The id is the client's own, if it is short and plain, else a new one. It is on the answer, and on every line that is
//! logged on the way. It is not in problem documents: it is on the same answer, and pages may read it there.
//!
//! Each answer is counted, by the template of its path, its method and its status. A line is logged for it, at the
//! level debug: a node may answer 12,000 posts a second, and what is usual is better counted than told.
//! `LOG=info,rowcast::exchange=debug` shows them. What failed by our own fault is a warning. The line names the route,
//! not the path, and nothing that a client has sent but its id: paths of nowhere, queries, headers and bodies may hold
//! secrets. A stream is told of when it begins.
//!
//! The span that carries the id is an error to those who filter by level: or else lines of errors would lack it.

use std::{fmt, sync::Arc, time::Instant};

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::{TraceContextExt, TraceId},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use poem::{
    Endpoint, Request, Response, Result,
    http::{HeaderMap, HeaderName, HeaderValue, Method},
};
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::compression::Size;
use crate::{api::allow::Allow, metrics::METRICS, telemetry::TRACES};

const ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, for those who tell of it in the answer.
#[derive(Clone)]
pub(in crate::api) struct RequestId(HeaderValue);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is plain ASCII.
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// The longest id that is taken from a client.
const LONGEST: usize = 128;

/// The part of the log with the lines about answers.
const LOG: &str = "rowcast::exchange";

/// Calls the endpoint, and tells of it.
pub(super) async fn call(endpoint: Arc<impl Endpoint>, mut request: Request, allow: Arc<Allow>) -> Result<Response> {
    let begun = Instant::now();
    let id = id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = name(request.method());
    let route = allow.template(request.uri().path());
    let parent = parent(request.headers());
    let trace = trace(method, &route, &parent);
    let trace_id = trace_id(&trace, &parent);
    let text = id.to_str().unwrap_or_default();
    let log = tracing::error_span!("request", request_id = text, trace_id = trace_id.map(tracing::field::display));
    let traced = trace.clone();
    let answering = async move {
        let answer = endpoint.get_response(request).await;
        tell(&answer, method, &route, begun);
        METRICS.http.answered(route, method, answer.status().as_u16(), begun.elapsed());
        note(&traced, &answer);
        answer
    };
    let mut answer = answering.instrument(log).instrument(trace).await;
    answer.headers_mut().insert(ID, id);
    Ok(answer)
}

/// The client's id, or a new one.
fn id(headers: &HeaderMap) -> HeaderValue {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~-".contains(byte);
    let sane = |id: &&HeaderValue| (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(plain);
    let new = || HeaderValue::try_from(uuid::Uuid::new_v4().to_string());
    headers.get(ID).filter(sane).cloned().or_else(|| new().ok()).unwrap_or(HeaderValue::from_static("none"))
}

/// The method, if it is one that we know: a client may call it anything.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

fn tell(answer: &Response, method: &str, route: &str, begun: Instant) {
    let (status, ms) = (answer.status().as_u16(), begun.elapsed().as_micros() as f64 / 1000.0);
    let bytes = answer.data::<Size>().map(|size| size.0);
    match answer.status().is_server_error() {
        true => tracing::warn!(target: LOG, method, route, status, ms, bytes, "answered"),
        false => tracing::debug!(target: LOG, method, route, status, ms, bytes, "answered"),
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The trace that the request is part of, if it says so (W3C Trace Context).
fn parent(headers: &HeaderMap) -> Option<Context> {
    headers.contains_key("traceparent").then(|| TraceContextPropagator::new().extract(&Headers(headers)))
}

/// The span of the exchange; where nobody traces, none.
fn trace(method: &str, route: &str, parent: &Option<Context>) -> Span {
    let span = tracing::info_span!(
        target: TRACES,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
    );
    if let (Some(parent), false) = (parent, span.is_disabled()) {
        // It has only just begun, and there is a layer that it is for.
        let _ = span.set_parent(parent.clone());
    }
    span
}

/// The id of the trace: of our own, or of the one that the request is part of.
fn trace_id(span: &Span, parent: &Option<Context>) -> Option<TraceId> {
    let of = |context: &Context| context.span().span_context().trace_id();
    let id = if span.is_disabled() { parent.as_ref().map(of) } else { Some(of(&span.context())) };
    id.filter(|&id| id != TraceId::INVALID)
}

fn note(span: &Span, answer: &Response) {
    span.record("http.response.status_code", answer.status().as_u16());
    if answer.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_id_is_kept() {
        let kept = |given: &'static str| id(&HeaderMap::from_iter([(ID, HeaderValue::from_static(given))])) == given;
        let longest: &'static str = "a".repeat(LONGEST).leak();
        let too_long: &'static str = "a".repeat(LONGEST + 1).leak();
        for sane in ["a", "0c544734-1888-5ee1-94a9-a8334a166413", "A.b_c~d-9", longest] {
            assert!(kept(sane), "{sane}");
        }
        for odd in ["", " ", "a b", "a\"b", "a=b", "a;b", "{}", too_long] {
            assert!(!kept(odd), "{odd}");
        }
        let none = HeaderMap::new();
        assert_ne!(id(&none), id(&none));
    }
}
