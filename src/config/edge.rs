//! How connections come in, and what every socket is set to.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::values::{bytes, size, span};
use crate::edge;

/// How connections come in, and what every socket is set to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections of clients")]
pub struct EdgeSettings {
    /// The most connections let in a second: when thousands come at once, those who are there must not wait for them
    #[arg(long, env, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..))]
    pub accept_rate: u32,

    /// Threads that write the streams of plain HTTP/1.1, each some 150,000 events a second and more when they come thick; 0
    /// leaves them to the HTTP library, as those of HTTP/2 are
    #[arg(long, env, default_value_t = 2)]
    pub writers: usize,

    /// How long a client may take nothing before it is closed: longer than a phone changes networks
    #[arg(long, env, default_value = "30s", value_parser = span)]
    pub write_timeout: Duration,

    /// What the kernel holds for a slow client: without a bound it is 4 MiB
    #[arg(long, env, default_value = "64KiB", value_parser = bytes)]
    pub send_buffer: ByteSize,
}

impl EdgeSettings {
    /// What sockets are set to.
    pub fn options(&self) -> edge::Options {
        edge::Options {
            accept_rate: self.accept_rate,
            write_timeout: self.write_timeout,
            send_buffer: size(self.send_buffer),
            writers: self.writers,
        }
    }
}
