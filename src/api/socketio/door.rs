//! The door: `/socket.io/`, where polling is answered and websockets are opened.
//!
//! The library answers requests, and would upgrade a connection by itself, but the framework has taken out of the
//! request what is needed for that. So the upgrade is ours, and the library gets the connection. Who opens a session is
//! counted, and needs a seat; who has one has passed.

use std::{net::Ipv4Addr, str::FromStr, sync::Arc};

use bytes::Bytes;
use engineioxide::{service::EngineIoService, socket::Sid};
use http_body_util::{BodyExt, Full};
use hyper::service::Service;
use poem::{
    Endpoint, Request, Response,
    error::MethodNotAllowedError,
    http::{self, HeaderMap, HeaderName, Method, StatusCode, header},
};
use tokio_util::sync::CancellationToken;
use tungstenite::handshake::derive_accept_key;

use super::{
    Shared,
    backlog::Gap,
    handler::Handler,
    line::Line,
    session::{Come, Handshake, Session},
};
use crate::{
    api::{budget, problem::ApiError, wire},
    limit::Who,
    metrics::METRICS,
};

/// The endpoint.
pub(super) struct Door {
    pub(super) shared: Arc<Shared>,
    pub(super) engine: EngineIoService<Handler>,
}

impl Endpoint for Door {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if ![Method::GET, Method::POST].contains(request.method()) {
            return Err(MethodNotAllowedError.into());
        }
        Ok(self.answer(request).await?)
    }
}

impl Door {
    async fn answer(&self, request: Request) -> Result<Response, ApiError> {
        let query = request.uri().query().unwrap_or_default();
        let opens = *request.method() == Method::GET && parameter(query, "sid").is_none();
        let come = if opens { Some(self.admit(&request).await?) } else { None };
        let query = request.uri().query().unwrap_or_default();
        // What has a wrong version or transport is told so by the library.
        let websocket = parameter(query, "EIO") == Some("4") && parameter(query, "transport") == Some("websocket");
        match websocket && *request.method() == Method::GET {
            true => self.upgrade(request, come),
            false => self.poll(request, come).await,
        }
    }

    /// Lets a new session begin.
    async fn admit(&self, request: &Request) -> Result<Handshake, ApiError> {
        let shared = &self.shared;
        let address = shared.gate.proxies.client(request).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        budget::spend(&shared.gate.limiter, request, || Who::of(None, address)).await?;
        let seat = shared.seats.take().filter(|_| !shared.closing.is_cancelled()).ok_or_else(|| {
            METRICS.socketio.refused("node");
            ApiError::Unavailable(anyhow::anyhow!("there are as many sockets as there may be"))
        })?;
        let given = shared.gate.carriers.handshake(request);
        Ok(Handshake(Arc::new(Come { address, given, cut: CancellationToken::new(), _seat: seat })))
    }

    async fn poll(&self, mut request: Request, come: Option<Handshake>) -> Result<Response, ApiError> {
        let options = &self.shared.options;
        let body = match *request.method() {
            Method::POST => wire::read(request.take_body(), options.payload, self.shared.body_timeout).await?,
            _ => Vec::new(),
        };
        let polls = self.session(&request).filter(|_| *request.method() == Method::GET);
        let mut asked = engine_request(&request, Full::new(Bytes::from(body)));
        asked.extensions_mut().extend(come.into_iter().fold(http::Extensions::new(), |mut all, come| {
            all.insert(come);
            all
        }));
        let answer = self.engine.call(asked).await.map_err(|error| ApiError::Internal(anyhow::anyhow!("{error:?}")))?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| ApiError::Internal(anyhow::anyhow!("{error:?}")))?;
        let body = body.to_bytes();
        if let Some(session) = polls
            && let Err(Gap) = session.backlog.polled(&body, options.payload)
        {
            session.end("upgrade");
        }
        let mut response = Response::builder().status(parts.status).body(body);
        *response.headers_mut() = parts.headers;
        // It may yet be compressed.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        Ok(response)
    }

    /// Answers that the connection becomes a websocket, and hands it to the library when it has.
    fn upgrade(&self, request: Request, come: Option<Handshake>) -> Result<Response, ApiError> {
        let key = websocket_key(request.headers())?;
        let no_upgrade = |_| ApiError::NoWebsocket("this connection cannot become a websocket");
        let connection = request.take_upgrade().map_err(no_upgrade)?;
        let (cut, session) = match &come {
            Some(come) => (come.0.cut.clone(), None),
            None => self.taken_over(&request).map(|session| (session.cut(), Some(session)))?,
        };
        let mut asked = engine_request(&request, ());
        if let Some(come) = come {
            asked.extensions_mut().insert(come);
        }
        let (engine, session) = (self.engine.clone(), session.as_ref().map(Arc::downgrade).unwrap_or_default());
        self.shared.tasks.spawn(async move {
            // Who goes before it has become one, has gone.
            if let Ok(connection) = connection.await {
                let _ = engine.call((Line::new(connection, cut, session), asked)).await;
            }
        });
        Ok(Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
            .finish())
    }

    /// The session that polls, and that this websocket takes over.
    fn taken_over(&self, request: &Request) -> Result<Arc<Session>, ApiError> {
        let session = self.session(request).filter(|session| !session.is_websocket());
        let session = session.ok_or(ApiError::NoWebsocket("there is no such session, or it has its websocket"))?;
        match session.backlog.upgrade() {
            true => Ok(session),
            false => Err(ApiError::NoWebsocket("the session is taken over already, or has too much to be polled")),
        }
    }

    fn session(&self, request: &Request) -> Option<Arc<Session>> {
        let sid = parameter(request.uri().query()?, "sid")?;
        self.shared.session(Sid::from_str(sid).ok()?)
    }
}

/// The request as the library is to see it.
fn engine_request<B>(request: &Request, body: B) -> http::Request<B> {
    let mut asked = http::Request::new(body);
    *asked.method_mut() = request.method().clone();
    // A copy: the library keeps it as long as the session, and a slice would keep all that was read with it.
    *asked.uri_mut() = request.uri().to_string().parse().unwrap_or_default();
    if let Some(kind) = request.headers().get(header::CONTENT_TYPE) {
        asked.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    asked
}

/// The key of a request for a websocket (RFC 6455, 4.2.1).
fn websocket_key(headers: &HeaderMap) -> Result<String, ApiError> {
    let has = |name: HeaderName, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
    };
    let asked = has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let key = key.filter(|key| asked && key.len() == 24 && has(header::SEC_WEBSOCKET_VERSION, "13"));
    let wrong = "a websocket is asked for with Upgrade, Connection, Sec-WebSocket-Key and Sec-WebSocket-Version: 13";
    key.map(str::to_owned).ok_or(ApiError::NoWebsocket(wrong))
}

/// The first value of a query's parameter.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find_map(|(key, value)| (key == name).then_some(value))
}
