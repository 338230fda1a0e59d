//! Compression, of all but streams.
//!
//! Only gzip: every client has it. zstd and brotli would save another tenth of a page of messages, and hold up to some
//! mebibytes for each answer under way, where gzip holds 256 KiB. A stream is left alone, by its content type: whatever
//! packs bytes holds them back, and an event is not to wait for the next one.
//!
//! The price, of all compression: who can write messages and see how long others' answers are, through TLS, may guess
//! at what else is in them (BREACH). Nothing secret is in the same answer as messages.

use std::sync::Arc;

use async_compression::{Level, tokio::bufread::GzipEncoder};
use bytes::Bytes;
use poem::{
    Body, Endpoint, Request, Response, Result,
    error::{ReadBodyError, ResponseError},
    http::{HeaderMap, HeaderValue, Method, header},
};
use tokio::{io::BufReader, sync::OnceCell};

use crate::api::problem::ApiError;

/// How long an answer's body is before it is compressed; in the extensions of all answers that are whole.
#[derive(Clone, Copy)]
pub(super) struct Size(pub(super) usize);

/// In the extensions of an answer that is always the same: it is compressed once, for the first who likes that. Else
/// whoever asks for the page at `/docs` again and again would keep a processor busy.
#[derive(Clone, Default)]
pub(in crate::api) struct Once(Arc<OnceCell<Bytes>>);

/// Calls the endpoint, and compresses an answer of at least so many bytes, if the client likes that.
pub(super) async fn call(endpoint: Arc<impl Endpoint>, request: Request, from: usize) -> Result<Response> {
    let wanted = takes_gzip(request.headers()) && *request.method() != Method::HEAD;
    let answer = endpoint.get_response(request).await;
    if is_stream(answer.headers()) {
        return Ok(answer);
    }
    let packed = with_body(answer, wanted, from).await;
    Ok(packed.unwrap_or_else(|error| ApiError::Internal(error.into()).as_response()))
}

async fn with_body(mut answer: Response, wanted: bool, from: usize) -> Result<Response, ReadBodyError> {
    // It is in memory: this only takes it out.
    let body = answer.take_body().into_bytes().await?;
    let size = body.len();
    answer.set_data(Size(size));
    answer.set_body(body);
    if size == 0 || answer.headers().contains_key(header::CONTENT_ENCODING) {
        return Ok(answer);
    }
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if wanted && size >= from { pack(answer).await } else { Ok(answer) }
}

async fn pack(mut answer: Response) -> Result<Response, ReadBodyError> {
    let (once, body) = (answer.data::<Once>().cloned(), answer.take_body());
    let packed = || {
        let body = BufReader::new(body.into_async_read());
        Body::from_async_read(GzipEncoder::with_quality(body, Level::Fastest))
    };
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer.set_body(match once {
        None => packed(),
        Some(Once(once)) => once.get_or_try_init(|| packed().into_bytes()).await?.clone().into(),
    });
    Ok(answer)
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Whether `Accept-Encoding` has gzip, and does not like the answer better as it is (RFC 9110, 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for (name, quality) in values.flat_map(|value| value.split(',')).filter_map(coding) {
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(quality),
            "*" => any = Some(quality),
            "identity" => identity = Some(quality),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or_default();
    gzip > 0.0 && gzip >= identity.unwrap_or_default()
}

/// A coding and how much it is liked; nothing where that is no number.
fn coding(text: &str) -> Option<(&str, f32)> {
    let (name, weight) = text.split_once(';').unwrap_or((text, "q=1"));
    let (q, weight) = weight.split_once('=')?;
    let weight = weight.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    q.trim().eq_ignore_ascii_case("q").then_some((name.trim(), weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_where_it_is_liked() {
        for (text, takes) in [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
            ("*", true),
            ("gzip ; Q=0.5", true),
            ("gzip;q=1, identity;q=1", true),
            ("", false),
            ("br, zstd", false),
            ("gzip;q=0", false),
            ("gzip; q=0.000, *", false),
            ("*;q=0", false),
            ("identity, gzip;q=0.5", false),
            ("gzip;q=NaN", false),
            ("gzip;q=much", false),
            ("gzipped", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]);
            assert_eq!(takes_gzip(&headers), takes, "{text}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
