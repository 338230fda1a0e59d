//! The HTTP contract: one file per resource, errors in one form, the document made from the code.

mod allow;
mod caller;
mod docs;
mod events;
mod failed;
mod front;
mod health;
mod message;
mod problem;
mod stream;
mod wire;

use std::sync::Arc;

use poem::{Endpoint, EndpointExt, Route};
use poem_openapi::{OpenApiService, Tags};

pub use caller::Gate;
pub use events::StreamEvent;
pub use front::{Options as FrontOptions, Origins};
pub use problem::{FieldError, Problem};

use crate::{health::Health, hub::Hub, message::Limits, store::Store};

/// What every answer depends on.
#[derive(Clone)]
pub struct Parts {
    /// Where the rows are.
    pub store: Store,
    /// Where the feed is.
    pub hub: Hub,
    /// How the node is.
    pub health: Health,
    /// How large a message may be.
    pub limits: Limits,
    /// The most rooms in one stream's filter.
    pub rooms: usize,
    /// Who is let in.
    pub gate: Gate,
    /// What every answer is dressed in.
    pub front: FrontOptions,
}

#[derive(Tags)]
enum Tag {
    /// Messages: rows of a table, over HTTP.
    Message,
    /// Changes of messages, live.
    Stream,
    /// Whether the server is well.
    Health,
}

type Apis = (message::MessageApi, stream::StreamApi, health::HealthApi);

fn service(parts: Parts) -> OpenApiService<Apis, ()> {
    let Parts { store, hub, health, limits, rooms, .. } = parts;
    let message = message::MessageApi { store, hub: hub.clone(), limits };
    let apis = (message, stream::StreamApi { hub, rooms }, health::HealthApi { health });
    OpenApiService::new(apis, "Rowcast", env!("CARGO_PKG_VERSION"))
        .description("Messages are rows of a Postgres table; every change of them is streamed to every subscriber, once, in order.")
        .server("/")
        .license(poem_openapi::LicenseObject::new("MIT"))
}

/// The document, as JSON and as YAML.
pub fn document(parts: Parts) -> (String, String) {
    let service = service(parts);
    (service.spec(), service.spec_yaml())
}

/// All routes.
pub fn routes(parts: Parts) -> impl Endpoint {
    // A byte of content is at most six in JSON (`\u0001`), and the other fields are small.
    let limit = wire::BodyLimit(parts.limits.content_bytes * 6 + 4096);
    let (gate, front) = (parts.gate.clone(), parts.front.clone());
    let service = service(parts);
    let (docs, json, yaml) = (docs::page(service.swagger_ui_html()), service.spec(), service.spec_yaml());
    let allow = Arc::new(allow::Allow::of(&json));
    let routes = Arc::clone(&allow);
    let endpoint = Route::new()
        .nest("/", service.data(limit).data(gate))
        .nest("/docs", Route::new().at("/", docs))
        .at("/openapi.json", poem::get(docs::text("application/json", json)))
        .at("/openapi.yaml", poem::get(docs::text("application/yaml", yaml)))
        .around(move |endpoint, request| {
            let allow = Arc::clone(&routes);
            async move { allow.call(&endpoint, request).await }
        })
        .catch_all_error(problem::catch);
    front::around(endpoint, allow, front)
}
