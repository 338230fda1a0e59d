//! How the node is: every part with its age and counts, and whether the node may take traffic.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use poem_openapi::Object;
use serde::Serialize;
use tokio::{sync::watch, time::Instant};

use crate::{hub::Hub, intake, relay, store::Store};

/// How long PostgreSQL has to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether something is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
pub struct Verdict {
    /// Well enough.
    pub ok: bool,
    /// What is not as it should be.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// All is well.
    pub fn well() -> Self {
        Self { ok: true, reasons: Vec::new() }
    }
}

/// Every part of the node.
#[derive(Debug, Clone, Serialize, Object)]
pub struct Report {
    /// Whether the node may take traffic.
    pub ok: bool,
    /// What is not as it should be.
    pub reasons: Vec<String>,
    /// The version of the program.
    pub version: String,
    /// Seconds since the node started.
    pub uptime_seconds: f64,
    /// The database.
    pub postgres: PostgresPart,
    /// The bus over Redis.
    pub bus: BusPart,
    /// The node's end of the feed.
    pub hub: HubPart,
    /// The relay of this node.
    pub relay: RelayPart,
}

/// The database.
#[derive(Debug, Clone, Serialize, Object)]
pub struct PostgresPart {
    /// Whether it answers.
    pub ok: bool,
    /// How long it took, in milliseconds.
    pub answer_ms: f64,
}

/// The bus over Redis.
#[derive(Debug, Clone, Serialize, Object)]
pub struct BusPart {
    /// Whether changes come over it; if not, they are read from the log.
    pub up: bool,
    /// Seconds since it was heard last; null if never.
    #[oai(nullable)]
    pub silent_seconds: Option<f64>,
}

/// The node's end of the feed.
#[derive(Debug, Clone, Serialize, Object)]
pub struct HubPart {
    /// The last position that its subscribers can have.
    pub head: String,
    /// Whether it may lack changes that the log has.
    pub behind: bool,
    /// Changes in the ring.
    pub ring_changes: i64,
    /// Bytes in the ring.
    pub ring_bytes: u64,
    /// Subscribers now.
    pub subscribers: u64,
    /// Streams that began where the client left off.
    pub resumed: u64,
    /// Subscribers that had to read anew.
    pub resets: u64,
    /// Pages of the log handed to subscribers.
    pub pages: u64,
}

/// The relay of this node.
#[derive(Debug, Clone, Serialize, Object)]
pub struct RelayPart {
    /// Whether it leads the cluster.
    pub leading: bool,
    /// If it leads: the last position given.
    #[oai(nullable)]
    pub head: Option<String>,
    /// If it leads: the last position that Redis has.
    #[oai(nullable)]
    pub published: Option<String>,
}

/// Looks at every part of the node; a cheap handle.
#[derive(Clone)]
pub struct Health {
    store: Store,
    hub: Hub,
    intake: watch::Receiver<intake::Status>,
    relay: watch::Receiver<relay::Status>,
    draining: Arc<AtomicBool>,
    started: Instant,
}

impl Health {
    /// Watches these parts.
    pub fn new(
        store: Store,
        hub: Hub,
        intake: watch::Receiver<intake::Status>,
        relay: watch::Receiver<relay::Status>,
    ) -> Self {
        Self { store, hub, intake, relay, draining: Arc::default(), started: Instant::now() }
    }

    /// Waits until the node's hub has once been at the head.
    pub async fn caught_up(&self) {
        // The intake outlives whoever waits; were it gone, there would be nothing to wait for.
        let _ = self.intake.clone().wait_for(|intake| !intake.behind).await;
    }

    /// From now on the node is not ready: it goes away.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the node may take traffic. Without Redis it may: the log serves.
    pub async fn verdict(&self) -> Verdict {
        self.judge(self.postgres().await.ok)
    }

    /// Every part of the node.
    pub async fn report(&self) -> Report {
        let postgres = self.postgres().await;
        let Verdict { ok, reasons } = self.judge(postgres.ok);
        let (intake, relay, hub) = (*self.intake.borrow(), *self.relay.borrow(), self.hub.stats());
        Report {
            ok,
            reasons,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            postgres,
            bus: BusPart { up: intake.up, silent_seconds: intake.heard.map(|at| at.elapsed().as_secs_f64()) },
            hub: HubPart {
                head: hub.head.to_string(),
                behind: intake.behind,
                ring_changes: hub.head.position - hub.ring_floor,
                ring_bytes: hub.ring_bytes as u64,
                subscribers: hub.subscribers as u64,
                resumed: hub.resumed,
                resets: hub.resets,
                pages: hub.pages,
            },
            relay: RelayPart {
                leading: relay.leading,
                head: relay.head.map(|head| head.to_string()),
                published: relay.published.map(|published| published.to_string()),
            },
        }
    }

    fn judge(&self, postgres: bool) -> Verdict {
        let intake = *self.intake.borrow();
        let draining = self.draining.load(Ordering::Relaxed);
        let trouble = [
            (draining, true, "the node is shutting down"),
            (!postgres, true, "postgres does not answer"),
            (intake.behind, true, "hub is behind the log"),
            (!intake.up, false, "redis is away; changes are read from the log"),
        ];
        let found = trouble.into_iter().filter(|(is, ..)| *is);
        let (fatal, reasons): (Vec<bool>, Vec<String>) = found.map(|(_, fatal, text)| (fatal, text.to_owned())).unzip();
        Verdict { ok: !fatal.contains(&true), reasons }
    }

    async fn postgres(&self) -> PostgresPart {
        let asked = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, self.store.ping()).await;
        PostgresPart { ok: matches!(answer, Ok(Ok(()))), answer_ms: asked.elapsed().as_secs_f64() * 1000.0 }
    }
}
