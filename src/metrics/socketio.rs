//! Sockets: how many there are, what they ask for, how they end.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Why, add, known};

/// Sockets of Socket.IO.
pub struct SocketIo {
    /// Sessions, connected or not yet.
    pub sessions: Gauge,
    /// Those that are connected.
    pub connected: Gauge,
    /// Rooms in which there is one.
    pub rooms: Gauge,
    /// Sockets that were let in.
    pub opened: Counter,
    /// Sockets whose token has run out.
    pub expired: Counter,
    /// Packets put into clients' buffers.
    pub deliveries: Counter,
    refused: Family<Why, Counter>,
    ended: Family<Why, Counter>,
    requests: Family<Request, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    event: &'static str,
    outcome: &'static str,
}

impl SocketIo {
    pub(super) fn new(to: &mut Registry) -> Self {
        let sockets = Self {
            sessions: add(to, "sockets", "Sockets (Socket.IO), those not yet connected among them"),
            connected: add(to, "sockets_connected", "Sockets that are connected"),
            rooms: add(to, "socket_rooms", "Rooms with a socket of this node"),
            opened: add(to, "sockets_opened", "Sockets that connected"),
            expired: add(to, "sockets_expired", "Sockets disconnected because their token had run out"),
            deliveries: add(to, "socket_deliveries", "Changes put into the buffers of sockets"),
            refused: add(
                to,
                "sockets_refused",
                "What was refused to sockets: a handshake, since there are SOCKETIO_MAX_SOCKETS or the node goes away \
                 (node), to connect (connect), a request, since SOCKETIO_INBOX are waiting (inbox)",
            ),
            ended: add(
                to,
                "sockets_ended",
                "Transports that ended: the client went or was silent (client), had SOCKETIO_BUFFER packets waiting \
                 (buffer), sent what is no packet, or not first that it wants in (packet), did not connect within SOCKETIO_CONNECT_TIMEOUT (timeout), \
                 would have missed changes (feed), or a packet as a websocket took over (upgrade); the node went away (bye)",
            ),
            requests: add(to, "socket_requests", "Requests of sockets, by what became of them"),
        };
        known(&sockets.refused, &["node", "connect", "inbox"]);
        known(&sockets.ended, &["client", "buffer", "packet", "timeout", "feed", "upgrade", "bye"]);
        for event in ["joinRoom", "leaveRoom", "sendMessage", "unknown"] {
            for outcome in ["ok", "failed"] {
                drop(sockets.requests.get_or_create(&Request { event, outcome }));
            }
        }
        sockets
    }

    /// Something was refused.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Why { reason }).inc();
    }

    /// A transport ended; each does once.
    pub fn ended(&self, reason: &'static str) {
        self.ended.get_or_create(&Why { reason }).inc();
    }

    /// A request was worked off.
    pub fn asked(&self, event: &'static str, ok: bool) {
        let outcome = if ok { "ok" } else { "failed" };
        self.requests.get_or_create(&Request { event, outcome }).inc();
    }
}
