//! Places are counted by node and by network, and are free again when they are dropped.

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_place_that_is_dropped_can_be_taken_again() {
    let places = Places::new(Most { here: 2, each: 0 });
    let (one, two) = (places.take(), places.take());
    assert!(one.is_some() && two.is_some() && places.take().is_none());
    drop(one);
    assert!(places.take().is_some());
}

#[test]
fn an_address_has_its_own_most_and_leaves_nothing_behind() {
    let places = Places::new(Most { here: 9, each: 2 });
    let mut taken: Vec<Place> = (0..4).map(|_| places.take().unwrap()).collect();
    let [one, two, three, four] = taken.as_mut_slice() else { panic!() };
    assert!(one.count_for(address("192.0.2.1")) && two.count_for(address("::ffff:192.0.2.1")));
    assert!(!three.count_for(address("192.0.2.1")), "it is the same written as IPv6");
    assert!(four.count_for(address("192.0.2.2")));
    drop(taken);
    assert!(places.networks().is_empty());
}

#[test]
fn an_ipv6_address_counts_by_its_network() {
    let same = |one, other| network(address(one)) == network(address(other));
    assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
    assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert!(!same("192.0.2.1", "192.0.2.2") && !same("::1", "192.0.2.1"));
}

#[test]
fn a_place_is_two_words() {
    assert_eq!(size_of::<Place>(), 16);
}
