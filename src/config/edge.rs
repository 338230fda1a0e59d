//! How connections come in, what they may cost, and how they are let out.

use std::{path::PathBuf, time::Duration};

use bytesize::ByteSize;
use clap::{ArgAction, Args};

use super::values::{bytes, delay, head, size, span};
use crate::edge::{self, Bounds, Files, Most, Sockets, Timeouts, Tls, TlsError};

/// How connections come in, what they may cost, and how they are let out.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections of clients")]
pub struct EdgeSettings {
    /// The most connections let in a second: when thousands come at once, those who are there must not wait for them
    #[arg(long, env, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    pub accept_rate: u32,

    /// The most connections on this node, each a descriptor: those of all its streams and some for requests; who comes
    /// beyond is told 503, over TLS nothing
    #[arg(long, env, default_value_t = 60_000)]
    pub max_connections: usize,

    /// The most connections from one IPv4 address or IPv6 /64; 0 is no bound, since behind a proxy all clients have one
    /// address
    #[arg(long, env, default_value_t = 0)]
    pub max_connections_per_address: usize,

    /// How long the head of a request may take, and all before the first one: longer than any honest client needs
    #[arg(long, env, default_value = "10s", value_parser = span)]
    pub head_timeout: Duration,

    /// The longest head of a request, 8KiB or more: room for large cookies and tokens
    #[arg(long, env, default_value = "64KiB", value_parser = head)]
    pub max_head: ByteSize,

    /// How long the body of a request may take: the largest one over a poor line
    #[arg(long, env, default_value = "30s", value_parser = span)]
    pub body_timeout: Duration,

    /// How long a connection stays open without a request: longer than load balancers keep theirs, which is 60 s
    /// mostly, or they would ask on one that is just being closed
    #[arg(long, env, default_value = "75s", value_parser = span)]
    pub idle_timeout: Duration,

    /// The most requests and streams at once on one connection of HTTP/2: more where a proxy puts many clients on one
    #[arg(long, env, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_http2_streams: u32,

    /// Threads that write the streams of plain HTTP/1.1, each some 150,000 events a second and more when they come
    /// thick; 0 leaves them to the HTTP library, as those of HTTP/2 and TLS are
    #[arg(long, env, default_value_t = 2)]
    pub writers: usize,

    /// How long a client may take nothing before it is closed: longer than a phone changes networks
    #[arg(long, env, default_value = "30s", value_parser = span)]
    pub write_timeout: Duration,

    /// What the kernel holds for a slow client: without a bound it is 4 MiB
    #[arg(long, env, default_value = "64KiB", value_parser = bytes)]
    pub send_buffer: ByteSize,

    /// A PEM file with the certificate for TLS and those that vouch for it: with TLS_KEY, HTTPS alone is served
    #[arg(long, env, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// A PEM file with the key of TLS_CERT
    #[arg(long, env, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// How often both files are read again, lest a certificate expire that has been renewed
    #[arg(long, env, default_value = "10s", value_parser = span)]
    pub tls_reload: Duration,

    /// Whether every connection begins with the PROXY protocol, version 1 or 2, and is closed without: only where
    /// nobody but the proxy can connect, since it is believed
    #[arg(long, env, action = ArgAction::Set, num_args = 0..=1, default_value_t = false, default_missing_value = "true")]
    pub proxy_protocol: bool,

    /// How long at shutdown all goes on although the node says that it is not ready: as long as load balancers take to
    /// notice
    #[arg(long, env, default_value = "0s", value_parser = delay)]
    pub drain_delay: Duration,

    /// How long at shutdown requests may take that are under way when the last stream has been sent away
    #[arg(long, env, default_value = "5s", value_parser = span)]
    pub drain_grace: Duration,
}

impl EdgeSettings {
    /// How connections come in, what they may cost, and how they are let out. Reads the certificate.
    ///
    /// # Errors
    /// When there is no certificate where one is named.
    pub fn options(&self) -> Result<edge::Options, TlsError> {
        Ok(edge::Options {
            sockets: Sockets {
                accept_rate: self.accept_rate,
                write_timeout: self.write_timeout,
                send_buffer: size(self.send_buffer),
            },
            most: Most { here: self.max_connections, each: self.max_connections_per_address },
            timeouts: Timeouts { head: self.head_timeout, idle: self.idle_timeout },
            bounds: Bounds {
                head: size(self.max_head),
                requests: self.max_http2_streams,
                patience: self.write_timeout,
            },
            proxied: self.proxy_protocol,
            tls: self.files()?.map(Tls::load).transpose()?,
            writers: self.writers,
            grace: self.drain_grace,
        })
    }

    /// How the node's URL begins.
    pub fn scheme(&self) -> &'static str {
        if self.tls_cert.is_some() { "https" } else { "http" }
    }

    fn files(&self) -> Result<Option<Files>, TlsError> {
        match (self.tls_cert.clone(), self.tls_key.clone()) {
            (Some(cert), Some(key)) => Ok(Some(Files { cert, key, reload: self.tls_reload })),
            (Some(_), None) => Err(TlsError::Half("TLS_KEY")),
            (None, Some(_)) => Err(TlsError::Half("TLS_CERT")),
            (None, None) => Ok(None),
        }
    }
}
