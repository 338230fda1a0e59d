//! The node: builds every part once, runs them, stops them in order.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    api::{self, SocketIo},
    auth::Auth,
    change::{EventId, History},
    chat::{Chat, model::Model},
    cluster::{self, Cluster},
    config::{Links, Settings},
    edge,
    health::Health,
    hub::Hub,
    idempotency::Once,
    intake::Intake,
    limit::{Limiter, Streams},
    listen::Listeners,
    presence::Presence,
    redis::{self, Line, Redis, bells::Bells},
    relay::Relay,
    session::Sessions,
    store::{Store, StoreError},
};

/// How long the start waits between two attempts to reach PostgreSQL.
const RETRY: Duration = Duration::from_millis(250);

/// The parts of a node. Nothing connects until it is used.
struct Node {
    store: Store,
    redis: Redis,
    line: Line,
    bells: Bells,
    hub: Hub,
    intake: Intake,
    relay: Relay,
    sessions: Sessions,
    presence: Presence,
    chat: Chat,
    cluster: Cluster,
    health: Health,
    auth: Auth,
}

impl Node {
    fn new(store: Store, links: &Links, settings: &Settings, head: EventId, address: String) -> Result<Self> {
        let redis = Redis::new(&links.redis_url, &settings.feed.redis_prefix).context("REDIS_URL")?;
        let line = Line::new(redis.clone(), settings.limits.redis_patience);
        let hub = Hub::new(settings.streams.options(), Arc::new(store.clone()), head);
        let intake = Intake::new(hub.clone(), store.clone());
        let relay = Relay::new(store.clone(), redis.clone(), settings.feed.options(name()));
        let feed = cluster::Feed { hub: hub.clone(), intake: intake.status(), relay: relay.status() };
        let cluster = Cluster::new(&redis, cluster::Options { node: name(), address }, feed.clone());
        let auth = settings.identity.auth()?;
        let bells = Bells::new(redis.clone());
        let sessions = Sessions::new(&redis, bells.clone(), store.clone(), settings.sessions());
        let presence = Presence::new(&redis, bells.clone(), settings.presence.options());
        let replies = settings.chat.options(settings.sessions.limits().chunk_bytes);
        let chat = Chat::new(Model::new(settings.chat.model())?, sessions.clone(), store.clone(), replies);
        let health =
            Health::new(store.clone(), feed, sessions.clone(), presence.clone(), chat.clone(), cluster.clone());
        Ok(Self { store, redis, line, bells, hub, intake, relay, sessions, presence, chat, cluster, health, auth })
    }

    fn api(&self, settings: &Settings) -> api::Parts {
        api::Parts {
            store: self.store.clone(),
            hub: self.hub.clone(),
            sessions: self.sessions.clone(),
            presence: self.presence.clone(),
            chat: self.chat.clone(),
            chat_turns: settings.chat.llm_max_turns,
            session_limits: settings.sessions.limits(),
            health: self.health.clone(),
            limits: settings.http.limits(),
            page_bytes: settings.http.page_bytes(),
            rooms: settings.streams.max_rooms,
            body_timeout: settings.edge.body_timeout,
            apart: settings.http.admin_port.is_some(),
            console: settings.http.console,
            once: Once::new(self.store.clone(), self.line.clone(), settings.limits.idempotency_keep),
            streams: Streams::new(settings.limits.max_streams_per_user),
            gate: api::Gate {
                auth: self.auth.clone(),
                carriers: settings.identity.carriers(settings.front.trusted_origins()).into(),
                proxies: settings.limits.proxies(),
                limiter: Limiter::new(settings.limits.rates(), self.line.clone()),
            },
            front: settings.front.options(),
        }
    }
}

/// The OpenAPI document, as JSON and as YAML. Connects to nothing.
///
/// # Errors
/// When an address in `links` is none.
pub fn document(links: &Links, settings: &Settings) -> Result<(String, String)> {
    let node = Node::new(Store::new(settings.store(links)), links, settings, EventId::new(1, 0), String::new())?;
    Ok(api::document(node.api(settings)))
}

/// Brings the schema up to date.
///
/// # Errors
/// When PostgreSQL cannot be reached in time, or refuses.
pub async fn migrate(links: &Links, settings: &Settings) -> Result<()> {
    reach(&Store::new(settings.store(links)), settings.database.database_wait).await?;
    Ok(())
}

/// Serves on `listeners` until `stop`, and calls `ready` when it does; then sends the streams away, and ends when the
/// last request has its answer, and the last reply of the model is made or given up.
///
/// # Errors
/// When the certificate cannot be read, PostgreSQL cannot be reached in time or its schema cannot be brought up to
/// date. Trouble that comes later is waited out.
pub async fn run(
    listeners: Listeners,
    links: &Links,
    settings: &Settings,
    ready: impl FnOnce(),
    stop: CancellationToken,
) -> Result<()> {
    let edge = settings.edge.options().context("TLS")?;
    let store = Store::new(settings.store(links));
    let reached = stop.run_until_cancelled(reach(&store, settings.database.database_wait)).await;
    let Some(head) = reached.transpose()? else { return Ok(()) };
    let address = listeners.clients.local_addr().context("the address")?;
    let node = Node::new(store.clone(), links, settings, head, address.to_string())?;
    if node.auth.is_open() {
        tracing::warn!("anyone may read and write all messages: no token is asked for (see JWT_SECRET)");
    }
    let (dialect, model) = (settings.chat.llm_dialect.name(), settings.chat.llm_model.as_deref());
    tracing::info!(dialect, model, "replies are asked of this model");
    let (api, hub, health) = (node.api(settings), node.hub.clone(), node.health.clone());
    let sockets = settings.socketio.options(settings.streams.max_rooms).map(|options| SocketIo::new(options, &api));
    let (sessions, chat) = (node.sessions.clone(), node.chat.clone());
    let (feed, tasks) = feed(node, settings);
    if let Some(sockets) = sockets.clone() {
        tasks.spawn(feed.clone().run_until_cancelled_owned(async move { sockets.run().await }));
    }
    if let Some(listener) = listeners.admin {
        let admin = edge::serve_few(listener, api::admin(&health, settings.http.console));
        tasks.spawn(feed.clone().run_until_cancelled_owned(admin));
    }
    stop.run_until_cancelled(health.caught_up()).await;

    edge::ask_for_descriptors(settings.edge.max_connections);
    ready();
    let stopped = stopped(stop, health, settings.edge.drain_delay);
    let drain = settings.streams.drain;
    let leave = async {
        chat.close();
        let sockets = async {
            if let Some(sockets) = &sockets {
                sockets.close(drain).await;
            }
        };
        tokio::join!(hub.close(drain), sessions.close(drain), sockets);
    };
    let served = edge::serve(listeners.clients, edge, api::routes(api, sockets.as_ref()), stopped, leave).await;

    chat.stop().await;
    // Only now: until the last stream had gone, changes were still to be had, and until the last reply was made, chunks
    // were still taken, and written as a message.
    feed.cancel();
    tasks.wait().await;
    store.close().await;
    served.context("the server")
}

/// Starts what runs beside the requests: what feeds the hub, what carries sessions to their end, what knows who is
/// there, what tells how the node is, and what keeps tokens' keys fresh. It ends with the token.
fn feed(node: Node, settings: &Settings) -> (CancellationToken, TaskTracker) {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let bus = redis::subscribe(node.redis, stop.clone());
    tasks.spawn(node.intake.run(bus, stop.clone()));
    tasks.spawn(node.relay.run(stop.clone()));
    tasks.spawn(node.bells.run(stop.clone()));
    tasks.spawn(node.cluster.run(stop.clone()));
    tasks.spawn(node.sessions.run(stop.clone()));
    // At its end it tells of all who leave with this node: so no stream may be left by then.
    tasks.spawn(node.presence.run(stop.clone()));
    let (hub, every) = (node.hub.clone(), settings.streams.keep_alive);
    tasks.spawn(stop.clone().run_until_cancelled_owned(async move { hub.keep_alive(every).await }));
    tasks.spawn(stop.clone().run_until_cancelled_owned(async move { node.hub.expire().await }));
    tasks.spawn(stop.clone().run_until_cancelled_owned(async move { node.auth.run().await }));
    tasks.close();
    (stop, tasks)
}

/// Waits until the node is to take nobody more: it was told to stop, and has said for a while that it is not ready.
async fn stopped(stop: CancellationToken, health: Health, delay: Duration) {
    stop.cancelled().await;
    tracing::info!("shutting down");
    health.drain();
    tokio::time::sleep(delay).await;
}

/// Waits for PostgreSQL, brings its schema up to date, and looks where the feed is.
async fn reach(store: &Store, patience: Duration) -> Result<EventId> {
    let started = Instant::now();
    loop {
        match store.migrate().await {
            Ok(()) => {
                let extent = store.extent().await.context("the feed")?;
                return Ok(EventId::new(extent.generation, extent.head));
            }
            Err(StoreError::Unavailable(error)) if started.elapsed() < patience => {
                tracing::info!(%error, "waiting for PostgreSQL");
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error).context("the database (DATABASE_URL)"),
        }
    }
}

/// What this node is called where people look for the leader.
fn name() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("{}/{}", host.unwrap_or_else(|| "node".to_owned()), std::process::id())
}
