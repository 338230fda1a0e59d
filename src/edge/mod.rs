//! The edge: connections come in, requests go to the endpoint, and at the end all of them are let out.
//!
//! poem's own server would do, but for three things: it spins when `accept` fails; it polls a connection on after its
//! client has gone, so that a silent stream outlives its reader until something is written; and it bounds neither the
//! number of connections, nor the time a request's head may take, nor what is buffered for a slow reader. So the loop
//! is ours: hyper serves each connection, with poem's endpoint as its service. A stream leaves hyper as soon as it is
//! answered, where it can, and is written by threads that do nothing else.

mod accept;
mod connection;
mod descriptors;
mod few;
mod handover;
mod http;
mod loan;
mod outlet;
mod patience;
mod places;
mod proxy;
mod refusal;
mod shard;
mod taking;
mod tls;
mod writers;

use std::{future, io, sync::Arc, time::Duration};

use poem::{Endpoint, EndpointExt, endpoint::ToDynEndpoint};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use accept::Door;
pub use accept::Sockets;
use connection::Service;
pub use descriptors::ask_for as ask_for_descriptors;
pub use few::serve_few;
pub use handover::Offer;
pub use http::Bounds;
pub use patience::Timeouts;
pub use places::Most;
use places::Places;
use refusal::{Full, Refusal};
pub use tls::{Files, Tls, TlsError};
use writers::Writers;

/// How connections come in, what they may cost, and how they are let out.
pub struct Options {
    /// What every socket is set to.
    pub sockets: Sockets,
    /// How many there may be.
    pub most: Most,
    /// How long they may ask for nothing.
    pub timeouts: Timeouts,
    /// What HTTP may cost.
    pub bounds: Bounds,
    /// Connections begin with the PROXY protocol.
    pub proxied: bool,
    /// Connections are encrypted with this.
    pub tls: Option<Tls>,
    /// Threads that write the streams of plain HTTP/1.1. Without any, hyper does.
    pub writers: usize,
    /// What requests under way have after the streams were sent away, before they are cut off.
    pub grace: Duration,
}

/// Serves on `listener` until `stop`. Then no connection is accepted, those that are idle end, and those with a request
/// under way with its answer. `leave` sends the streams away; what is still open after that and a grace is cut off.
///
/// # Errors
/// When the socket does not listen, or no thread can be had.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    endpoint: impl Endpoint + 'static,
    stop: impl Future<Output = ()>,
    leave: impl Future<Output = ()>,
) -> io::Result<()> {
    let Options { sockets, most, timeouts, bounds, proxied, mut tls, writers, grace } = options;
    let service = Arc::new(Service {
        endpoint: Arc::new(ToDynEndpoint(endpoint.map_to_response())),
        http: http::builder(bounds),
        timeouts,
        writers: Arc::new(Writers::start(writers)?),
        refusal: Refusal::new(tls.is_some()),
        proxied,
        tls: tls.as_ref().map(|tls| tls.acceptor.clone()),
        address: listener.local_addr()?,
        finish: CancellationToken::new(),
        cut: CancellationToken::new(),
    });
    let (connections, mut door, places) = (TaskTracker::new(), Door::new(listener, sockets), Places::new(most));
    let accepting = async {
        loop {
            let (socket, peer) = door.accept().await;
            match places.take() {
                Some(place) => drop(connections.spawn(Arc::clone(&service).connection(socket, peer, place))),
                None => service.refusal.refuse(socket, Full::Node),
            }
        }
    };
    tokio::select! { () = accepting => {}, () = renew(tls.as_mut()) => {}, () = stop => {} }
    drop(door);
    service.finish.cancel();
    connections.close();
    leave.await;
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        service.cut.cancel();
        connections.wait().await;
    }
    service.writers.finish(grace).await;
    Ok(())
}

async fn renew(tls: Option<&mut Tls>) {
    match tls {
        Some(tls) => tls.renew().await,
        None => future::pending().await,
    }
}
