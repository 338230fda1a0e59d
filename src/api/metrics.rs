//! `/metrics`: the figures of the node, for Prometheus.

use poem_openapi::{ApiResponse, OpenApi, payload::PlainText};

use super::Tag;
use crate::{health::Health, metrics::METRICS};

/// The call for metrics.
pub(super) struct MetricsApi {
    /// How the node is.
    pub health: Health,
}

#[derive(ApiResponse)]
enum Figures {
    /// Every metric, in the text format of OpenMetrics.
    #[oai(status = 200, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")]
    Figures(PlainText<String>),
}

#[OpenApi(tag = "Tag::Health")]
impl MetricsApi {
    /// Get metrics
    ///
    /// The node's figures, for Prometheus. They hold nothing of rooms, users or messages.
    #[oai(path = "/metrics", method = "get", operation_id = "getMetrics")]
    async fn metrics(&self) -> Figures {
        Figures::Figures(PlainText(METRICS.render(self.health.readings().await)))
    }
}
