//! Where traces go, and how many.

use clap::Args;

use super::values::{at_least_one, collector, share};
use crate::telemetry::Traces;

/// Where traces go, and how many.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Traces")]
pub struct TraceSettings {
    /// Where OpenTelemetry traces are sent, by OTLP over HTTP, like `http://collector:4318`; without it nothing is
    /// traced
    #[arg(long, env, hide_env_values = true, value_name = "URL", value_parser = collector)]
    pub otlp_endpoint: Option<String>,

    /// The share of requests and publications that is traced, where the caller's own trace does not decide: all of a
    /// busy node are more than anyone reads
    #[arg(long, env, default_value = "0.1", value_parser = share)]
    pub otlp_sample: f64,

    /// The most spans that wait to be sent, about 1 KiB each; more are dropped
    #[arg(long, env, default_value_t = 4096, value_parser = at_least_one)]
    pub otlp_queue: usize,
}

impl TraceSettings {
    /// Where traces go, if anywhere.
    pub fn options(&self) -> Option<Traces> {
        let (sample, queue) = (self.otlp_sample, self.otlp_queue);
        self.otlp_endpoint.clone().map(|endpoint| Traces { endpoint, sample, queue })
    }
}
