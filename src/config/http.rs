//! Where HTTP is served, and what a request may be.

use std::net::IpAddr;

use bytesize::ByteSize;
use clap::{ArgAction, Args};

use super::values::{bytes, size};
use crate::message::Limits;

/// Where HTTP is served, and what a request may be.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpSettings {
    /// The address to listen on
    #[arg(long, env, default_value = "0.0.0.0")]
    pub host: IpAddr,

    /// The port to listen on; 0 takes a free one, which is printed
    #[arg(long, env, default_value_t = 8000)]
    pub port: u16,

    /// A port of their own for metrics and the full report, which then are not on the other; without it they are
    #[arg(long, env)]
    pub admin_port: Option<u16>,

    /// The address to listen on there: this machine alone, since nobody is asked for a token
    #[arg(long, env, default_value = "127.0.0.1")]
    pub admin_host: IpAddr,

    /// Whether the console is served, at `/`: a page to follow rooms, and to see how the cluster is
    #[arg(long, env, default_value_t = true, action = ArgAction::Set)]
    pub console: bool,

    /// The longest content of a message: large enough for any text a person reads
    #[arg(long, env, default_value = "1MiB", value_parser = bytes)]
    pub max_content: ByteSize,

    /// The most bytes of content in a page of messages, or one message: a page is in memory until its reader has taken it
    #[arg(long, env, default_value = "4MiB", value_parser = bytes)]
    pub max_page: ByteSize,
}

impl HttpSettings {
    /// The most bytes of content in a page of messages, if it is not one message that has more.
    pub fn page_bytes(&self) -> usize {
        size(self.max_page)
    }

    /// How large a message may be.
    pub fn limits(&self) -> Limits {
        Limits { content_bytes: size(self.max_content) }
    }
}
