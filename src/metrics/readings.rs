//! What is read off the parts of the node when someone asks, made anew each time.

use prometheus_client::{
    metrics::{
        counter::ConstCounter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};
use std::sync::atomic::AtomicU64;

/// One asking's readings.
pub struct Readings(Registry);

/// The names and values of labels.
type Labels = Vec<(&'static str, &'static str)>;

impl Default for Readings {
    fn default() -> Self {
        Self(Registry::with_prefix("rowcast"))
    }
}

impl Readings {
    /// A size or an age; nothing where it is not known.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into() {
            self.0.register(name, help, ConstGauge::new(value));
        }
    }

    /// Several that differ in labels.
    pub fn gauges(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family: Family<Labels, Gauge<f64, AtomicU64>> = Family::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    /// A count that a part keeps itself.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.0.register(name, help, ConstCounter::new(value));
    }

    /// The same of what is no whole number.
    pub fn counter_f64(&mut self, name: &str, help: &str, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into() {
            self.0.register(name, help, ConstCounter::new(value));
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.0
    }
}
