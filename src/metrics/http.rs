//! Requests and their answers, by route: the template of the path, never the path itself.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::{add, seconds};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    route: Arc<String>,
    method: &'static str,
}

/// What was asked, and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: Arc<String>,
    method: &'static str,
    status: u16,
}

/// Requests and their answers.
pub struct Http {
    requests: Family<Answered, Counter>,
    took: Family<Asked, Histogram, fn() -> Histogram>,
}

impl Http {
    pub(super) fn new(to: &mut Registry) -> Self {
        let took = Family::new_with_constructor(seconds as fn() -> Histogram);
        let help = "Seconds from a request's head to its answer's, which for a stream is its beginning";
        to.register("http_request_seconds", help, took.clone());
        Self { requests: add(to, "http_requests", "Answered requests"), took }
    }

    /// Counts an answer. The route and the method must be of few.
    pub fn answered(&self, route: Arc<String>, method: &'static str, status: u16, took: Duration) {
        self.took.get_or_create(&Asked { route: Arc::clone(&route), method }).observe(took.as_secs_f64());
        self.requests.get_or_create(&Answered { route, method, status }).inc();
    }
}
