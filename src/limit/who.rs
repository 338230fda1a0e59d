//! Who is counted: a user where it is known, and else a network.
//!
//! A user's name may be of any length, and is nobody's business in Redis: it is counted by its digest.

use std::{fmt, net::IpAddr};

use sha2::{Digest, Sha256};

use crate::network::Network;

/// A caller, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// A user, by half a SHA-256 of its name: nobody finds another name with the same.
    User(u128),
    /// All who call from there.
    Network(Network),
}

impl Who {
    /// The user, where it is known, or whoever calls from this address.
    pub fn of(subject: Option<&str>, address: IpAddr) -> Self {
        subject.map_or_else(|| Self::Network(address.into()), Self::user)
    }

    fn user(subject: &str) -> Self {
        let digest = Sha256::digest(subject);
        Self::User(digest.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte)))
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

    #[test]
    fn who_is_not_known_is_counted_with_its_network() {
        let at = |address: &str| Who::of(None, address.parse().unwrap()).to_string();
        assert_eq!((at("192.0.2.1").as_str(), at("2001:db8::1").as_str()), ("net:192.0.2.1", "net:2001:db8::"));
    }

    proptest! {
        #[test]
        fn a_user_is_one_caller_wherever_it_calls_from(one: String, other: String, v4: u32) {
            let at = |subject, bits| Who::of(Some(subject), Ipv4Addr::from_bits(bits).into());
            prop_assert_eq!(at(&one, v4), at(&one, !v4));
            prop_assert_eq!(at(&one, v4) == at(&other, v4), one == other);
            prop_assert_eq!(at(&one, v4).to_string().len(), 37);
        }
    }
}
