//! Socket.IO: messages over one connection in both directions, by websocket or by polling, for clients that speak it.
//!
//! Engine.IO, the transports beneath, is a library's (engineioxide). What is above is ours: one namespace, text only.
//! The same makers have a library for that too (socketioxide). It cannot send away a client whose buffer is full, since
//! the packet that says so needs room there; nor tell one that is refused more than a text; it calls clients by the
//! number that lets anybody speak for them, and works off the packets of one client side by side.
//!
//! A request is worked off as over HTTP, in the order in which it came, and `sendMessage` only writes the row. What
//! goes out comes from the feed, by one task for all sockets of the node. Who may have missed a change has its transport
//! closed, without a word: its client comes back by itself, and reads anew.
//!
//! | file | what it is |
//! |---|---|
//! | `door` | requests, upgrades |
//! | `line` | the connection of a websocket |
//! | `handler`, `session`, `seats` | what the library calls; a client's transport; how many there may be |
//! | `backlog` | whether a websocket may take over from polling |
//! | `packet`, `inbox`, `life`, `member`, `request` | what a client sends, and what becomes of it |
//! | `rooms`, `room`, `feed`, `told` | what a client is told |

mod backlog;
mod door;
mod feed;
mod handler;
mod inbox;
mod life;
mod line;
mod member;
mod packet;
mod request;
mod room;
mod rooms;
mod seats;
mod session;
mod told;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use engineioxide::{config::EngineIoConfig, service::EngineIoService, socket::Sid};
use poem::{Endpoint, Response};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Parts, caller::Gate, posting::Posting};
use crate::{limit::Streams, presence::Presence};
use door::Door;
use handler::Handler;
use inbox::Most;
use rooms::Rooms;
use seats::Seats;
use session::Session;

/// In how many parts sessions are sent away.
const PARTS: usize = 16;

/// How many bytes of a websocket are read at once.
const READ_BUFFER: usize = 1024;

/// How sockets behave.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The most sessions on the node.
    pub sockets: usize,
    /// The most bytes that come at once.
    pub payload: usize,
    /// The most packets that wait to be taken by a client.
    pub buffer: usize,
    /// The most packets of a client that wait to be worked off.
    pub inbox: usize,
    /// The most bytes of them.
    pub inbox_bytes: usize,
    /// The most rooms of a socket.
    pub rooms: usize,
    /// How long a session may be without being connected.
    pub connect_timeout: Duration,
    /// How often a client is asked whether it is there.
    pub ping_interval: Duration,
    /// How long it has for the answer.
    pub ping_timeout: Duration,
}

/// The sockets of a node; a cheap handle.
#[derive(Clone)]
pub struct SocketIo(Arc<Shared>);

struct Shared {
    options: Settled,
    gate: Gate,
    posting: Posting,
    presence: Presence,
    streams: Streams,
    body_timeout: Duration,
    seats: Arc<Seats>,
    rooms: Rooms,
    sessions: RwLock<HashMap<Sid, Arc<Session>>>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// The options that are asked for again and again.
struct Settled {
    payload: usize,
    inbox: Most,
    rooms: usize,
    connect_timeout: Duration,
    engine: EngineIoConfig,
}

impl SocketIo {
    /// The sockets of a node that has these parts.
    pub fn new(options: Options, parts: &Parts) -> Self {
        Self(Arc::new(Shared {
            gate: parts.gate.clone(),
            posting: parts.posting(),
            presence: parts.presence.clone(),
            streams: parts.streams.clone(),
            body_timeout: parts.body_timeout,
            seats: Seats::new(options.sockets),
            rooms: Rooms::new(parts.hub.clone(), parts.presence.clone()),
            sessions: RwLock::default(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            options: options.into(),
        }))
    }

    /// Where they come in.
    pub(super) fn endpoint(&self) -> impl Endpoint<Output = Response> + use<> {
        let shared = Arc::clone(&self.0);
        let handler = Arc::new(Handler(Arc::clone(&shared)));
        Door { engine: EngineIoService::with_config(handler, shared.options.engine.clone()), shared }
    }

    /// Tells them of the feed; runs until it is dropped.
    pub async fn run(&self) {
        feed::follow(&self.0.rooms).await;
    }

    /// Sends all away, spread over `window` at most, takes no more, and waits until they have gone.
    pub async fn close(&self, window: Duration) {
        self.0.closing.cancel();
        for part in 0..PARTS {
            let sessions = self.0.all();
            if sessions.is_empty() {
                break;
            }
            // Each time an equal share of those who are still there.
            let share = sessions.len().div_ceil(PARTS - part);
            sessions.iter().take(share).for_each(|session| session.end("bye"));
            tokio::time::sleep(window / PARTS as u32).await;
        }
        // Whoever was let in while the door was closing.
        self.0.all().iter().for_each(|session| session.end("bye"));
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Shared {
    fn begin(&self, session: &Arc<Session>) {
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).insert(session.id, Arc::clone(session));
        if self.closing.is_cancelled() {
            session.end("bye");
        }
    }

    fn forget(&self, session: &Session) {
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).remove(&session.id);
    }

    fn session(&self, id: Sid) -> Option<Arc<Session>> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl From<Options> for Settled {
    fn from(options: Options) -> Self {
        let engine = EngineIoConfig::builder()
            .req_path("/socket.io")
            .ping_interval(options.ping_interval)
            .ping_timeout(options.ping_timeout)
            .upgrade_timeout(options.connect_timeout)
            .max_buffer_size(options.buffer)
            .max_payload(options.payload as u64)
            .ws_max_message_size(options.payload)
            .ws_max_frame_size(options.payload)
            // Each websocket has one, and what comes in is small.
            .ws_read_buffer_size(READ_BUFFER)
            .build();
        let inbox = Most { packets: options.inbox, bytes: options.inbox_bytes };
        let Options { payload, rooms, connect_timeout, .. } = options;
        Self { payload, inbox, rooms, connect_timeout, engine }
    }
}
