//! The document, and the page at `/docs`: a form for every call.
//!
//! It is one page of Swagger UI, scripts and styles inside. Its policy names those scripts by their hashes: what else
//! came to stand in it would not run. It may call this server and no other.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use poem::{Endpoint, EndpointExt, Response, endpoint::make_sync, http::header, middleware::SetHeader};
use sha2::{Digest, Sha256};

use super::front::Once;

/// How long what describes the calls may be kept: it changes with the version of the program.
const KEPT: &str = "max-age=300";

/// Serves the page.
pub(super) fn page(html: String) -> impl Endpoint {
    let policy = policy(&html);
    let policy = SetHeader::new().overriding(header::CONTENT_SECURITY_POLICY, policy);
    text("text/html; charset=utf-8", html).with(policy)
}

/// Serves a text that never changes.
pub(super) fn text(content_type: &'static str, text: String) -> impl Endpoint<Output = Response> {
    let (text, once) = (Bytes::from(text), Once::default());
    make_sync(move |_| {
        let answer = Response::builder().content_type(content_type).header(header::CACHE_CONTROL, KEPT);
        answer.extension(once.clone()).body(text.clone())
    })
}

fn policy(html: &str) -> String {
    let hashes = |tag| inside(html, tag).map(hash).collect::<Vec<_>>().join(" ");
    let (scripts, styles) = (hashes("script"), hashes("style"));
    format!(
        "default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// What stands between such tags.
fn inside<'a>(html: &'a str, tag: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
    let mut rest = html;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (_, after) = after.split_once('>')?;
        let (text, after) = after.split_once(&close)?;
        rest = after;
        Some(text)
    })
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}
