//! Who is counted: a user where it is known, and else a network.
//!
//! A user's name may be of any length, and is nobody's business in Redis: it is counted by its digest. Whoever has IPv6
//! has a network of 2^64 addresses at least, and may call from each of them: they count as one.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use sha2::{Digest, Sha256};

/// A caller, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// A user, by half a SHA-256 of its name: nobody finds another name with the same.
    User(u128),
    /// All who call from there.
    Network(IpAddr),
}

impl Who {
    /// The user, where it is known, or whoever calls from this address.
    pub fn of(subject: Option<&str>, address: IpAddr) -> Self {
        subject.map_or_else(|| Self::at(address), Self::user)
    }

    fn user(subject: &str) -> Self {
        let digest = Sha256::digest(subject);
        Self::User(digest.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte)))
    }

    fn at(address: IpAddr) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 => v4,
        })
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(digest) => write!(f, "user:{digest:032x}"),
            Self::Network(network) => write!(f, "net:{network}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_network_of_ipv6_is_one_caller_and_an_address_of_ipv4_is_one(bits: u128, v4: u32, bit in 0..127) {
            let at = |bits: u128| Who::of(None, Ipv6Addr::from_bits(bits).into());
            // A bit that is always set keeps it from being an address of IPv4 in disguise.
            let one = bits | 1 << 127;
            prop_assert_eq!(at(one) == at(one ^ (1_u128 << bit)), bit < 64);
            let ipv4 = |bits| Who::of(None, Ipv4Addr::from_bits(bits).into());
            prop_assert_ne!(ipv4(v4), ipv4(v4 ^ (1_u32 << (bit % 32))));
            prop_assert_eq!(at(Ipv4Addr::from_bits(v4).to_ipv6_mapped().to_bits()), ipv4(v4));
        }

        #[test]
        fn a_user_is_one_caller_wherever_it_calls_from(one: String, other: String, v4: u32) {
            let at = |subject, bits| Who::of(Some(subject), Ipv4Addr::from_bits(bits).into());
            prop_assert_eq!(at(&one, v4), at(&one, !v4));
            prop_assert_eq!(at(&one, v4) == at(&other, v4), one == other);
            prop_assert_eq!(at(&one, v4).to_string().len(), 37);
        }
    }
}
