//! What the process tells of itself, beside its metrics: the log, to standard error, and traces, to a collector.
//!
//! Both hear of the same spans and events, but each of its own. What is traced has the target [`TRACES`], whatever the
//! level of the log, and the log has none of it. Where nobody collects traces, such a span is not even made.

mod traces;

use std::io::IsTerminal;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub use traces::{Traces, TracesError};

/// The target of spans that are traced, and of nothing else.
pub const TRACES: &str = "rowcast::traces";

/// What is told, and to whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is logged, as `tracing_subscriber` reads it.
    pub log: String,
    /// One JSON object a line, not lines for people.
    pub json: bool,
    /// Where traces go, if anywhere.
    pub traces: Option<Traces>,
}

/// Ends the telling when it is dropped: what was not sent yet has a few seconds. Not within an asynchronous runtime:
/// it blocks.
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0 {
            // Whether it worked was said by who sends.
            let _ = provider.shutdown_with_timeout(traces::FLUSH);
        }
    }
}

/// Begins to log and to trace, for the whole process.
///
/// # Errors
/// When traces cannot be sent to such an address.
pub fn start(options: Options) -> Result<Telemetry, TracesError> {
    let provider = options.traces.as_ref().map(traces::provider).transpose()?;
    let log = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    let log = if options.json { log.json().boxed() } else { log.boxed() };
    let filter = EnvFilter::new(format!("{},{TRACES}=off", options.log));
    // No `Option` of a layer: one that is not there would want every span.
    let mut layers = vec![log.with_filter(filter).boxed()];
    if let Some(provider) = &provider {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("rowcast"));
        let plain = layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false);
        // Libraries need not tell what only this would not hear.
        let ours = filter_fn(|metadata| metadata.target() == TRACES).with_max_level_hint(LevelFilter::INFO);
        layers.push(plain.with_filter(ours).boxed());
    }
    tracing_subscriber::registry().with(layers).init();
    Ok(Telemetry(provider))
}
