//! The cluster: which nodes there are, and how each of them is.
//!
//! Nodes do not know each other. Behind a balancer each request may come to another one, and whoever watches the
//! cluster by one address would see now this node's figures, now that one's. So each node tells its own to all, again
//! and again, over Redis, and is told by the same call what the others told: what it says of them is a second old, and
//! two at most.
//!
//! Others let nodes find and ask each other, by gossip or by a list of addresses: that finds who is dead sooner, and
//! needs a way from each to each. Here nobody decides anything by it; it is for people.
//!
//! Whoever asks is answered from memory. So asking costs Redis nothing, however many do. The price is a call a second
//! for each node, and that each is told of all: it grows with their square. For 20 nodes it is a thousandth of what
//! Redis can do, for 200 a tenth, and 20 MB a second. If Redis does not tell, each node knows only itself, and says so;
//! if it has lost all, it is told all again within a second. How long a node is silent is reckoned by the clock of
//! Redis alone, since those of machines differ.

mod figures;
mod meter;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    hub::Hub,
    intake,
    redis::{Line, Redis},
    relay,
};
pub use figures::{Figures, LatencyFigures, LeaderFigures, RingFigures};
use meter::Meter;

/// How often a node tells how it is, and how long Redis may take to hear it.
const BEAT: Duration = Duration::from_secs(1);

/// How long a node is told of that is silent. When a leader dies another one leads within 5 s: until then, and as long
/// again, it is to be seen which one has fallen silent.
const KEEP: Duration = Duration::from_secs(10);

/// What a node is called, and where it is.
#[derive(Debug, Clone)]
pub struct Options {
    /// What this node is called where people look for the leader.
    pub node: String,
    /// The address on which it listens.
    pub address: String,
}

/// The feed on this node: where it can be seen how it is.
#[derive(Clone)]
pub struct Feed {
    /// From positions to subscribers.
    pub hub: Hub,
    /// What comes to this node.
    pub intake: watch::Receiver<intake::Status>,
    /// What it does for all.
    pub relay: watch::Receiver<relay::Status>,
}

/// A node, as it told last.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// How long ago that was.
    pub silent: Duration,
    /// How it was.
    pub figures: Figures,
}

/// The nodes of the cluster; a cheap handle.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    line: Line,
    options: Options,
    feed: Feed,
    /// Never held across an await.
    heard: Mutex<Heard>,
}

/// What was heard at the last beat.
#[derive(Default)]
struct Heard {
    at: Option<Instant>,
    nodes: Vec<Node>,
    complete: bool,
}

impl Cluster {
    /// A cluster of which nothing is known until it [runs](Self::run).
    pub fn new(redis: &Redis, options: Options, feed: Feed) -> Self {
        let line = Line::new(redis.clone(), BEAT);
        Self(Arc::new(Inner { line, options, feed, heard: Mutex::default() }))
    }

    /// What this node is called.
    pub fn node(&self) -> &str {
        &self.0.options.node
    }

    /// The nodes by name, and whether these are all: only this one, if Redis did not tell of the others.
    pub fn nodes(&self) -> (Vec<Node>, bool) {
        let heard = self.heard();
        let since = heard.at.map(|at| at.elapsed()).unwrap_or_default();
        let later = |node: &Node| Node { silent: node.silent + since, ..node.clone() };
        (heard.nodes.iter().map(later).collect(), heard.complete)
    }

    /// Tells how this node is and hears how the others are, until `stop`; then it is no more.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.beat()).await;
        // If that is not heard, it is found out.
        let _ = self.0.line.forget_node(self.node()).await;
    }

    async fn beat(&self) {
        let mut meter = Meter::new(self.0.feed.clone(), self.0.options.address.clone());
        self.know(vec![self.alone(meter.measure())], false);
        let mut timer = interval(BEAT);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            let figures = meter.measure();
            match self.tell(&figures).await {
                Some(nodes) => self.know(nodes, true),
                None => self.know(vec![self.alone(figures)], false),
            }
        }
    }

    /// Tells the others; how all are, if Redis says so.
    async fn tell(&self, figures: &Figures) -> Option<Vec<Node>> {
        let told = serde_json::to_string(figures).ok()?;
        let beats = self.0.line.beat(self.node(), &told, KEEP).await.ok()?;
        // What somebody else has put there is no node.
        let nodes = beats.into_iter().filter_map(|beat| {
            let figures = serde_json::from_str(&beat.told).ok()?;
            Some(Node { name: beat.node, silent: beat.silent, figures })
        });
        let mut nodes: Vec<_> = nodes.collect();
        nodes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Some(nodes)
    }

    fn alone(&self, figures: Figures) -> Node {
        Node { name: self.node().to_owned(), silent: Duration::ZERO, figures }
    }

    fn know(&self, nodes: Vec<Node>, complete: bool) {
        *self.heard() = Heard { at: Some(Instant::now()), nodes, complete };
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // No code panics under this lock.
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
