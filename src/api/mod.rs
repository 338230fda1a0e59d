//! The HTTP contract: one file per resource, errors in one form, the document made from the code.

mod alias;
mod allow;
mod budget;
mod caller;
mod carriers;
mod chat;
mod client;
mod console;
mod docs;
mod document;
mod events;
mod failed;
mod front;
mod health;
mod message;
mod metrics;
mod posting;
mod presence;
mod problem;
mod rights;
mod room;
mod session;
mod socketio;
mod stream;
mod wire;

use std::{sync::Arc, time::Duration};

use poem::{Endpoint, EndpointExt, Response, Route, endpoint::BoxEndpoint};
use poem_openapi::{ContactObject, LicenseObject, OpenApi, OpenApiService, ServerObject, Tags};

pub use caller::Gate;
pub use carriers::{COOKIE, Carriers};
pub use client::{Proxies, ProxyHeader};
use console::{Console, Place};
pub use events::StreamEvent;
pub use front::{Options as FrontOptions, Origins};
pub use problem::{FieldError, Problem};
pub use session::{Refusal, SessionEvent, SessionLimits};
pub use socketio::{Options as SocketIoOptions, SocketIo};

use document::Document;

use crate::{
    chat::Chat, health::Health, hub::Hub, idempotency::Once, limit::Streams, message::Limits, presence::Presence,
    session::Sessions, store::Store,
};

/// What every answer depends on.
#[derive(Clone)]
pub struct Parts {
    /// Where the rows are.
    pub store: Store,
    /// Where the feed is.
    pub hub: Hub,
    /// Replies that are still being written.
    pub sessions: Sessions,
    /// What a producer of one may bring at once.
    pub session_limits: SessionLimits,
    /// Who makes replies.
    pub chat: Chat,
    /// The most turns of a conversation that a request may bring.
    pub chat_turns: usize,
    /// How the node is.
    pub health: Health,
    /// How large a message may be.
    pub limits: Limits,
    /// The most bytes of content in a page of messages, if it is not one message that has more.
    pub page_bytes: usize,
    /// The most rooms in one stream's filter.
    pub rooms: usize,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// Where messages are posted with keys.
    pub once: Once,
    /// Who is in which room.
    pub presence: Presence,
    /// How many streams each caller may have open.
    pub streams: Streams,
    /// Who is let in.
    pub gate: Gate,
    /// Whether metrics and the report are served elsewhere (see [`admin`]).
    pub apart: bool,
    /// Whether the console is served, at `/`.
    pub console: bool,
    /// What every answer is dressed in.
    pub front: FrontOptions,
}

impl Parts {
    fn posting(&self) -> posting::Posting {
        posting::Posting { store: self.store.clone(), once: self.once.clone(), limits: self.limits }
    }
}

#[derive(Tags)]
enum Tag {
    /// Messages: rows of a table, over HTTP.
    Message,
    /// Rooms: the conversations that messages are in, and who is there.
    Room,
    /// Changes of messages, live.
    Stream,
    /// Replies that are still being written: a text comes in chunks, is followed by anybody from any place in it, and
    /// becomes one message.
    Session,
    /// A model that replies.
    Chat,
    /// Whether the server is well.
    Health,
}

/// What clients call, and whoever directs traffic.
type Outer = (
    message::MessageApi,
    room::RoomApi,
    presence::PresenceApi,
    stream::StreamApi,
    session::SessionApi,
    chat::ChatApi,
    health::HealthApi,
);

/// What those call who look after the node.
type Inner = (health::ReportApi, metrics::MetricsApi);

fn outer(parts: &Parts) -> Outer {
    let Parts { store, hub, presence, sessions, session_limits, chat, chat_turns: turns, .. } = parts.clone();
    let Parts { health, limits, page_bytes, rooms, streams, .. } = parts.clone();
    let room = room::RoomApi { store: store.clone(), hub: hub.clone(), page_bytes };
    let message = message::MessageApi { store, posting: parts.posting(), hub: hub.clone(), limits, page_bytes };
    let session = session::SessionApi { sessions, limits: session_limits, streams: streams.clone() };
    let chat = chat::ChatApi { chat, session: session.clone(), limits, turns };
    let stream = stream::StreamApi { hub, rooms, streams, presence: presence.clone() };
    (message, room, presence::PresenceApi { presence }, stream, session, chat, health::HealthApi { health })
}

fn inner(health: &Health) -> Inner {
    (health::ReportApi { health: health.clone() }, metrics::MetricsApi { health: health.clone() })
}

fn service<T: OpenApi>(apis: T) -> OpenApiService<T, ()> {
    OpenApiService::new(apis, "Rowcast", env!("CARGO_PKG_VERSION"))
        .description(document::ABOUT)
        .server(ServerObject::new("/").description("This server."))
        .contact(ContactObject::new().name("Whoever runs this server"))
        .license(LicenseObject::new("MIT").url("https://opensource.org/license/mit"))
}

/// The document, as JSON and as YAML.
pub fn document(parts: Parts) -> (String, String) {
    let Document { json, yaml } = Document::of(&service((outer(&parts), inner(&parts.health))));
    (json, yaml)
}

/// All routes.
pub fn routes(parts: Parts, sockets: Option<&SocketIo>) -> BoxEndpoint<'static, Response> {
    match parts.apart {
        true => routes_of(service(outer(&parts)), parts, sockets).boxed(),
        false => routes_of(service((outer(&parts), inner(&parts.health))), parts, sockets).boxed(),
    }
}

/// The routes of a listener for those who look after the node.
pub fn admin(health: &Health, console: bool) -> impl Endpoint + use<> {
    let service = service((health::HealthApi { health: health.clone() }, inner(health)));
    let allow = Arc::new(allow::Allow::of(&Document::of(&service).json));
    let place = Place { cookie: COOKIE, rooms: false, figures: true };
    let console = console.then(|| Arc::new(Console::new(place)));
    Route::new()
        .nest("/", service)
        .around(move |endpoint, request| Console::call(console.clone(), endpoint, request))
        .around(move |endpoint, request| allow::call(endpoint, request, Arc::clone(&allow)))
        .catch_all_error(problem::catch)
        .around(front::guard)
}

fn routes_of<T: OpenApi + 'static>(
    service: OpenApiService<T, ()>,
    parts: Parts,
    sockets: Option<&SocketIo>,
) -> impl Endpoint<Output = Response> + use<T> {
    let limit = wire::BodyLimit::new(&parts.limits, &parts.session_limits, parts.body_timeout);
    let (gate, front, sessions) = (parts.gate, parts.front, parts.sessions);
    let place = Place { cookie: &gate.carriers.cookie, rooms: true, figures: !parts.apart };
    let console = parts.console.then(|| Arc::new(Console::new(place)));
    let limiter = gate.limiter.clone();
    let Document { json, yaml } = Document::of(&service);
    let docs = docs::page(&service.swagger_ui_html(), parts.console);
    let allow = Arc::new(allow::Allow::of(&json));
    let routes = Arc::clone(&allow);
    let mut endpoint = Route::new()
        .nest("/", service.data(limit).data(gate).data(sessions))
        .nest("/docs", Route::new().at("/", docs))
        .at("/openapi.json", poem::get(docs::text("application/json", json)))
        .at("/openapi.yaml", poem::get(docs::text("application/yaml", yaml)));
    if let Some(sockets) = sockets {
        endpoint = endpoint.at("/socket.io/", sockets.endpoint()).at("/socket.io", sockets.endpoint());
    }
    let endpoint = endpoint
        .around(move |endpoint, request| Console::call(console.clone(), endpoint, request))
        .around(move |endpoint, request| allow::call(endpoint, request, Arc::clone(&routes)))
        .catch_all_error(problem::catch)
        .around(move |endpoint, request| budget::tell(endpoint, request, limiter.clone()));
    front::around(endpoint, allow, front).before(async |request| Ok(alias::resolve(request)))
}
