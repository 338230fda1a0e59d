//! The document, and the page at `/docs`: a form for every call.
//!
//! It is one page of Swagger UI, which poem-openapi brings, with scripts and styles of ours, all inside. Its policy names
//! them by their hashes: what else came to stand in it would not run. It may call this server and no other.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use poem::{Endpoint, EndpointExt, Response, endpoint::make_sync, http::header, middleware::SetHeader};
use sha2::{Digest, Sha256};

use super::front::Once;

/// How long what describes the calls may be kept: it changes with the version of the program.
const KEPT: &str = "max-age=300";

/// The page, and where in it stands what.
const PAGE: &str = include_str!("docs/page.html");
const STYLE: &str = include_str!("docs/style.css");
const STREAMS: &str = include_str!("docs/streams.js");
const START: &str = include_str!("docs/page.js");
/// Where there is one.
const CONSOLE: &str = r#"<nav><a href="/">Console</a></nav>"#;

/// Serves the page. Of the one that poem would serve it takes the program of Swagger UI, and its style.
pub(super) fn page(swagger: &str, console: bool) -> impl Endpoint + use<> {
    let (program, its_style) = (inside(swagger, "script"), inside(swagger, "style"));
    let policy = policy(&[program, STREAMS, START], &[its_style, STYLE]);
    let policy = SetHeader::new().overriding(header::CONTENT_SECURITY_POLICY, policy);
    // The long ones last: nothing is looked for in them.
    let html = PAGE.replace("{{console}}", if console { CONSOLE } else { "" }).replace("{{style}}", STYLE);
    let html = html.replace("{{streams}}", STREAMS).replace("{{start}}", START);
    let html = html.replace("{{swagger style}}", its_style).replace("{{swagger}}", program);
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

fn policy(scripts: &[&str], styles: &[&str]) -> String {
    let hashes = |texts: &[&str]| texts.iter().map(|text| hash(text)).collect::<Vec<_>>().join(" ");
    let (scripts, styles) = (hashes(scripts), hashes(styles));
    format!(
        "default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// What stands between the first such tags, or nothing.
fn inside<'a>(html: &'a str, tag: &str) -> &'a str {
    let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
    let text = || html.split_once(&open)?.1.split_once('>')?.1.split_once(&close);
    text().map_or("", |(text, _)| text)
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}
