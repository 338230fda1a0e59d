//! The edge: connections come in, requests go to the endpoint, and at the end all of them are let out.
//!
//! poem's own server would do, but for three things: it spins when `accept` fails; it polls a connection on after its
//! client has gone, so that a silent stream outlives its reader until something is written; and it bounds neither the
//! time a request's head may take nor what is buffered for a slow reader. So the loop is ours: hyper serves each
//! connection, with poem's endpoint as its service. A stream leaves hyper as soon as it is answered, where it can, and is
//! written by threads that do nothing else.

mod accept;
mod few;
mod handover;
mod loan;
mod outlet;
mod shard;
mod writers;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{Method, Version, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use poem::{
    Endpoint, EndpointExt, Response,
    endpoint::{DynEndpoint, ToDynEndpoint},
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use accept::Door;
pub use accept::Options;
pub use few::serve_few;
pub use handover::Offer;
use loan::Loan;
use writers::Writers;

/// How long the head of a request may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest head of a request, and what is held of an answer until its reader takes it; in bytes.
const BUFFER: usize = 64 << 10;

/// What every connection needs.
#[derive(Clone)]
struct Service {
    endpoint: Arc<dyn DynEndpoint<Output = Response>>,
    http: Builder<TokioExecutor>,
    writers: Arc<Writers>,
    address: SocketAddr,
    /// Requests under way are answered, then the connection ends.
    finish: CancellationToken,
    /// The connection ends at once.
    cut: CancellationToken,
}

/// Serves on `listener` until `drained`; then no connection is accepted, requests under way have `grace`, and what is
/// still open after that is cut off.
///
/// # Errors
/// When the socket does not listen, or no thread can be had.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    endpoint: impl Endpoint + 'static,
    drained: impl Future<Output = ()>,
    grace: Duration,
) -> io::Result<()> {
    let service = Service {
        endpoint: Arc::new(ToDynEndpoint(endpoint.map_to_response())),
        http: http(),
        writers: Arc::new(Writers::start(options.writers)?),
        address: listener.local_addr()?,
        finish: CancellationToken::new(),
        cut: CancellationToken::new(),
    };
    let connections = TaskTracker::new();
    let mut door = Door::new(listener, options);
    let accepting = async {
        loop {
            let (socket, peer) = door.accept().await;
            connections.spawn(service.clone().connection(socket, peer));
        }
    };
    tokio::select! { () = accepting => {}, () = drained => {} }
    drop(door);
    service.finish.cancel();
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        service.cut.cancel();
        connections.wait().await;
    }
    service.writers.finish(grace).await;
    Ok(())
}

/// HTTP/1.1, and HTTP/2 for clients that begin with it.
fn http() -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER);
    http.http2().timer(TokioTimer::new()).max_header_list_size(BUFFER as u32).max_send_buf_size(BUFFER);
    http
}

/// The connection goes on elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("the stream was handed over")]
struct HandedOver;

impl Service {
    /// Serves a connection to its end, or until it becomes a stream.
    async fn connection(self, socket: TcpStream, peer: SocketAddr) {
        let loan = Loan::new(socket);
        self.serve(&loan, peer).await;
        if let Some((socket, stream)) = loan.take_back() {
            self.writers.take(socket, stream);
        }
    }

    async fn serve(&self, loan: &Loan, peer: SocketAddr) {
        let answer = service_fn(|request: hyper::Request<Incoming>| {
            let (near, far) = (LocalAddr(self.address.into()), RemoteAddr(peer.into()));
            let get = request.method() == Method::GET && request.version() == Version::HTTP_11;
            let plain = get && self.writers.are_there();
            let (endpoint, loan) = (Arc::clone(&self.endpoint), loan.clone());
            async move {
                let answer = endpoint.get_response((request, near, far, Scheme::HTTP).into()).await;
                let answer = hyper::Response::from(answer);
                // hyper writes nothing of an error.
                if plain && loan.end_with(&answer) { Err(HandedOver) } else { Ok(answer) }
            }
        });
        let connection = self.http.serve_connection_with_upgrades(TokioIo::new(loan.clone()), answer);
        tokio::pin!(connection);
        // How a connection ends is its client's affair.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.finish.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! { _ = connection => {}, () = self.cut.cancelled() => {} }
    }
}
