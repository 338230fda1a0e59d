//! How many streams each caller has open on this node.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Who;
use crate::metrics::{METRICS, Why};

/// The caller has its most streams.
#[derive(Debug, thiserror::Error)]
#[error("the caller has its most streams")]
pub struct Full;

/// The streams of all callers; a cheap handle.
#[derive(Clone)]
pub struct Streams(Arc<Open>);

struct Open {
    most: usize,
    /// Only callers that have any.
    open: Mutex<HashMap<Who, usize>>,
}

/// A place among a caller's streams: it is given back when this is dropped.
pub struct Place {
    streams: Streams,
    who: Who,
}

impl Streams {
    /// So many for each caller; 0 is no bound.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Open { most, open: Mutex::default() }))
    }

    /// Takes a place. Without a bound there is none to take, and nothing is counted. It is in a box: a stream holds room for
    /// it, and most servers have no bound.
    ///
    /// # Errors
    /// [`Full`].
    pub fn enter(&self, who: impl FnOnce() -> Who) -> Result<Option<Box<Place>>, Full> {
        if self.0.most == 0 {
            return Ok(None);
        }
        let who = who();
        let mut all = self.open();
        let open = all.entry(who).or_default();
        if *open >= self.0.most {
            METRICS.rate_limited.get_or_create(&Why { reason: "open_streams" }).inc();
            return Err(Full);
        }
        *open += 1;
        Ok(Some(Box::new(Place { streams: self.clone(), who })))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Who, usize>> {
        // No code panics under this lock.
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.streams.open();
        if let Some(open) = all.get_mut(&self.who) {
            *open -= 1;
            if *open == 0 {
                all.remove(&self.who);
            }
        }
    }
}
