//! The stages of a change on its way, and when each is stale: not proved to work for longer than it may take.
//!
//! A stage is named by what comes out of it, so the first stale one is where the way is blocked: behind it nothing
//! comes either.

use std::time::Duration;

use poem_openapi::Object;
use serde::Serialize;

use crate::store::Vitals;

/// How old the leader's last sign of life may be. One comes every second, and a leader that fails is replaced in 5 s:
/// if nobody has led for twice as long, nobody is about to.
const LEADER: Duration = Duration::from_secs(10);

/// How much later than the leader's sign of life its canary may come. It takes half a second; but after a takeover the
/// sign is new at once, and the last canary as old as the takeover was long.
const CANARY: Duration = Duration::from_secs(5);

/// How long the hub may not be proved to lack nothing. A canary comes every second, else the log is read twice a
/// second, which may take a while when there is much to read.
const HUB: Duration = Duration::from_secs(5);

/// A stage of the way from a row to a subscriber, in the order of travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// PostgreSQL answers.
    Postgres,
    /// The triggers capture what is written.
    Capture,
    /// Some node leads, and gives positions.
    Relay,
    /// The canary comes over Redis. If not, the log serves.
    Redis,
    /// The node's hub has all that the log has.
    Hub,
}

/// Whether something is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "HealthVerdict")]
pub struct Verdict {
    /// Well enough.
    pub ok: bool,
    /// What is not as it should be.
    pub reasons: Vec<String>,
    /// The first stage on the way of a change that is not proved to work; null if all are.
    #[oai(nullable, validator(pattern = "^(postgres|capture|relay|redis|hub)$"))]
    pub stale: Option<String>,
}

/// Every stage by name, and whether it is stale.
pub(super) fn stale(signs: &Signs) -> [(&'static str, bool); Stage::ALL.len()] {
    Stage::ALL.map(|stage| (stage.name(), stage.is_stale(signs)))
}

/// What is known of the stages at one instant.
#[derive(Debug, Clone)]
pub(super) struct Signs {
    /// The age of the node: before it has waited long enough, it calls nothing stale for not having come.
    pub uptime: Duration,
    /// What PostgreSQL says, if it answers.
    pub vitals: Option<Vitals>,
    /// The age of the last new canary.
    pub canary: Option<Duration>,
    /// The age of the last proof that the hub lacks nothing.
    pub proved: Duration,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Postgres, Self::Capture, Self::Relay, Self::Redis, Self::Hub];

    fn is_stale(self, signs: &Signs) -> bool {
        let vitals = signs.vitals.as_ref();
        match self {
            Self::Postgres => vitals.is_none(),
            Self::Capture => vitals.is_some_and(|vitals| !vitals.captures),
            Self::Relay => {
                vitals.is_some_and(|vitals| vitals.stamped.unwrap_or(Duration::MAX).min(signs.uptime) > LEADER)
            }
            // A canary that did not set out cannot come, and that is not the fault of Redis.
            Self::Redis => vitals
                .and_then(|vitals| vitals.stamped)
                .is_some_and(|stamped| signs.canary.unwrap_or(signs.uptime) > stamped.saturating_add(CANARY)),
            Self::Hub => signs.proved > HUB,
        }
    }

    /// Whether a node where it is stale may take no traffic.
    fn is_fatal(self) -> bool {
        self != Self::Redis
    }

    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Capture => "capture",
            Self::Relay => "relay",
            Self::Redis => "redis",
            Self::Hub => "hub",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Postgres => "postgres does not answer",
            Self::Capture => "capture: a trigger on messages is missing or disabled",
            Self::Relay => "relay: no leader gives a sign of life, so changes get no positions",
            Self::Redis => "redis does not bring the canary; changes are read from the log",
            Self::Hub => "hub may be behind the log",
        }
    }
}

impl Verdict {
    /// All is well.
    pub fn well() -> Self {
        Self { ok: true, reasons: Vec::new(), stale: None }
    }

    /// What these signs say.
    pub(super) fn of(signs: &Signs) -> Self {
        let stale: Vec<Stage> = Stage::ALL.into_iter().filter(|stage| stage.is_stale(signs)).collect();
        Self {
            ok: !stale.iter().any(|stage| stage.is_fatal()),
            reasons: stale.iter().map(|stage| stage.reason().to_owned()).collect(),
            stale: stale.first().map(|stage| stage.name().to_owned()),
        }
    }

    /// The same of a node that goes away: it takes no traffic, however well it is.
    pub(super) fn of_leaving(mut self) -> Self {
        self.ok = false;
        self.reasons.insert(0, "the node is shutting down".to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Held;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn vitals(stamped: Option<u64>) -> Option<Vitals> {
        Some(Vitals { leader: None, stamped: stamped.map(secs), captures: true, log: Held::default() })
    }

    /// A node that has run for an hour, and where all is well.
    fn well() -> Signs {
        Signs { uptime: secs(3600), vitals: vitals(Some(1)), canary: Some(secs(1)), proved: secs(1) }
    }

    fn judged(signs: &Signs) -> (bool, Option<Stage>) {
        let verdict = Verdict::of(signs);
        let named = |name| Stage::ALL.into_iter().find(|stage| stage.name() == name);
        (verdict.ok, verdict.stale.map(|name| named(name).unwrap()))
    }

    #[test]
    fn each_stage_is_named_when_it_alone_is_stale() {
        assert_eq!(Verdict::of(&well()), Verdict::well());
        let blind = vitals(Some(1)).map(|vitals| Vitals { captures: false, ..vitals });
        let cases = [
            (Signs { vitals: None, ..well() }, false, Stage::Postgres),
            (Signs { vitals: blind, ..well() }, false, Stage::Capture),
            (Signs { vitals: vitals(Some(11)), canary: Some(secs(11)), ..well() }, false, Stage::Relay),
            (Signs { vitals: vitals(None), canary: None, ..well() }, false, Stage::Relay),
            (Signs { canary: Some(secs(7)), ..well() }, true, Stage::Redis),
            (Signs { canary: None, ..well() }, true, Stage::Redis),
            (Signs { proved: secs(6), ..well() }, false, Stage::Hub),
        ];
        for (signs, ok, stage) in cases {
            assert_eq!(judged(&signs), (ok, Some(stage)), "{signs:?}");
            assert_eq!(Verdict::of(&signs).reasons.len(), 1, "{signs:?}");
        }
    }

    #[test]
    fn the_first_stage_is_named_and_the_worst_one_counts() {
        let signs = Signs { canary: Some(secs(60)), proved: secs(60), ..well() };
        assert_eq!(judged(&signs), (false, Some(Stage::Redis)));
        let away = Signs { vitals: None, ..signs };
        assert_eq!((judged(&away), Verdict::of(&away).reasons.len()), ((false, Some(Stage::Postgres)), 2));
    }

    #[test]
    fn a_node_that_has_just_started_waits_before_it_calls_anything_stale() {
        for stamped in [None, Some(1), Some(3600)] {
            let mut signs = Signs { uptime: secs(4), vitals: vitals(stamped), canary: None, proved: secs(0) };
            assert_eq!(judged(&signs), (true, None), "{signs:?}");
            signs.uptime = secs(11);
            assert!(Verdict::of(&signs).stale.is_some(), "{signs:?}");
        }
    }

    #[test]
    fn a_takeover_is_no_fault_of_redis() {
        let during = Signs { vitals: vitals(Some(4)), canary: Some(secs(4)), ..well() };
        let after = Signs { vitals: vitals(Some(0)), canary: Some(secs(5)), ..well() };
        assert_eq!([judged(&during), judged(&after)], [(true, None); 2]);
    }

    #[test]
    fn a_node_that_goes_away_is_not_ready_however_well_it_is() {
        let leaving = Verdict::of(&well()).of_leaving();
        assert_eq!((leaving.ok, leaving.stale), (false, None));
    }
}
