//! The network: whom an address is counted for.
//!
//! Whoever has IPv6 has 2^64 addresses at least, a /64, and may call from each of them: they count as one. An address
//! of IPv4 counts alone, also where it is written as one of IPv6. It is one word, and so is one that may be missing:
//! every connection has one.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU64,
};

/// Where addresses of IPv4 are: beside the prefixes that are given to anyone.
const IPV4: u64 = 0xffff_0000_0000_0000;

/// An address of IPv4, or a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(NonZeroU64);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let number = match address.to_canonical() {
            IpAddr::V4(address) => IPV4 | u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        // Of `::/64` only this machine calls; the one that it is counted with is nobody's.
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.get();
        match u32::try_from(number ^ IPV4) {
            Ok(address) => Ipv4Addr::from_bits(address).fmt(f),
            Err(_) => Ipv6Addr::from_bits(u128::from(number) << 64).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(address: impl Into<IpAddr>) -> Network {
        Network::from(address.into())
    }

    #[test]
    fn it_is_told_as_it_is_written() {
        for (address, told) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("255.255.255.255", "255.255.255.255"),
            ("0.0.0.0", "0.0.0.0"),
        ] {
            assert_eq!(at(address.parse::<IpAddr>().unwrap()).to_string(), told);
        }
    }

    #[test]
    fn one_that_may_be_missing_is_one_word() {
        assert_eq!(size_of::<Option<Network>>(), 8);
    }

    proptest! {
        #[test]
        fn a_network_of_ipv6_is_one_and_an_address_of_ipv4_is_one(bits: u128, v4: u32, bit in 0..127) {
            // A bit that is always set keeps it from being an address of IPv4 in disguise.
            let one = bits | 1 << 127;
            let (same, other) = (Ipv6Addr::from_bits(one), Ipv6Addr::from_bits(one ^ (1_u128 << bit)));
            prop_assert_eq!(at(same) == at(other), bit < 64);
            let ipv4 = Ipv4Addr::from_bits(v4);
            prop_assert_ne!(at(ipv4), at(Ipv4Addr::from_bits(v4 ^ (1_u32 << (bit % 32)))));
            prop_assert_eq!(at(ipv4.to_ipv6_mapped()), at(ipv4));
        }
    }
}
