//! The console: the page at `/`, where people follow a room, write into it, and see how the cluster is.
//!
//! It is made of the files in `page`, which are in the program: no other server is asked for anything, and nothing is
//! built before. Browsers ask each time whether a file is still the same, by its hash. Behind a balancer, while nodes are
//! renewed, a page and its scripts may be of two versions all the same: where they do not fit, it loads itself again.
//!
//! What the page runs and shows is our own files alone, by its policy. It also forbids scripts to make HTML of a text
//! (`require-trusted-types-for`), whatever they were to try. Plots are drawn by the page itself.
//!
//! Everybody may load it. What it shows it asks for like any client, with the token that its user gives it, which it
//! keeps as the cookie that the server takes: an `EventSource` can send no other.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use poem::{
    Endpoint, IntoResponse, Request, Response, Result, RouteMethod,
    endpoint::make_sync,
    get,
    http::{HeaderMap, StatusCode, header},
};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::front::Once;

const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

#[derive(RustEmbed)]
#[folder = "src/api/console/page"]
struct Page;

/// What the page needs to know of the server before it asks for anything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The cookie that tokens are taken from.
    pub cookie: &'a str,
    /// Whether messages are here.
    pub rooms: bool,
    /// Whether the figures of the cluster are here.
    pub figures: bool,
}

/// The page and its files, by their paths.
pub(super) struct Console(HashMap<String, RouteMethod>);

impl Console {
    /// A console for what is in this place.
    pub(super) fn new(place: Place<'_>) -> Self {
        let text = |name: &str| Page::get(name).map(|file| file.data.into_owned()).unwrap_or_default();
        let files = Page::iter().map(|name| match &*name {
            "index.html" => ("/".to_owned(), file("text/html; charset=utf-8", place.page(&text(&name)))),
            _ => (format!("/console/{name}"), file(kind(&name), text(&name).into())),
        });
        Self(files.map(|(path, file)| (path, get(file))).collect())
    }

    /// Calls the endpoint for all that is not of the console. It is asked first, since poem's routes can tell no page
    /// at `/` from an API that is nested there.
    pub(super) async fn call(
        console: Option<Arc<Self>>,
        endpoint: Arc<impl Endpoint>,
        request: Request,
    ) -> Result<Response> {
        match console.as_ref().and_then(|console| console.0.get(request.uri().path())) {
            Some(file) => file.call(request).await,
            None => endpoint.call(request).await.map(IntoResponse::into_response),
        }
    }
}

impl Place<'_> {
    fn page(&self, html: &[u8]) -> Bytes {
        let views = [("room", self.rooms), ("monitor", self.figures)];
        let views = views.into_iter().filter_map(|(view, here)| here.then_some(view)).collect::<Vec<_>>().join(" ");
        let html = String::from_utf8_lossy(html).replace("{{cookie}}", self.cookie).replace("{{views}}", &views);
        html.into()
    }
}

fn file(kind: &'static str, text: Bytes) -> impl Endpoint<Output = Response> {
    let tag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&text)));
    // Compressed it is other bytes.
    let weak = format!("W/{tag}");
    let once = Once::default();
    make_sync(move |request: Request| {
        let answer = Response::builder()
            .header(header::ETAG, &weak)
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::CONTENT_SECURITY_POLICY, POLICY);
        match is_known(request.headers(), &tag) {
            true => answer.status(StatusCode::NOT_MODIFIED).finish(),
            false => answer.content_type(kind).extension(once.clone()).body(text.clone()),
        }
    })
}

/// Whether the client says that it has this already. Weak or not is the same here (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = values.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    }
}
