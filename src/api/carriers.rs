//! How a token comes with a request: as a header, as a cookie, or in the query of a stream.
//!
//! A header is what programs send. A cookie is what a browser sends by itself, also with an `EventSource`, which can
//! send no header; so also when another site's page makes it call us. Reading does no harm then, since that page may
//! not see the answer; what writes must come from a page of our own (CSRF). A query is for an `EventSource` of another
//! site: it stands in histories and in the logs of proxies, and so must be asked for.
//!
//! A socket is opened with a request that only reads, and then both reads and writes, and no browser keeps other sites'
//! pages from opening one. So there a cookie counts only from a page of our own, as for what writes.

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
        self.add_cookies(request, &mut tokens);
        let token = one(&tokens)?;
        if token.is_some() && !asked && self.is_forged(request) {
            return Err(forged());
        }
        Ok(token)
    }

    /// The token of a request that opens a socket; `given` is what came with its first packet.
    pub(super) fn handshake(&self, request: &Request) -> Given {
        let headers = request.headers().get_all(header::AUTHORIZATION).iter();
        let mut tokens: Vec<&str> = headers.filter_map(|value| bearer(value.to_str().ok()?)).collect();
        let asked = !tokens.is_empty();
        self.add_cookies(request, &mut tokens);
        let forged = !asked && self.is_of_another_site(request);
        Given { tokens: tokens.into_iter().map(str::to_owned).collect(), forged }
    }

    fn add_cookies<'a>(&self, request: &'a Request, tokens: &mut Vec<&'a str>) {
        let cookies = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';'));
        tokens.extend(pairs.filter_map(|pair| named(pair.trim(), &self.cookie)));
    }

    /// Whether a page of another site has made a browser write.
    fn is_forged(&self, request: &Request) -> bool {
        if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
            return false;
        }
        self.is_of_another_site(request)
    }

    fn is_of_another_site(&self, request: &Request) -> bool {
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

/// The tokens that came with the request which opened a socket.
#[derive(Debug, Clone)]
pub(super) struct Given {
    tokens: Vec<String>,
    /// They are cookies, and a page of another site has made the browser send them.
    forged: bool,
}

impl Given {
    /// The token of the socket, with the one that came in its first packet.
    pub(super) fn token<'a>(&'a self, first: Option<&'a str>) -> Result<Option<&'a str>, ApiError> {
        match first {
            // A page that has a token needs no cookie: what another site's page could add is left out.
            Some(_) if self.forged => Ok(first),
            None if self.forged && !self.tokens.is_empty() => Err(forged()),
            first => one(&self.tokens.iter().map(String::as_str).chain(first).collect::<Vec<_>>()),
        }
    }
}

/// The one token that is given. Nobody can say which of several is meant, and who could add one would choose.
fn one<'a>(tokens: &[&'a str]) -> Result<Option<&'a str>, ApiError> {
    match tokens.windows(2).any(|two| two[0] != two[1]) {
        true => Err(AuthError::Several.into()),
        false => Ok(tokens.last().copied()),
    }
}

fn forged() -> ApiError {
    ApiError::Forbidden("a page of another site may not write with your cookie".to_owned())
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
