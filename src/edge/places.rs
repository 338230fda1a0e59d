//! Places: how many connections there may be, on the node and from one address.
//!
//! A place is taken before anything is read, and goes with the connection wherever it goes: to the writer of its stream
//! too. So it is small, two words. An IPv6 address counts by its /64: whoever has one of it has all of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU64,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::metrics::METRICS;

/// The most connections.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// On the node.
    pub here: usize,
    /// From one address; 0 is no bound.
    pub each: usize,
}

/// All places of a node.
pub(super) struct Places {
    most: Most,
    taken: AtomicUsize,
    networks: Mutex<HashMap<Network, usize>>,
}

/// Whom addresses are counted for: an IPv4 address, or the /64 of an IPv6 address.
type Network = NonZeroU64;

/// A place that is taken, until this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    network: Option<Network>,
}

impl Places {
    pub(super) fn new(most: Most) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicUsize::new(0), networks: Mutex::default() })
    }

    /// A place, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        // Only the accept loop takes, so none is missed for one that another had taken in vain.
        if self.taken.load(Ordering::Relaxed) >= self.most.here {
            return None;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        METRICS.connections.inc();
        Some(Place { places: Arc::clone(self), network: None })
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        // No code panics under this lock.
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Counts for an address; whether it has not had its most.
    pub(super) fn count_for(&mut self, address: IpAddr) -> bool {
        if self.places.most.each == 0 {
            return true;
        }
        let network = network(address);
        let mut networks = self.places.networks();
        let taken = networks.entry(network).or_default();
        if *taken >= self.places.most.each {
            return false;
        }
        *taken += 1;
        drop(networks);
        self.network = Some(network);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(network) = self.network {
            let mut networks = self.places.networks();
            if let Some(taken) = networks.get_mut(&network) {
                *taken -= 1;
                if *taken == 0 {
                    networks.remove(&network);
                }
            }
        }
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
        METRICS.connections.dec();
    }
}

fn network(address: IpAddr) -> Network {
    let number = match address.to_canonical() {
        // Beside the prefixes that are given to anyone.
        IpAddr::V4(address) => 0xffff_0000_0000_0000 | u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    };
    NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN)
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
