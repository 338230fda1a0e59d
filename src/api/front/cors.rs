//! CORS: pages of which origins may call, and read what they are answered.
//!
//! The rules are the browser's; an answer only says whom it is for. So an origin that is not listed gets the same
//! answer as everyone, without the words that would let its page read it. Problem documents have them too: a page that
//! cannot read why it failed learns nothing. A preflight is answered for any path and says all that may be done
//! anywhere: the call that it asks for has the better answer.

use std::{str::FromStr, sync::Arc};

use poem::{
    Endpoint, Request, Response, Result,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PATCH, DELETE");

/// What a page may send, beside what every page may.
const ACCEPTED: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Producer-Token, X-Request-Id, traceparent, tracestate",
);

/// What a page may read, beside what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Feed-Position, Idempotency-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, \
     Retry-After, X-Request-Id",
);

/// How long a browser may go by a preflight, in seconds: the longest that Chromium keeps one.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Pages of which origins may read answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Only these. Their pages may send the cookies that their user has for us.
    Only(Vec<HeaderValue>),
    /// All, but never with cookies.
    Any,
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(origin).collect::<Result<_, _>>().map(Self::Only)
    }
}

/// An origin exactly as browsers write it: anything else would never match, and nobody would know why.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let uri = text.parse::<Uri>().ok();
    let exact = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?))).filter(|(scheme, host)| {
        let usual = matches!((*scheme, host.port_u16()), ("http", Some(80)) | ("https", Some(443)));
        !usual && text == format!("{scheme}://{host}").to_ascii_lowercase() && !text.contains(['@', '*'])
    });
    let value = exact.and_then(|_| HeaderValue::try_from(text).ok());
    value.ok_or_else(|| format!("`{text}` is no origin like https://app.example, and `*` is alone"))
}

/// What is said to whom.
pub(super) struct Cors(Origins);

impl Cors {
    pub(super) fn new(origins: Origins) -> Self {
        Self(origins)
    }

    /// What `Access-Control-Allow-Origin` says to a request, if anything.
    fn allowed(&self, request: &Request) -> Option<HeaderValue> {
        match &self.0 {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Only(origins) => {
                let origin = request.headers().get(header::ORIGIN)?;
                origins.contains(origin).then(|| origin.clone())
            }
        }
    }

    fn allow(&self, headers: &mut HeaderMap, origin: Option<HeaderValue>) {
        let Origins::Only(origins) = &self.0 else {
            headers.extend(origin.map(|any| (header::ACCESS_CONTROL_ALLOW_ORIGIN, any)));
            return;
        };
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if !origins.is_empty() {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
    }
}

/// Answers a preflight; else calls the endpoint, and says who may read its answer.
pub(super) async fn call(endpoint: Arc<impl Endpoint>, request: Request, cors: Arc<Cors>) -> Result<Response> {
    let allowed = cors.allowed(&request);
    let of_page = allowed.is_some() && request.headers().contains_key(header::ORIGIN);
    if of_page && is_preflight(&request) {
        let mut answer = Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)
            .header(header::ACCESS_CONTROL_ALLOW_HEADERS, ACCEPTED)
            .header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE)
            .finish();
        cors.allow(answer.headers_mut(), allowed);
        return Ok(answer);
    }
    let mut answer = endpoint.get_response(request).await;
    cors.allow(answer.headers_mut(), allowed);
    if of_page {
        answer.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    Ok(answer)
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_exactly() {
        let two = ["https://app.example", "http://localhost:5173"].map(HeaderValue::from_static).to_vec();
        assert_eq!("https://app.example, http://localhost:5173".parse(), Ok(Origins::Only(two)));
        assert_eq!("".parse(), Ok(Origins::Only(vec![])));
        assert_eq!(" * ".parse(), Ok(Origins::Any));
        for wrong in [
            "app.example",
            "https://app.example/",
            "https://app.example/path",
            "https://App.example",
            "https://app.example:443",
            "http://app.example:80",
            "https://*.example",
            "https://me@app.example",
            "null",
            "*,https://app.example",
            "https://app.example,*",
        ] {
            assert!(wrong.parse::<Origins>().is_err(), "{wrong}");
        }
    }
}
