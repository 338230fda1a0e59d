//! What browsers are told not to do with an answer.
//!
//! It is all said on every answer, a stream's too: some 250 bytes once for each, and no list of exceptions to keep.
//! What an answer says itself stands; so the page at `/docs` has a policy of its own.
//!
//! `Cross-Origin-Resource-Policy` keeps others' pages from embedding an answer as an image or a script. It does not
//! concern those that CORS lets in: what they fetch, and their `EventSource`, goes by CORS alone.

use std::sync::Arc;

use poem::{
    Endpoint, Request, Response, Result,
    http::{
        HeaderMap, HeaderName, HeaderValue,
        header::{self, Entry},
        uri::Scheme,
    },
};

/// On every answer that does not say otherwise. Messages are for who asked, not for a cache on the way.
static ALWAYS: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// A year, as usual. Nothing of subdomains: they are not ours to speak for.
static ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Calls the endpoint, and adds to its answer.
pub(in crate::api) async fn call(endpoint: Arc<impl Endpoint>, request: Request) -> Result<Response> {
    let tls = *request.scheme() == Scheme::HTTPS;
    let mut answer = endpoint.get_response(request).await;
    dress(answer.headers_mut(), tls);
    Ok(answer)
}

fn dress(headers: &mut HeaderMap, tls: bool) {
    for (name, value) in &ALWAYS {
        if let Entry::Vacant(place) = headers.entry(name) {
            place.insert(value.clone());
        }
    }
    // Over plain HTTP browsers must ignore it (RFC 6797).
    if tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, ONLY_TLS.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_over_tls_a_browser_is_told_to_come_over_tls() {
        for tls in [true, false] {
            let mut headers = HeaderMap::new();
            dress(&mut headers, tls);
            assert_eq!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY), tls);
        }
    }
}
