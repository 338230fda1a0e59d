//! What the library calls: a session has begun, something has come, it has ended.

use std::sync::Arc;

use bytes::Bytes;
use engineioxide::{DisconnectReason, Socket, Str, handler::EngineIoHandler};

use super::{
    Shared,
    inbox::Most,
    life::{self, Life},
    packet::Packet,
    session::{Handshake, Mine, Session},
};
use crate::{api::problem::ApiError, metrics::METRICS};

/// When a client whose inbox is full may try again, in seconds.
const FULL_RETRY: u32 = 1;

/// See the module.
pub(super) struct Handler(pub(super) Arc<Shared>);

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handler")
    }
}

impl Handler {
    /// How much of a client may wait: of one that is not let in, not more than it takes to be.
    fn most(&self, session: &Session) -> Most {
        let most = self.0.options.inbox;
        let bytes = if session.is_connected() { most.bytes } else { life::LONGEST_INTRODUCTION };
        Most { bytes, ..most }
    }
}

impl EngineIoHandler for Handler {
    type Data = Mine;

    fn on_connect(self: Arc<Self>, socket: Arc<Socket<Mine>>) {
        // Every request that opens a session comes through the door, and has it.
        let Some(Handshake(come)) = socket.req_parts.extensions.get().cloned() else {
            return socket.close(DisconnectReason::TransportError);
        };
        let session = Arc::new(Session::new(&socket, come.cut.clone()));
        let _ = socket.data.set(Arc::clone(&session));
        self.0.begin(&session);
        self.0.tasks.spawn(Life::new(Arc::clone(&self.0), session, come).run());
    }

    /// Whoever lives the session's life sees it too.
    fn on_disconnect(&self, _: Arc<Socket<Mine>>, _: DisconnectReason) {}

    /// Called in the order in which packets have come.
    fn on_message(self: &Arc<Self>, text: Str, socket: Arc<Socket<Mine>>) {
        let Some(session) = socket.data.get() else { return };
        // What comes with it, or after it, in the same request.
        if session.is_over() {
            return;
        }
        let packet = Packet::parse(&text).unwrap_or(Packet::Bad);
        if let Err(packet) = session.inbox.put(packet, text.len(), self.most(session)) {
            METRICS.socketio.refused("inbox");
            match packet {
                Packet::Event(event) if session.is_connected() => {
                    let error = ApiError::TooMany { what: "too many requests are waiting", seconds: FULL_RETRY };
                    session.tell(life::failed(&event, &error));
                }
                _ => session.end("packet"),
            }
        }
    }

    /// It belongs to an event that is refused.
    fn on_binary(self: &Arc<Self>, _: Bytes, _: Arc<Socket<Mine>>) {}
}
