//! A connection, from the socket to its end: who it is, TLS, HTTP, and perhaps a life as a stream.

use std::{net::SocketAddr, sync::Arc};

use hyper::{Method, Version, body::Incoming, service::service_fn};
use hyper_util::{rt::TokioIo, server::conn::auto::Builder};
use poem::{
    Endpoint, Response,
    endpoint::DynEndpoint,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{io::InspectReader, sync::CancellationToken};

use super::{
    loan::Loan,
    patience::{Answering, Patience, Timeouts},
    places::Place,
    proxy,
    refusal::{Full, Refusal},
    taking::{Exchanges, Pieces},
    writers::Writers,
};

/// What every connection needs.
pub(super) struct Service {
    pub(super) endpoint: Arc<dyn DynEndpoint<Output = Response>>,
    pub(super) http: Builder<Exchanges>,
    pub(super) timeouts: Timeouts,
    pub(super) writers: Arc<Writers>,
    pub(super) refusal: Refusal,
    /// Connections begin with the PROXY protocol.
    pub(super) proxied: bool,
    /// Connections are encrypted.
    pub(super) tls: Option<TlsAcceptor>,
    /// Where the node listens.
    pub(super) address: SocketAddr,
    /// Requests under way are answered, then the connection ends.
    pub(super) finish: CancellationToken,
    /// The connection ends at once.
    pub(super) cut: CancellationToken,
}

/// The connection goes on elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("the stream was handed over")]
struct HandedOver;

/// The other end.
#[derive(Clone)]
struct Client {
    address: SocketAddr,
    scheme: Scheme,
    /// The socket, where it may be taken back from hyper for a stream.
    loan: Option<Loan>,
    patience: Patience,
}

impl Service {
    /// Serves a connection to its end, or until it becomes a stream.
    pub(super) async fn connection(self: Arc<Self>, mut socket: TcpStream, peer: SocketAddr, mut place: Place) {
        let since = Instant::now();
        let Some(address) = self.before_the_end(since, self.source(&mut socket, peer)).await else { return };
        if !place.count_for(address.ip()) {
            drop(place);
            return self.refusal.refuse(socket, Full::Address);
        }
        let patience = Patience::new(self.timeouts, since);
        match &self.tls {
            None => self.serve_plain(socket, address, place, patience).await,
            // Apart, since it is much larger, and every connection would be of its size.
            Some(tls) => Box::pin(self.serve_encrypted(tls, socket, address, since, (place, patience))).await,
        }
    }

    async fn serve_plain(&self, socket: TcpStream, address: SocketAddr, place: Place, patience: Patience) {
        let loan = Loan::new(socket, place);
        let lent = self.writers.are_there().then(|| loan.clone());
        self.serve(loan.clone(), None, Client { address, scheme: Scheme::HTTP, loan: lent, patience }).await;
        if let Some((socket, stream, place)) = loan.take_back() {
            self.writers.take(socket, stream, place);
        }
    }

    async fn serve_encrypted(
        &self,
        tls: &TlsAcceptor,
        socket: TcpStream,
        address: SocketAddr,
        since: Instant,
        (place, patience): (Place, Patience),
    ) {
        let Some(socket) = self.before_the_end(since, shake_hands(tls, socket)).await else { return };
        self.serve(socket, Some(place), Client { address, scheme: Scheme::HTTPS, loan: None, patience }).await;
    }

    /// What comes before HTTP is part of the time that a request's head may take, and nothing that a node which ends
    /// would wait for.
    async fn before_the_end<T>(&self, since: Instant, step: impl Future<Output = Option<T>>) -> Option<T> {
        let step = self.finish.run_until_cancelled(timeout_at(since + self.timeouts.head, step));
        step.await?.ok()?
    }

    async fn source(&self, socket: &mut TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
        if !self.proxied {
            return Some(peer);
        }
        match proxy::source(socket).await {
            Ok(source) => Some(source.unwrap_or(peer)),
            Err(error) => {
                tracing::debug!(%error, %peer, "a connection that does not begin with the PROXY protocol is closed");
                None
            }
        }
    }

    /// Serves a connection to the end of HTTP. The socket may go on after that, if a request has upgraded it: so its place
    /// goes with it, here or in its loan.
    async fn serve<IO>(&self, io: IO, place: Option<Place>, client: Client)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let patience = client.patience.clone();
        let listening = client.patience.clone();
        let heard = move |_: &[u8]| {
            let _with = &place;
            listening.heard();
        };
        let io = TokioIo::new(InspectReader::new(io, heard));
        let answer = service_fn(|request| self.answer(request, client.clone()));
        let connection = self.http.serve_connection_with_upgrades(io, answer);
        tokio::pin!(connection);
        // How a connection ends is its client's affair. Its own word comes first, lest patience end what has just
        // begun.
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = self.finish.cancelled() => {}
            () = patience.run_out() => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! { _ = connection => {}, () = self.cut.cancelled() => {}, () = patience.farewell() => {} }
    }

    /// Answers a request; an error when its answer is a stream that goes on without hyper.
    fn answer(
        &self,
        request: hyper::Request<Incoming>,
        client: Client,
    ) -> impl Future<Output = Result<hyper::Response<Answering>, HandedOver>> + use<> {
        let (near, far) = (LocalAddr(self.address.into()), RemoteAddr(client.address.into()));
        let (endpoint, open) = (Arc::clone(&self.endpoint), client.patience.request(request.version()));
        let get = request.method() == Method::GET && request.version() == Version::HTTP_11;
        let loan = client.loan.filter(|_| get);
        let scheme = client.scheme;
        async move {
            let answer = endpoint.get_response((request, near, far, scheme).into()).await;
            let answer = hyper::Response::from(answer);
            // hyper writes nothing of an error.
            match loan {
                Some(loan) if loan.end_with(&answer) => Err(HandedOver),
                _ => Ok(answer.map(|body| Answering::new(Pieces::new(body), open))),
            }
        }
    }
}

async fn shake_hands(tls: &TlsAcceptor, socket: TcpStream) -> Option<TlsStream<TcpStream>> {
    let hands = tls.accept(socket).await;
    hands.inspect_err(|error| tracing::debug!(%error, "a client could not agree on TLS")).ok()
}
