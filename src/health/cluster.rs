//! The report of the cluster: all nodes as they told last, and what they have in common.
//!
//! It is made for a page that asks every second, of any node, and so it costs nobody anything: nodes are told from
//! memory, and PostgreSQL is asked no more often than twice a second, however many ask.

use std::time::Duration;

use poem_openapi::Object;
use serde::Serialize;

use super::{Health, LogPart, Verdict, log};
use crate::{
    cluster::{Figures, Node},
    store::Vitals,
};

/// How old what PostgreSQL said may be.
const SHARED: Duration = Duration::from_millis(500);

/// All nodes, and what they have in common.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "ClusterHealth")]
pub struct ClusterReport {
    /// The node that answers: `ok`, `reasons` and `stale` are what it says of itself.
    pub node: String,
    /// Whether it may take traffic.
    pub ok: bool,
    /// What is not as it should be.
    pub reasons: Vec<String>,
    /// The first stage on the way of a change that is not proved to work (`postgres`, `capture`, `relay`, `redis` or
    /// `hub`); null if all are.
    #[oai(nullable)]
    pub stale: Option<String>,
    /// Whether `nodes` are all there are. If not, Redis does not tell of the others, and only the node that answers is
    /// among them.
    pub complete: bool,
    /// The nodes, by name. One that ends goes at once; one that dies ten seconds after it was heard last.
    pub nodes: Vec<NodePart>,
    /// Who leads, and how far the others can be behind.
    pub relay: LeadPart,
    /// What can be resumed; null if PostgreSQL does not answer.
    #[oai(nullable)]
    pub log: Option<LogPart>,
}

/// A node, as it told last. Each tells every second, of the second before.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "NodeHealth")]
pub struct NodePart {
    /// What it is called.
    pub node: String,
    /// Seconds since it told, by the clock of Redis.
    pub silent_seconds: f64,
    /// How it was.
    #[oai(flatten)]
    #[serde(flatten)]
    pub figures: Figures,
}

/// Who leads, by what PostgreSQL knows; and what the leader told last, if it is among the nodes.
#[derive(Debug, Clone, Default, Serialize, Object)]
#[oai(rename = "LeadHealth")]
pub struct LeadPart {
    /// The node that leads, or led last; null if nobody ever did, or PostgreSQL does not answer and no node says that
    /// it leads.
    #[oai(nullable)]
    pub leader: Option<String>,
    /// Seconds since its last sign of life in PostgreSQL; null if that is not known. One comes every second.
    #[oai(nullable)]
    pub leader_seconds: Option<f64>,
    /// Seconds since it leads.
    #[oai(nullable)]
    pub leading_seconds: Option<f64>,
    /// The last position given.
    #[oai(nullable)]
    pub head: Option<String>,
    /// The last position that Redis has.
    #[oai(nullable)]
    pub published: Option<String>,
    /// Positions that Redis does not have yet.
    #[oai(nullable)]
    pub lag_changes: Option<u64>,
    /// Seconds since Redis was last found to have all positions. That is looked at twice a second.
    #[oai(nullable)]
    pub lag_seconds: Option<f64>,
}

impl Health {
    /// All nodes.
    pub async fn cluster(&self) -> ClusterReport {
        let (vitals, _) = self.postgres(SHARED).await;
        let Verdict { ok, reasons, stale } = self.judge(vitals.clone());
        let (nodes, complete) = self.cluster.nodes();
        ClusterReport {
            node: self.cluster.node().to_owned(),
            ok,
            reasons,
            stale,
            complete,
            relay: lead(vitals.as_ref(), &nodes),
            nodes: nodes.into_iter().map(NodePart::from).collect(),
            log: vitals.map(|vitals| log(vitals.log)),
        }
    }
}

/// PostgreSQL knows best who leads. A leader that has just been replaced may not know it yet, or have died as one;
/// where PostgreSQL does not say, whoever was heard last is believed.
fn lead(vitals: Option<&Vitals>, nodes: &[Node]) -> LeadPart {
    let known = vitals.and_then(|vitals| vitals.leader.as_ref());
    let leading = nodes.iter().filter_map(|node| Some((node, node.figures.leads.as_ref()?)));
    let leading = leading.filter(|(node, _)| known.is_none_or(|known| *known == node.name));
    let told = leading.min_by_key(|(node, _)| node.silent);
    let part = told.map(|(node, leads)| LeadPart {
        leader: Some(node.name.clone()),
        leading_seconds: Some(leads.seconds + node.silent.as_secs_f64()),
        head: Some(leads.head.clone()),
        published: leads.published.clone(),
        lag_changes: leads.lag_changes,
        lag_seconds: leads.lag_seconds,
        ..LeadPart::default()
    });
    LeadPart {
        leader: known.cloned().or(part.as_ref().and_then(|part| part.leader.clone())),
        leader_seconds: vitals.and_then(|vitals| vitals.stamped).map(|age| age.as_secs_f64()),
        ..part.unwrap_or_default()
    }
}

impl From<Node> for NodePart {
    fn from(Node { name, silent, figures }: Node) -> Self {
        Self { node: name, silent_seconds: silent.as_secs_f64(), figures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::LeaderFigures, store::Held};

    fn node(name: &str, silent: u64, leads: Option<&str>) -> Node {
        let leads = leads.map(|head| LeaderFigures { head: head.to_owned(), seconds: 60.0, ..Default::default() });
        let figures = Figures { leads, ..Default::default() };
        Node { name: name.to_owned(), silent: Duration::from_secs(silent), figures }
    }

    fn told(leader: Option<&str>, nodes: &[Node]) -> (Option<String>, Option<String>, Option<f64>) {
        let leader = leader.map(|leader| Some(leader.to_owned()));
        let vitals = leader.map(|leader| Vitals { leader, stamped: None, captures: true, log: Held::default() });
        let LeadPart { leader, head, leading_seconds, .. } = lead(vitals.as_ref(), nodes);
        (leader, head, leading_seconds)
    }

    #[test]
    fn of_two_that_say_they_lead_postgres_knows_which_does_and_else_the_one_heard_last() {
        let (a, b, c) = (node("a", 7, Some("1-9")), node("b", 1, Some("1-12")), node("c", 0, None));
        let all = [a.clone(), b, c];
        let some = |name: &str, head: &str, seconds| (Some(name.to_owned()), Some(head.to_owned()), Some(seconds));
        assert_eq!(told(Some("a"), &all), some("a", "1-9", 67.0));
        assert_eq!(told(Some("b"), &all), some("b", "1-12", 61.0));
        assert_eq!(told(None, &all), some("b", "1-12", 61.0));
        assert_eq!(told(None, &all[2..]), (None, None, None));
        // The new one leads already, and has not told it yet.
        assert_eq!(told(Some("c"), &[a]), (Some("c".to_owned()), None, None));
    }
}
