//! Places: how many connections there may be, on the node and from one network.
//!
//! A place is taken before anything is read, and goes with the connection wherever it goes: to the writer of its stream
//! too. So it is small, two words.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{metrics::METRICS, network::Network, quota::Quota};

/// The most connections.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// On the node.
    pub here: usize,
    /// From one network; 0 is no bound.
    pub each: usize,
}

/// All places of a node.
pub(super) struct Places {
    most: usize,
    taken: AtomicUsize,
    networks: Quota<Network>,
}

/// A place that is taken, until this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    network: Option<Network>,
}

impl Places {
    pub(super) fn new(most: Most) -> Arc<Self> {
        Arc::new(Self { most: most.here, taken: AtomicUsize::new(0), networks: Quota::new(most.each) })
    }

    /// A place, if there is one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        // Only the accept loop takes, so none is missed for one that another had taken in vain.
        if self.taken.load(Ordering::Relaxed) >= self.most {
            return None;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        METRICS.connections.inc();
        Some(Place { places: Arc::clone(self), network: None })
    }
}

impl Place {
    /// Counts for an address; whether its network has not had its most.
    pub(super) fn count_for(&mut self, address: IpAddr) -> bool {
        let networks = &self.places.networks;
        if !networks.is_bounded() {
            return true;
        }
        let network = Network::from(address);
        self.network = networks.take(network).then_some(network);
        self.network.is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(network) = &self.network {
            self.places.networks.give_back(network);
        }
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
        METRICS.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_dropped_can_be_taken_again() {
        let places = Places::new(Most { here: 2, each: 0 });
        let (one, two) = (places.take(), places.take());
        assert!(one.is_some() && two.is_some() && places.take().is_none());
        drop(one);
        assert!(places.take().is_some());
    }

    #[test]
    fn a_network_has_its_own_most_and_has_it_again() {
        let places = Places::new(Most { here: 9, each: 1 });
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse::<IpAddr>().unwrap());
        let mut taken: Vec<Place> = (0..3).map(|_| places.take().unwrap()).collect();
        let counted: Vec<bool> = taken.iter_mut().zip([here, here, there]).map(|(one, at)| one.count_for(at)).collect();
        assert_eq!(counted, [true, false, true]);
        drop(taken);
        assert!(places.take().unwrap().count_for(here));
    }

    #[test]
    fn a_place_is_two_words() {
        assert_eq!(size_of::<Place>(), 16);
    }
}
