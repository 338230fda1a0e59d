//! `/health`: whether the node lives, whether it may take traffic, and how every part of it is.

use poem_openapi::{ApiResponse, OpenApi};

use super::{Tag, wire::Wire};
use crate::health::{ClusterReport, Health, Report, Verdict};

/// The calls on health that whoever directs traffic needs.
pub(super) struct HealthApi {
    /// How the node is.
    pub health: Health,
}

/// The calls for the whole of it.
pub(super) struct ReportApi {
    /// How the node is.
    pub health: Health,
}

#[derive(ApiResponse)]
enum Live {
    /// The process answers.
    #[oai(status = 200)]
    Live(Wire<Verdict>),
}

#[derive(ApiResponse)]
enum Ready {
    /// The node may take traffic.
    #[oai(status = 200)]
    Ready(Wire<Verdict>),
    /// It may not; `reasons` says why, and `stale` at which stage changes do not come through.
    #[oai(status = 503)]
    NotReady(Wire<Verdict>),
}

#[derive(ApiResponse)]
enum Reported {
    /// Every part of the node.
    #[oai(status = 200)]
    Report(Wire<Report>),
}

#[derive(ApiResponse)]
enum Listed {
    /// All nodes.
    #[oai(status = 200)]
    Nodes(Wire<ClusterReport>),
}

#[OpenApi(tag = "Tag::Health")]
impl ReportApi {
    /// Get the report of the node
    ///
    /// Every part of it, with its age and counts.
    #[oai(path = "/health", method = "get", operation_id = "getHealth")]
    async fn report(&self) -> Reported {
        Reported::Report(Wire(self.health.report().await))
    }

    /// List the nodes of the cluster
    ///
    /// Each with its figures; beside them who leads, and the log. Any node answers for all. Each tells the others once
    /// a second how it is: what is told here of the others is two seconds old at most, and asking often costs nothing.
    #[oai(path = "/health/nodes", method = "get", operation_id = "listNodes")]
    async fn nodes(&self) -> Listed {
        Listed::Nodes(Wire(self.health.cluster().await))
    }
}

#[OpenApi(prefix_path = "/health", tag = "Tag::Health")]
impl HealthApi {
    /// Ask whether the process answers
    ///
    /// It says nothing of what the process depends on.
    #[oai(path = "/live", method = "get", operation_id = "getLiveness")]
    async fn live(&self) -> Live {
        Live::Live(Wire(Verdict::well()))
    }

    /// Ask whether the node may take traffic
    ///
    /// It may if changes are proved to come through, stage by stage. `stale` names the first stage that is not proved
    /// to work: `postgres` (does not answer), `capture` (a trigger is missing or disabled), `relay` (nobody leads),
    /// `redis` (brings no canary: the log serves, so the node stays ready) or `hub` (may lack what the log has). A node
    /// that shuts down is not ready, whatever `stale` says.
    #[oai(path = "/ready", method = "get", operation_id = "getReadiness")]
    async fn ready(&self) -> Ready {
        let verdict = self.health.verdict().await;
        match verdict.ok {
            true => Ready::Ready(Wire(verdict)),
            false => Ready::NotReady(Wire(verdict)),
        }
    }
}
