//! A listener for the few who look after the node: no streams, no pace, no place in any count.
//!
//! It goes on while the other one drains, and however many clients that one has. So it shares nothing with it; all that
//! it must not do is spin when `accept` fails, or be held open by those who say nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::{
    Endpoint, EndpointExt, Response,
    endpoint::{DynEndpoint, ToDynEndpoint},
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

/// The most connections at once; the next one waits. A scraper needs one, and one that says nothing is closed after
/// [`HEAD_TIMEOUT`].
const MOST: usize = 64;

/// How long the head of a request may take, and a connection may ask for nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause after a failure to accept.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped.
pub async fn serve_few(listener: TcpListener, endpoint: impl Endpoint + 'static) {
    let endpoint: Arc<dyn DynEndpoint<Output = Response>> = Arc::new(ToDynEndpoint(endpoint.map_to_response()));
    let (places, mut connections) = (Arc::new(Semaphore::new(MOST)), JoinSet::new());
    loop {
        // It is never closed.
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((socket, peer)) => {
                let endpoint = Arc::clone(&endpoint);
                connections.spawn(async move {
                    serve(socket, peer, endpoint).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of an administrator could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(socket: TcpStream, peer: SocketAddr, endpoint: Arc<dyn DynEndpoint<Output = Response>>) {
    let Ok(near) = socket.local_addr() else { return };
    let answer = service_fn(|request: hyper::Request<Incoming>| {
        let (near, far) = (LocalAddr(near.into()), RemoteAddr(peer.into()));
        let endpoint = Arc::clone(&endpoint);
        async move {
            let answer = endpoint.get_response((request, near, far, Scheme::HTTP).into()).await;
            Ok::<_, std::convert::Infallible>(hyper::Response::from(answer))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    // How a connection ends is its client's affair.
    let _ = http.serve_connection(TokioIo::new(socket), answer).await;
}
