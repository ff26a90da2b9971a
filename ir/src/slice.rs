//! A node's slice of the pod network (`spec.podCIDRs`): which of its addresses pods can have.
//!
//! What a slice keeps back:
//!
//! | slice | kept back | pods |
//! |---|---|---|
//! | IPv4 /1 … /30 | network, broadcast, gateway = first usable | the rest |
//! | IPv4 /31 | gateway = the lower; no broadcast (RFC 3021) | the upper |
//! | IPv4 /32, IPv6 /128 | gateway = the only address | none |
//! | IPv6 /127 | gateway = the lower (RFC 6164) | the upper |
//! | IPv6 otherwise | the all-zero Subnet-Router anycast address (RFC 4291, 2.6.1), gateway = the next | the rest |

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What an address is kept back for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// The network's own address; in IPv6 the Subnet-Router anycast address.
    Network,
    /// The IPv4 broadcast address.
    Broadcast,
    /// The pods' gateway.
    Gateway,
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "the network",
            Self::Broadcast => "broadcast",
            Self::Gateway => "the gateway",
        })
    }
}

/// One pod CIDR and what of it is usable. Addresses are counted as offsets from the network's own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slice {
    net: IpNet,
}

impl Slice {
    /// A slice; host bits in the prefix are cleared.
    #[must_use]
    pub fn new(net: IpNet) -> Self {
        Self { net: net.trunc() }
    }

    /// The prefix.
    #[must_use]
    pub fn net(self) -> IpNet {
        self.net
    }

    /// The pods' gateway: the first usable address.
    #[must_use]
    pub fn gateway(self) -> IpAddr {
        self.address(u128::from(self.host_bits().min(2) / 2))
    }

    /// How many pods the slice has addresses for.
    #[must_use]
    pub fn capacity(self) -> u128 {
        self.last_pod().map_or(0, |last| last - self.first_pod() + 1)
    }

    /// What an address of the slice is kept back for, if anything.
    #[must_use]
    pub fn reservation(self, address: IpAddr) -> Option<Reservation> {
        if address == self.gateway() {
            return Some(Reservation::Gateway);
        }
        let offset = self.offset(address)?;
        if self.host_bits() < 2 {
            None
        } else if offset == 0 {
            Some(Reservation::Network)
        } else if self.last_pod().is_some_and(|last| offset > last) {
            Some(Reservation::Broadcast)
        } else {
            None
        }
    }

    /// How many bits of an address the slice leaves to pods.
    #[must_use]
    pub fn host_bits(self) -> u32 {
        u32::from(self.net.max_prefix_len() - self.net.prefix_len())
    }

    /// The lowest pod's offset: behind the gateway.
    #[must_use]
    pub fn first_pod(self) -> u128 {
        u128::from(self.host_bits().min(2) / 2) + 1
    }

    /// The highest pod's offset; `None` where the slice has room for no pod.
    #[must_use]
    pub fn last_pod(self) -> Option<u128> {
        let top = u128::MAX.checked_shr(128 - self.host_bits()).unwrap_or(0);
        let broadcast = self.net.addr().is_ipv4() && self.host_bits() >= 2;
        let last = if broadcast { top - 1 } else { top };
        (last >= self.first_pod()).then_some(last)
    }

    /// The address at an offset; bits of it behind the slice's own are dropped.
    #[must_use]
    pub fn address(self, offset: u128) -> IpAddr {
        let offset = offset & u128::MAX.checked_shr(128 - self.host_bits()).unwrap_or(0);
        match self.net.network() {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "an offset has at most the host's bits"
            )]
            IpAddr::V4(base) => IpAddr::V4(Ipv4Addr::from(u32::from(base) | offset as u32)),
            IpAddr::V6(base) => IpAddr::V6(Ipv6Addr::from(u128::from(base) | offset)),
        }
    }

    /// The offset of an address; `None` for one that is not of this slice.
    #[must_use]
    pub fn offset(self, address: IpAddr) -> Option<u128> {
        if !self.net.contains(&address) {
            return None;
        }
        match (self.net.network(), address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => Some(u128::from(u32::from(address) - u32::from(base))),
            (IpAddr::V6(base), IpAddr::V6(address)) => Some(u128::from(address) - u128::from(base)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_offset_of_a_pod_is_an_address_that_nothing_is_kept_back_for(
            v4 in any::<bool>(),
            base in any::<u128>(),
            length in 0u8..=128,
            pick in any::<u128>(),
        ) {
            let net = if v4 {
                #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
                let address = Ipv4Addr::from(base as u32);
                IpNet::new(address.into(), length.min(32))
            } else {
                IpNet::new(Ipv6Addr::from(base).into(), length)
            };
            let slice = Slice::new(net.unwrap());
            prop_assert!(slice.net().contains(&slice.gateway()));
            prop_assert_eq!(slice.reservation(slice.gateway()), Some(Reservation::Gateway));
            let Some(last) = slice.last_pod() else {
                prop_assert_eq!(slice.capacity(), 0);
                return Ok(());
            };
            let span = last - slice.first_pod();
            let offset = slice.first_pod() + if span == u128::MAX { pick } else { pick % (span + 1) };
            let address = slice.address(offset);
            prop_assert_eq!(slice.offset(address), Some(offset));
            prop_assert_eq!(slice.reservation(address), None);
            prop_assert!(slice.net().contains(&address));
        }
    }
}
