//! How a token comes with a request: as a header, as a cookie, or in the query of a stream.
//!
//! A header is what programs send. A cookie is what a browser sends by itself, also with an `EventSource`, which can
//! send no header; so also when another site's page makes it call us. Reading does no harm then, since that page may
//! not see the answer; what writes must come from a page of our own (CSRF). A query is for an `EventSource` of another
//! site: it stands in histories and in the logs of proxies, and so must be asked for.

use poem::{
    Request,
    http::{Method, header, uri::Scheme},
};

use super::problem::ApiError;
use crate::auth::AuthError;

/// The cookie, where the server is not set otherwise. The prefix makes browsers take it over HTTPS only.
pub const COOKIE: &str = "__Secure-rowcast_token";

/// The parameter of a stream's query (RFC 6750, 2.3).
pub(super) const QUERY: &str = "access_token";

/// Where tokens are looked for.
#[derive(Debug, Clone)]
pub struct Carriers {
    /// The name of the cookie.
    pub cookie: String,
    /// Whether a stream may have its token in the query.
    pub query: bool,
    /// Other sites whose pages may write with a cookie, like `https://example.org`.
    pub origins: Vec<String>,
}

impl Carriers {
    /// The token of a request; in its query only if it is for a stream.
    pub(super) fn token<'a>(&self, request: &'a Request, stream: bool) -> Result<Option<&'a str>, ApiError> {
        let headers = request.headers().get_all(header::AUTHORIZATION).iter();
        let mut tokens: Vec<&str> = headers.filter_map(|value| bearer(value.to_str().ok()?)).collect();
        if stream && self.query {
            let query = request.uri().query().unwrap_or_default().split('&');
            tokens.extend(query.filter_map(|pair| named(pair, QUERY)));
        }
        let asked = !tokens.is_empty();
        let cookies = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';'));
        tokens.extend(pairs.filter_map(|pair| named(pair.trim(), &self.cookie)));
        // Nobody can say which one is meant, and who could add one would choose.
        if tokens.windows(2).any(|two| two[0] != two[1]) {
            return Err(AuthError::Several.into());
        }
        let token = tokens.pop();
        if token.is_some() && !asked && self.is_forged(request) {
            return Err(ApiError::Forbidden("a page of another site may not write with your cookie".to_owned()));
        }
        Ok(token)
    }

    /// Whether a page of another site has made a browser write.
    fn is_forged(&self, request: &Request) -> bool {
        if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
            return false;
        }
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        origins.any(|origin| !origin.to_str().is_ok_and(|origin| self.is_ours(origin, request)))
    }

    fn is_ours(&self, origin: &str, request: &Request) -> bool {
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 has the host in the address.
        let host = named.or_else(|| request.uri().authority().map(poem::http::uri::Authority::as_str));
        // A page that came without TLS may be anybody's on its way. Where a proxy ends TLS, we cannot tell.
        let sealed = |scheme: &str| scheme == "https" || *request.scheme() != Scheme::HTTPS;
        let here = origin
            .split_once("://")
            .is_some_and(|(scheme, site)| sealed(scheme) && host.is_some_and(|host| site.eq_ignore_ascii_case(host)));
        here || self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

/// The token of an `Authorization` header; the name of the scheme may be written in any way.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The value of a `name=value`. No character of a token is ever escaped.
fn named<'a>(pair: &'a str, name: &str) -> Option<&'a str> {
    let (key, value) = pair.split_once('=')?;
    (key == name).then(|| value.trim_matches('"'))
}
