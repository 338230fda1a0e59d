//! A session: one client's transport, whichever it is, and what can be done with it.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use engineioxide::{DisconnectReason, Socket, Str, TransportType, socket::Sid};
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use super::{backlog::Backlog, inbox::Inbox, seats::Seat};
use crate::{api::carriers::Given, metrics::METRICS};

/// What the library keeps for us with its own part of a session.
pub(super) type Mine = OnceLock<Arc<Session>>;

/// What is known of a client from the request that opened its session; the library keeps it as long as the session.
#[derive(Clone)]
pub(super) struct Handshake(pub(super) Arc<Come>);

/// See [`Handshake`].
pub(super) struct Come {
    /// Where the client calls from.
    pub address: IpAddr,
    /// The tokens that came with the request.
    pub given: Given,
    /// Cuts the line.
    pub cut: CancellationToken,
    /// It has a place among the sessions of the node.
    pub _seat: Seat,
}

/// One client's transport.
pub(super) struct Session {
    /// The number by which its transports are known. Who knows it may speak for the client.
    pub id: Sid,
    /// What it has sent.
    pub inbox: Inbox,
    /// What it was told and has not polled.
    pub backlog: Backlog,
    transport: Weak<Socket<Mine>>,
    cut: CancellationToken,
    /// It has been let in.
    connected: AtomicBool,
    /// Nothing is sent any more.
    over: AtomicBool,
}

impl Session {
    pub(super) fn new(transport: &Arc<Socket<Mine>>, cut: CancellationToken) -> Self {
        let transport_is = Arc::downgrade(transport);
        Self {
            id: transport.id,
            inbox: Inbox::default(),
            backlog: Backlog::default(),
            transport: transport_is,
            cut,
            connected: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    /// Puts a packet into the client's buffer. Where there is no room, the transport ends, and nothing more is sent: or
    /// else something would be missing in the midst of what the client has.
    pub(super) fn tell(&self, packet: Str) -> bool {
        if self.over.load(Relaxed) {
            return false;
        }
        let Some(transport) = self.transport.upgrade() else { return false };
        self.backlog.told(&packet);
        match transport.emit(packet) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                tracing::debug!("a socket takes less than it is sent: its transport is closed");
                self.end("buffer");
                false
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Ends the transport now, without a word: the client comes back by itself.
    pub(super) fn end(&self, reason: &'static str) {
        if self.over.swap(true, Relaxed) {
            return;
        }
        METRICS.socketio.ended(reason);
        self.abandon();
    }

    /// The same when there is nothing left to end but what the library may have forgotten.
    pub(super) fn abandon(&self) {
        if let Some(transport) = self.transport.upgrade() {
            transport.close(DisconnectReason::TransportClose);
        }
        self.cut.cancel();
    }

    /// It has been let in, or is no longer.
    pub(super) fn connected(&self, is: bool) {
        self.connected.store(is, Relaxed);
    }

    /// Whether it has been let in.
    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// Whether nothing is sent any more.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// What cuts its line.
    pub(super) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// Whether its transport is a websocket.
    pub(super) fn is_websocket(&self) -> bool {
        self.transport.upgrade().is_some_and(|transport| transport.transport_type() == TransportType::Websocket)
    }

    /// Waits until its transport has ended.
    pub(super) async fn gone(&self) {
        let Some(transport) = self.transport.upgrade() else { return };
        tokio::select! { () = transport.closed() => {}, () = self.cut.cancelled() => {} }
    }
}
