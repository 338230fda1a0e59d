//! How many streams each caller has open on this node.

use std::sync::Arc;

use super::Who;
use crate::{
    metrics::{METRICS, Why},
    quota::Quota,
};

/// The caller has its most streams.
#[derive(Debug, thiserror::Error)]
#[error("the caller has its most streams")]
pub struct Full;

/// The streams of all callers; a cheap handle.
#[derive(Clone)]
pub struct Streams(Arc<Quota<Who>>);

/// A place among a caller's streams: it is given back when this is dropped.
pub struct Place {
    streams: Streams,
    who: Who,
}

impl Streams {
    /// So many for each caller; 0 is no bound.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Quota::new(most)))
    }

    /// Takes a place. Without a bound there is none to take, and nothing is counted. It is in a box: a stream holds
    /// room for it, and most servers have no bound.
    ///
    /// # Errors
    /// [`Full`].
    pub fn enter(&self, who: impl FnOnce() -> Who) -> Result<Option<Box<Place>>, Full> {
        if !self.0.is_bounded() {
            return Ok(None);
        }
        let who = who();
        if !self.0.take(who) {
            METRICS.rate_limited.get_or_create(&Why { reason: "open_streams" }).inc();
            return Err(Full);
        }
        Ok(Some(Box::new(Place { streams: self.clone(), who })))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.0.give_back(&self.who);
    }
}
