//! Sockets of Socket.IO: what one that is there holds, and what it costs to tell many, beside npm's `socket.io`.

pub mod memory;
pub mod traffic;

use crate::{
    process::{Place, Role},
    role::sockets::Plan,
    server::socketio::Nodes,
};

/// Connections on their way at the same time.
const CONNECTING: usize = 200;

/// So many sockets in so many rooms, all there when this returns.
fn sockets(nodes: &Nodes, count: usize, rooms: usize) -> Role {
    let Nodes { speakers, listeners, .. } = *nodes;
    let plan = Plan { speakers, listeners, count, rooms, connecting: CONNECTING };
    let mut sockets = Role::play("sockets", &plan, Place::Elsewhere);
    let there: String = sockets.says();
    assert_eq!(there, "all are there");
    sockets
}
