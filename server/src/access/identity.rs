//! The name under which a caller is counted: a user is one caller wherever it is, and everybody else an address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::accounts::{TokenId, UserName};

/// The name under which a caller is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// Code in this process.
    #[default]
    Internal,
    /// Everyone who connects from this address. An IPv6 address stands for its network of 64 bits, because one machine
    /// has many of those.
    Address(IpAddr),
    /// A user, at any address.
    User(UserName),
    /// A token that belongs to no user.
    Token(TokenId),
    /// Everyone who comes by a share link.
    Link(TokenId),
}

impl Identity {
    /// The identity of everyone who connects from this address.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(canonical(address))
    }
}

/// One machine has many IPv6 addresses, in one network of 64 bits.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        address => address,
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal => f.write_str("this process"),
            Self::Address(address) => address.fmt(f),
            Self::User(name) => write!(f, "user {name}"),
            Self::Token(id) => write!(f, "token {}", id.as_str()),
            Self::Link(id) => write!(f, "link {}", id.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_one_caller_whichever_of_its_addresses_it_uses() {
        let of = |text: &str| Identity::of_address(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
