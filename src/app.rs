//! The node: builds every part once, runs them, stops them in order.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{net::TcpListener, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    api,
    change::{EventId, History},
    config::{Links, Settings},
    edge,
    health::Health,
    hub::Hub,
    intake::Intake,
    redis::{self, Redis},
    relay::Relay,
    store::{Store, StoreError},
};

/// How long the start waits between two attempts to reach PostgreSQL.
const RETRY: Duration = Duration::from_millis(250);

/// What requests under way have after the last stream was sent away, before they are cut off.
const GRACE: Duration = Duration::from_secs(5);

/// The parts of a node. Nothing connects until it is used.
struct Node {
    store: Store,
    redis: Redis,
    hub: Hub,
    intake: Intake,
    relay: Relay,
    health: Health,
}

impl Node {
    fn new(store: Store, links: &Links, settings: &Settings, head: EventId) -> Result<Self> {
        let redis = Redis::new(&links.redis_url, &settings.feed.redis_prefix).context("REDIS_URL")?;
        let hub = Hub::new(settings.streams.options(), Arc::new(store.clone()), head);
        let intake = Intake::new(hub.clone(), store.clone());
        let relay = Relay::new(store.clone(), redis.clone(), settings.feed.options(name()));
        let health = Health::new(store.clone(), hub.clone(), intake.status(), relay.status());
        Ok(Self { store, redis, hub, intake, relay, health })
    }

    fn api(&self, settings: &Settings) -> api::Parts {
        api::Parts {
            store: self.store.clone(),
            hub: self.hub.clone(),
            health: self.health.clone(),
            limits: settings.http.limits(),
            rooms: settings.streams.max_rooms,
            gate: api::Gate {},
            front: settings.front.options(),
        }
    }
}

/// The OpenAPI document, as JSON and as YAML. Connects to nothing.
///
/// # Errors
/// When an address in `links` is none.
pub fn document(links: &Links, settings: &Settings) -> Result<(String, String)> {
    let node = Node::new(Store::new(settings.store(links)), links, settings, EventId::new(1, 0))?;
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

/// Serves on `listener` until `stop`, and calls `ready` when it does; then sends the streams away and ends when the last request has its answer.
///
/// # Errors
/// When PostgreSQL cannot be reached in time or its schema cannot be brought up to date. Trouble that comes later is
/// waited out.
pub async fn run(
    listener: TcpListener,
    links: &Links,
    settings: &Settings,
    ready: impl FnOnce(),
    stop: CancellationToken,
) -> Result<()> {
    let store = Store::new(settings.store(links));
    let Some(extent) = stop.run_until_cancelled(reach(&store, settings.database.database_wait)).await else {
        return Ok(());
    };
    let extent = extent?;
    let node = Node::new(store.clone(), links, settings, EventId::new(extent.generation, extent.head))?;
    let (api, hub, health) = (node.api(settings), node.hub.clone(), node.health.clone());
    let (feed, tasks) = feed(node, settings);
    stop.run_until_cancelled(health.caught_up()).await;

    ready();
    let drained = async {
        stop.cancelled().await;
        tracing::info!("shutting down");
        health.drain();
        hub.close(settings.streams.drain).await;
    };
    let served = edge::serve(listener, settings.edge.options(), api::routes(api), drained, GRACE).await;

    // Only now: until the last stream had gone, changes were still to be had.
    feed.cancel();
    tasks.wait().await;
    store.close().await;
    served.context("the server")
}

/// Starts what feeds the hub; it ends with the token.
fn feed(node: Node, settings: &Settings) -> (CancellationToken, TaskTracker) {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let bus = redis::subscribe(node.redis, stop.clone());
    tasks.spawn(node.intake.run(bus, stop.clone()));
    tasks.spawn(node.relay.run(stop.clone()));
    let (every, until) = (settings.streams.keep_alive, stop.clone());
    tasks.spawn(async move { until.run_until_cancelled(node.hub.keep_alive(every)).await });
    tasks.close();
    (stop, tasks)
}

/// Waits for PostgreSQL, brings its schema up to date, and looks where the feed is.
async fn reach(store: &Store, patience: Duration) -> Result<crate::change::Extent> {
    let started = Instant::now();
    loop {
        match store.migrate().await {
            Ok(()) => return store.extent().await.context("the feed"),
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
