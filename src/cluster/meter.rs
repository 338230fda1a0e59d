//! What a node tells of itself is measured here, from beat to beat.
//!
//! A speed is what a count has grown by since the last beat. The node itself works it out: were the counts told, each
//! reader would see another speed, and who comes but once none at all.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{
    BEAT, Feed,
    figures::{Figures, LatencyFigures, LeaderFigures, RingFigures},
};
use crate::{
    hub,
    metrics::{Counted, METRICS, Stage, resident_bytes},
    relay,
};

/// Over how many beats latencies are gathered: a few changes a second are enough then for a figure that does not jump.
const LATELY: usize = 10;

/// Measures a node.
pub(super) struct Meter {
    feed: Feed,
    address: String,
    started: Instant,
    before: Counts,
    /// The latencies at the last beats, the oldest first.
    lately: VecDeque<[Counted; 2]>,
}

/// What only grows.
struct Counts {
    at: Instant,
    changes: u64,
    deliveries: u64,
    posts: u64,
}

/// How old changes were as they were handed to sockets, and as they came.
fn ages() -> [Counted; 2] {
    [Stage::Socket, Stage::Node].map(|stage| METRICS.feed.counted(stage))
}

impl Counts {
    fn now(come: &Counted) -> Self {
        Self {
            at: Instant::now(),
            changes: come.len(),
            deliveries: METRICS.deliveries(),
            posts: METRICS.posts.written.get(),
        }
    }

    /// By how much they have grown a second. What came since a moment ago is all there was in that second.
    fn speeds_since(&self, before: &Self) -> [f64; 3] {
        let seconds = (self.at - before.at).max(BEAT).as_secs_f64();
        let grown = [(self.changes, before.changes), (self.deliveries, before.deliveries), (self.posts, before.posts)];
        grown.map(|(now, before)| now.saturating_sub(before) as f64 / seconds)
    }
}

impl Meter {
    /// From now on.
    pub(super) fn new(feed: Feed, address: String) -> Self {
        let ages = ages();
        let (now, before) = (Instant::now(), Counts::now(&ages[1]));
        Self { feed, address, started: now, before, lately: VecDeque::from([ages]) }
    }

    /// What was since the last time, and how the node is now.
    pub(super) fn measure(&mut self) -> Figures {
        let (intake, relay, hub) = (*self.feed.intake.borrow(), *self.feed.relay.borrow(), self.feed.hub.stats());
        let ages = ages();
        let counts = Counts::now(&ages[1]);
        let [changes_per_second, deliveries_per_second, posts_per_second] = counts.speeds_since(&self.before);
        let latency = self.lately.front().and_then(|before| latency(&ages, before));
        self.remember(counts, ages);
        Figures {
            address: self.address.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            head: hub.head.to_string(),
            leads: leads(relay),
            streams: hub.subscribers as u64,
            sockets: METRICS.socketio.connected.get(),
            connections: METRICS.connections.get(),
            changes_per_second,
            deliveries_per_second,
            posts_per_second,
            latency,
            ring: ring(&hub),
            resident_bytes: resident_bytes(),
            behind: intake.behind,
            bus_up: intake.up,
        }
    }

    fn remember(&mut self, counts: Counts, ages: [Counted; 2]) {
        self.before = counts;
        if self.lately.len() == LATELY {
            self.lately.pop_front();
        }
        self.lately.push_back(ages);
    }
}

/// As far on the way as any was looked at.
fn latency(now: &[Counted; 2], before: &[Counted; 2]) -> Option<LatencyFigures> {
    let stages = ["socket", "node"].into_iter().zip(now.iter().zip(before));
    let mut counted = stages.map(|(stage, (now, before))| (stage, now.since(before)));
    let (stage, counted) = counted.find(|(_, counted)| !counted.is_empty())?;
    let milliseconds = |part| counted.quantile(part).unwrap_or_default().as_secs_f64() * 1000.0;
    Some(LatencyFigures {
        stage: stage.to_owned(),
        samples: counted.len(),
        p50_ms: milliseconds(0.5),
        p99_ms: milliseconds(0.99),
    })
}

fn leads(relay: relay::Status) -> Option<LeaderFigures> {
    let head = relay.head.filter(|_| relay.leading)?;
    let lag = relay.published.filter(|published| published.generation == head.generation);
    Some(LeaderFigures {
        seconds: relay.since.map(|since| since.elapsed().as_secs_f64()).unwrap_or_default(),
        head: head.to_string(),
        published: relay.published.map(|published| published.to_string()),
        lag_changes: lag.map(|published| u64::try_from(head.position - published.position).unwrap_or_default()),
        lag_seconds: relay.proved.map(|at| at.elapsed().as_secs_f64()),
    })
}

fn ring(hub: &hub::Stats) -> RingFigures {
    let age = |oldest: DateTime<Utc>| (Utc::now() - oldest).to_std().unwrap_or_default().as_secs_f64();
    RingFigures {
        changes: hub.head.position - hub.ring_floor,
        bytes: hub.ring_bytes as u64,
        seconds: hub.ring_oldest.map(age),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_change_in_a_moment_is_one_a_second_and_not_a_thousand() {
        let before = Counts { at: Instant::now(), changes: 5, deliveries: 0, posts: 7 };
        let after = |span| Counts { at: before.at + span, changes: 6, deliveries: 30, posts: 7 };
        assert_eq!(after(BEAT / 1000).speeds_since(&before), [1.0, 30.0, 0.0]);
        assert_eq!(after(BEAT * 2).speeds_since(&before), [0.5, 15.0, 0.0]);
    }
}
