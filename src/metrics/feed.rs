//! The feed: how long changes take, stage by stage, and what else happens to them; and the posts that make them.
//!
//! A change carries the instant at which a trigger captured it, by PostgreSQL's clock. Every stage compares that with
//! its own machine's: so the clocks must be in step, to the millisecond if the figures are to be. What would be less
//! than nothing counts as nothing. A transaction that stays open after its writing makes its changes old before anyone
//! can see them: that time is in all stages.

use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::{
    add,
    ages::{Ages, Counted},
    seconds,
};

/// A stage of the way of a change, in the order of travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has its position; looked at by the leader, once a tick, for the oldest change.
    Position,
    /// It is on Redis; looked at by the leader, once a batch, for the oldest change.
    Publish,
    /// It is in a node's hub.
    Node,
    /// It is handed to a socket; looked at for one subscriber in 64.
    Socket,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct At {
    stage: &'static str,
}

/// What happens to changes.
pub struct Feed {
    /// In the order of [`Stage`].
    stages: [Histogram; 4],
    /// The same where this node itself tells how old changes were.
    ages: [Ages; 4],
    /// Subscriptions of the bus that were made again.
    pub redis_reconnects: Counter,
    /// Signals of the bus for which there was no place.
    pub bus_dropped: Counter,
    /// Changes that the log has let go of.
    pub trimmed: Counter,
}

impl Feed {
    pub(super) fn new(to: &mut Registry) -> Self {
        let stages: Family<At, Histogram, fn() -> Histogram> = Family::new_with_constructor(seconds);
        let help = "Seconds from a change's capture, by PostgreSQL's clock, until it has its position, is published, \
                    is in a node's hub, is handed to a socket (one in 64)";
        to.register("stage_seconds", help, stages.clone());
        let stage = |stage| stages.get_or_create(&At { stage }).clone();
        Self {
            stages: ["position", "publish", "node", "socket"].map(stage),
            ages: Default::default(),
            redis_reconnects: add(to, "redis_reconnects", "Subscriptions of the bus that were made again"),
            bus_dropped: add(to, "bus_dropped", "Signals of the bus for which the node had no place; the log has them"),
            trimmed: add(to, "trimmed", "Changes that the log has let go of, by this node as the leader"),
        }
    }

    /// Changes that were captured then have come to a stage.
    pub fn reached(&self, stage: Stage, captured: impl IntoIterator<Item = DateTime<Utc>>) {
        let now = Utc::now();
        for at in captured {
            let age = (now - at).to_std().unwrap_or_default();
            self.stages[stage as usize].observe(age.as_secs_f64());
            self.ages[stage as usize].count(age);
        }
    }

    /// How many changes have come to a stage, and how old they were then.
    pub fn counted(&self, stage: Stage) -> Counted {
        self.ages[stage as usize].counted()
    }
}

/// Posts that are written together.
pub struct Posts {
    /// Posts that found no place to wait.
    pub refused: Counter,
    /// Messages that were written for who posted them.
    pub written: Counter,
    /// How many posts are in a group.
    pub group: Histogram,
}

impl Posts {
    pub(super) fn new(to: &mut Registry) -> Self {
        let group = Histogram::new((0..10).map(|power| f64::from(1 << power)));
        to.register("post_group_size", "Messages written together", group.clone());
        Self {
            written: Counter::default(),
            refused: add(to, "posts_refused", "Posts refused, since too many wait"),
            group,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use prometheus_client::encoding::text;

    use super::*;

    #[test]
    fn a_change_from_a_clock_that_is_ahead_is_new_and_not_younger_than_that() {
        let mut registry = Registry::default();
        let feed = Feed::new(&mut registry);
        feed.reached(Stage::Node, [Utc::now() + TimeDelta::hours(1)]);
        feed.reached(Stage::Socket, [Utc::now() - TimeDelta::hours(1)]);
        feed.reached(Stage::Socket, None);
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        for line in [
            "sum{stage=\"node\"} 0.0\n",
            "count{stage=\"node\"} 1\n",
            "sum{stage=\"socket\"} 3600.",
            "bucket{le=\"60.0\",stage=\"socket\"} 0\n",
            "count{stage=\"socket\"} 1\n",
            "count{stage=\"publish\"} 0\n",
        ] {
            assert!(text.contains(&format!("stage_seconds_{line}")), "no {line} in {text}");
        }
    }
}
