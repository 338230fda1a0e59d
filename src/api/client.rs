//! Where a request comes from: the other end of its connection, or whom trusted proxies name.
//!
//! What a header says is what somebody has written into it, and anybody may. But a proxy of ours adds the address that
//! it sees itself at the end: so of `hops` proxies, the last `hops` entries are theirs and can be believed, and
//! whatever stands before them is the client's own invention. They are read from the right, one proxy after the other,
//! and where an entry is missing or names nobody, the proxy that ought to have written it is as far as can be trusted.
//!
//! Of the two headers only one is believed: a proxy adds to the one that it knows, and passes on the other as it came.

use std::net::{IpAddr, SocketAddr};

use poem::{
    Request,
    http::{HeaderMap, HeaderName, header::FORWARDED},
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies between the clients and this node.
#[derive(Debug, Clone, Copy)]
pub struct Proxies {
    /// How many there are, one behind the other; without any, no header is believed.
    pub hops: usize,
    /// The header that they write.
    pub header: ProxyHeader,
}

/// A header in which proxies name their clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProxyHeader {
    /// `X-Forwarded-For: client, proxy`
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239)
    Forwarded,
}

impl Proxies {
    /// Where a request comes from; none where the connection itself has no address.
    pub(super) fn client(self, request: &Request) -> Option<IpAddr> {
        let peer = request.remote_addr().as_socket_addr()?;
        Some(self.behind(peer.ip(), request.headers()))
    }

    /// The furthest address that can be trusted, beginning with the connection's other end.
    fn behind(self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.hops == 0 {
            return client;
        }
        let lines = headers.get_all(self.header.name()).iter().rev();
        // Bytes that are no text are the client's, and spoil no entry but their own.
        let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
        let entries = lines.flat_map(|line| self.header.entries(&line, self.hops));
        for entry in entries.take(self.hops) {
            let Some(address) = entry else { break };
            client = address.to_canonical();
        }
        client
    }
}

impl ProxyHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => FORWARDED,
        }
    }

    /// Whom the last entries of a line name, at most so many, the last one first.
    fn entries(self, line: &str, most: usize) -> Vec<Option<IpAddr>> {
        match self {
            Self::XForwardedFor => line.rsplit(',').take(most).map(node).collect(),
            Self::Forwarded => from_right(line, ',').take(most).map(element).collect(),
        }
    }
}

/// Whom an element of `Forwarded` names: `for="[2001:db8::1]:4711";proto=https`.
fn element(element: &str) -> Option<IpAddr> {
    let pairs = from_right(element, ';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    match (named.next(), named.next()) {
        (Some((_, name)), None) => node(unquoted(name.trim())),
        _ => None,
    }
}

/// The parts of a text between separators, the last one first; those within quotes do not separate.
///
/// From the right, since what a client opens and does not close would swallow all that comes after it, which is what
/// our proxies have added. Those close what they open.
fn from_right(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        let cut = text.char_indices().rev().find(|&(at, c)| {
            quoted ^= c == '"' && !is_escaped(&text[..at]);
            c == separator && !quoted
        });
        let Some((at, _)) = cut else { return rest.take() };
        rest = Some(&text[..at]);
        Some(&text[at + separator.len_utf8()..])
    })
}

/// Whether a backslash before it makes the next character an ordinary one: an odd number of them does.
fn is_escaped(before: &str) -> bool {
    (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
}

/// An address needs no backslash, so what has one is none.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// The address of a node, with a port or without; `unknown` and hidden ones (`_a`) have none.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    // A hidden port may stand behind an address that is not hidden.
    let text = text.rsplit_once(":_").map_or(text, |(host, _)| host);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    bare.parse().ok().or_else(with_port)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
