//! Traces, to a collector, by OTLP over HTTP.
//!
//! A trace that a caller has begun is followed if the caller follows it; of all others, one in so many. Spans wait in a
//! queue with an end: what does not fit is dropped, and nobody waits. One thread sends them. A collector that is away
//! is told of once, and once when it is back; the library itself would say nothing, or the same again and again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{self, BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData},
};

/// How long the last spans have at the end.
pub(super) const FLUSH: Duration = Duration::from_secs(3);

/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a span waits for others, to be sent with them.
const GATHER: Duration = Duration::from_secs(1);

/// The most spans sent at once.
const BATCH: usize = 512;

/// Where traces go.
#[derive(Debug, Clone)]
pub struct Traces {
    /// The collector, without a path of its own.
    pub endpoint: String,
    /// How many of those are traced that no caller has decided on: from 0 to 1.
    pub sample: f64,
    /// The most spans that wait to be sent.
    pub queue: usize,
}

/// Traces cannot be sent to such an address.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to OTLP_ENDPOINT")]
pub struct TracesError(#[from] ExporterBuildError);

pub(super) fn provider(options: &Traces) -> Result<SdkTracerProvider, TracesError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", options.endpoint.trim_end_matches('/')))
        .with_timeout(PATIENCE)
        .build()?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(options.queue)
        .with_max_export_batch_size(BATCH.min(options.queue))
        .with_scheduled_delay(GATHER)
        .build();
    let sender = BatchSpanProcessor::builder(Sender { exporter, failing: AtomicBool::new(false) });
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    Ok(SdkTracerProvider::builder()
        .with_span_processor(sender.with_batch_config(batches).build())
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(options.sample))))
        .with_resource(Resource::builder().with_service_name("rowcast").with_attribute(version).build())
        .build())
}

/// Sends spans, and says when that fails, and when it works again.
#[derive(Debug)]
struct Sender {
    exporter: SpanExporter,
    failing: AtomicBool,
}

impl trace::SpanExporter for Sender {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        match &sent {
            Ok(()) if self.failing.swap(false, Ordering::Relaxed) => tracing::info!("the collector takes traces again"),
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "the collector does not take traces; they are dropped");
            }
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
