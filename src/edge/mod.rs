//! The edge: connections come in, requests go to the endpoint, and at the end all of them are let out.
//!
//! poem's own server would do, but for three things: it spins when `accept` fails; it polls a connection on after its
//! client has gone, so that a silent stream outlives its reader until something is written; and it bounds neither the
//! time a request's head may take nor what is buffered for a slow reader. So the loop is ours: hyper serves each
//! connection, with poem's endpoint as its service.

mod accept;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{body::Incoming, service::service_fn};
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
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use accept::Options;
use accept::{Door, Socket};

/// How long the head of a request may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest head of a request, and what is held of an answer until its reader takes it; in bytes.
const BUFFER: usize = 64 << 10;

/// What every connection needs.
#[derive(Clone)]
struct Service {
    endpoint: Arc<dyn DynEndpoint<Output = Response>>,
    http: Builder<TokioExecutor>,
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
/// When the socket does not listen.
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
    Ok(())
}

/// HTTP/1.1, and HTTP/2 for clients that begin with it.
fn http() -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER);
    http.http2().timer(TokioTimer::new()).max_header_list_size(BUFFER as u32).max_send_buf_size(BUFFER);
    http
}

impl Service {
    async fn connection(self, socket: Socket, peer: SocketAddr) {
        let answer = service_fn(|request: hyper::Request<Incoming>| {
            let (near, far) = (LocalAddr(self.address.into()), RemoteAddr(peer.into()));
            let endpoint = Arc::clone(&self.endpoint);
            async move {
                let answer = endpoint.get_response((request, near, far, Scheme::HTTP).into()).await;
                Ok::<_, Infallible>(hyper::Response::from(answer))
            }
        });
        let connection = self.http.serve_connection_with_upgrades(TokioIo::new(socket), answer);
        tokio::pin!(connection);
        // How a connection ends is its client's affair.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.finish.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! { _ = connection => {}, () = self.cut.cancelled() => {} }
    }
}
