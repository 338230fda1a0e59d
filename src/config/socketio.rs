//! What sockets (Socket.IO) may be.

use std::time::Duration;

use bytesize::ByteSize;
use clap::{ArgAction, Args};

use super::values::{at_least_one, bytes, size, span};
use crate::api::SocketIoOptions;

/// What sockets may be.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Socket.IO")]
pub struct SocketIoSettings {
    /// Whether Socket.IO is served, at `/socket.io/`
    #[arg(long, env, default_value_t = true, action = ArgAction::Set)]
    pub socketio_enabled: bool,

    /// The most sockets on this node, those among them that are not yet connected: each takes some 20 KiB
    #[arg(long, env, default_value_t = 10_000)]
    pub socketio_max_sockets: usize,

    /// The most bytes that a socket sends or polls at once: the largest message (MAX_CONTENT), and what JSON adds to it
    #[arg(long, env, default_value = "2MiB", value_parser = bytes)]
    pub socketio_max_payload: ByteSize,

    /// The most packets that wait for a client: one that is slower is disconnected, and never silently misses something
    #[arg(long, env, default_value_t = 1024, value_parser = at_least_one)]
    pub socketio_buffer: usize,

    /// The most requests of a socket that wait to be worked off: they are, one after the other
    #[arg(long, env, default_value_t = 1024, value_parser = at_least_one)]
    pub socketio_inbox: usize,

    /// The most bytes of them
    #[arg(long, env, default_value = "4MiB", value_parser = bytes)]
    pub socketio_inbox_bytes: ByteSize,

    /// How long a client may take to connect after the handshake, and for the upgrade to a websocket
    #[arg(long, env, default_value = "10s", value_parser = span)]
    pub socketio_connect_timeout: Duration,

    /// How often a client is asked whether it is there: shorter than the 30 s after which some proxies close
    #[arg(long, env, default_value = "25s", value_parser = span)]
    pub socketio_ping_interval: Duration,

    /// How long it has for the answer
    #[arg(long, env, default_value = "20s", value_parser = span)]
    pub socketio_ping_timeout: Duration,
}

impl SocketIoSettings {
    /// How sockets behave, of which each may be in so many rooms; nothing where there are none.
    pub fn options(&self, rooms: usize) -> Option<SocketIoOptions> {
        self.socketio_enabled.then(|| SocketIoOptions {
            sockets: self.socketio_max_sockets,
            payload: size(self.socketio_max_payload),
            buffer: self.socketio_buffer,
            inbox: self.socketio_inbox,
            inbox_bytes: size(self.socketio_inbox_bytes),
            rooms,
            connect_timeout: self.socketio_connect_timeout,
            ping_interval: self.socketio_ping_interval,
            ping_timeout: self.socketio_ping_timeout,
        })
    }
}
