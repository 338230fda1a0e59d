//! How the node is: whether changes come through, stage by stage, and every part with its age and counts.
//!
//! That all parts answer proves no delivery. So a canary takes the way of the changes, every second, from PostgreSQL
//! over the relay and Redis to every node, and each stage is judged by how old the last proof of it is (see `stage`).

mod cluster;
mod readings;
mod report;
mod stage;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};

use crate::{
    chat::{self, Chat},
    cluster::{Cluster, Feed},
    hub::Hub,
    intake,
    metrics::{METRICS, Process},
    presence::{self, Presence},
    relay,
    session::{self, Sessions},
    store::{Held, Pool, Store, Vitals},
};
pub use cluster::{ClusterReport, LeadPart, NodePart};
pub use report::{
    BusPart, ChatPart, HubPart, LogPart, PoolPart, PostgresPart, PresencePart, ProcessPart, RelayPart, Report,
    SessionsPart, SocketsPart,
};
use stage::Signs;
pub use stage::Verdict;

/// How long PostgreSQL has to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Nothing that PostgreSQL said before.
const NOW: Duration = Duration::ZERO;

/// What PostgreSQL said, and how long that took.
type Said = (Option<Vitals>, Duration);

/// Looks at every part of the node; a cheap handle.
#[derive(Clone)]
pub struct Health {
    store: Store,
    hub: Hub,
    sessions: Sessions,
    presence: Presence,
    chat: Chat,
    cluster: Cluster,
    intake: watch::Receiver<intake::Status>,
    relay: watch::Receiver<relay::Status>,
    /// When PostgreSQL was asked last, and what it said. Locked while it is asked.
    asked: Arc<Mutex<Option<(Instant, Said)>>>,
    draining: Arc<AtomicBool>,
    started: Instant,
}

impl Health {
    /// Watches these parts.
    pub fn new(
        store: Store,
        Feed { hub, intake, relay }: Feed,
        sessions: Sessions,
        presence: Presence,
        chat: Chat,
        cluster: Cluster,
    ) -> Self {
        Self {
            store,
            hub,
            sessions,
            presence,
            chat,
            cluster,
            intake,
            relay,
            asked: Arc::default(),
            draining: Arc::default(),
            started: Instant::now(),
        }
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
        let (postgres, _) = self.postgres(NOW).await;
        self.judge(postgres)
    }

    /// Every part of the node.
    pub async fn report(&self) -> Report {
        let usage = self.store.usage();
        let ((vitals, answer), process) = tokio::join!(self.postgres(NOW), process());
        let Verdict { ok, reasons, stale } = self.judge(vitals.clone());
        Report {
            ok,
            reasons,
            stale,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            postgres: PostgresPart {
                ok: vitals.is_some(),
                answer_ms: answer.as_secs_f64() * 1000.0,
                captures: vitals.as_ref().map(|vitals| vitals.captures),
                http: usage.http.into(),
                log: usage.log.into(),
                posts_waiting: usage.waiting as u64,
            },
            log: vitals.as_ref().map(|vitals| log(vitals.log)),
            bus: self.bus(),
            hub: self.hub(),
            relay: self.relay(vitals),
            sessions: self.sessions(),
            presence: self.presence(),
            sockets: sockets(),
            chat: self.chat(),
            process: process.into(),
        }
    }

    fn bus(&self) -> BusPart {
        let intake = *self.intake.borrow();
        let age = |at: Instant| at.elapsed().as_secs_f64();
        BusPart { up: intake.up, silent_seconds: intake.heard.map(age), canary_seconds: intake.canary.map(age) }
    }

    fn hub(&self) -> HubPart {
        let (intake, hub) = (*self.intake.borrow(), self.hub.stats());
        HubPart {
            head: hub.head.to_string(),
            behind: intake.behind,
            proved_seconds: intake.proved.elapsed().as_secs_f64(),
            ring_changes: hub.head.position - hub.ring_floor,
            ring_bytes: hub.ring_bytes as u64,
            subscribers: hub.subscribers as u64,
            resumed: hub.resumed,
            resets: hub.resets,
            pages: hub.pages,
            page_reads: hub.page_reads,
        }
    }

    fn sessions(&self) -> SessionsPart {
        let session::Stats { open, followed, readers, bells } = self.sessions.stats();
        let node = self.sessions.node().to_owned();
        SessionsPart { node, open, followed: followed as u64, readers: readers as u64, bells }
    }

    fn presence(&self) -> PresencePart {
        let presence::Stats { here, untold, watched, watchers } = self.presence.stats();
        let [here, untold, rooms, watchers] = [here, untold, watched, watchers].map(|count| count as u64);
        PresencePart { here, untold, rooms, watchers }
    }

    fn chat(&self) -> ChatPart {
        let (model, chat::Stats { replies, answered }) = (self.chat.model(), self.chat.stats());
        let upstream = match answered {
            Some(true) => "ok",
            Some(false) => "error",
            None => "unknown",
        };
        ChatPart {
            dialect: model.dialect().name().to_owned(),
            model: model.name().to_owned(),
            replies: replies as u64,
            upstream: upstream.to_owned(),
        }
    }

    fn relay(&self, vitals: Option<Vitals>) -> RelayPart {
        let relay = *self.relay.borrow();
        let (leader, stamped) = vitals.map(|vitals| (vitals.leader, vitals.stamped)).unwrap_or_default();
        RelayPart {
            leader,
            leader_seconds: stamped.map(|age| age.as_secs_f64()),
            leading: relay.leading,
            head: relay.head.map(|head| head.to_string()),
            published: relay.published.map(|published| published.to_string()),
            published_seconds: relay.proved.map(|at| at.elapsed().as_secs_f64()),
        }
    }

    fn judge(&self, vitals: Option<Vitals>) -> Verdict {
        let verdict = Verdict::of(&self.signs(vitals));
        if self.draining.load(Ordering::Relaxed) { verdict.of_leaving() } else { verdict }
    }

    fn signs(&self, vitals: Option<Vitals>) -> Signs {
        let intake = *self.intake.borrow();
        let (canary, proved) = (intake.canary.map(|at| at.elapsed()), intake.proved.elapsed());
        Signs { uptime: self.started.elapsed(), vitals, canary, proved }
    }

    /// What PostgreSQL says, and how long it took. Anyone may ask how the node is, as often as they like: it is asked
    /// once at a time, and what it is asked now it need not be asked for those who have come before.
    /// Who needs it less new may have what it said so long ago.
    async fn postgres(&self, fresh: Duration) -> Said {
        let come = Instant::now();
        let mut last = self.asked.lock().await;
        if let Some((_, said)) = last.as_ref().filter(|(asked, _)| *asked + fresh >= come) {
            return said.clone();
        }
        let asked = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, self.store.vitals()).await;
        let said = (answer.ok().and_then(Result::ok), asked.elapsed());
        *last = Some((asked, said.clone()));
        said
    }
}

fn sockets() -> SocketsPart {
    let counted = &METRICS.socketio;
    SocketsPart { open: counted.sessions.get(), connected: counted.connected.get(), rooms: counted.rooms.get() }
}

/// What the system says of the process.
async fn process() -> Process {
    tokio::task::spawn_blocking(Process::read).await.unwrap_or_default()
}

impl From<Pool> for PoolPart {
    fn from(Pool { idle, used, max }: Pool) -> Self {
        Self { idle: idle as u64, used: used as u64, max: max as u64 }
    }
}

impl From<Process> for ProcessPart {
    fn from(process: Process) -> Self {
        let Process { resident_bytes, open_descriptors, max_descriptors, .. } = process;
        let connections = METRICS.connections.get();
        Self { resident_bytes, open_descriptors, max_descriptors, connections }
    }
}

fn log(held: Held) -> LogPart {
    let Held { floor, changes, bytes, oldest } = held;
    LogPart { floor, changes, bytes, oldest_seconds: oldest.map(|age| age.as_secs_f64()) }
}
