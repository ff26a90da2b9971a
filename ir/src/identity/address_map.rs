//! From an address on a packet to the identity behind it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::id::IdentityId;

/// Identities by address: pods and nodes exactly, everything else by the interval it lies in.
///
/// The intervals of each family cover the whole address space, so every address has an identity. An exact entry
/// overrides the interval around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressMap {
    /// Addresses of pods and nodes.
    pub exact: BTreeMap<IpAddr, IdentityId>,
    /// IPv4 intervals by first address, ascending from `0.0.0.0`; each ends before the next, the last at the top.
    /// Neighbours differ in identity.
    pub v4: Vec<(Ipv4Addr, IdentityId)>,
    /// IPv6 intervals, likewise from `::`.
    pub v6: Vec<(Ipv6Addr, IdentityId)>,
}

impl AddressMap {
    /// The identity behind `address`; `None` only for a map that was never filled.
    #[must_use]
    pub fn identity(&self, address: IpAddr) -> Option<IdentityId> {
        match self.exact.get(&address) {
            Some(id) => Some(*id),
            None => self.around(address),
        }
    }

    /// The identity of the outside addresses around `address`, whoever has it; `None` only for a map that was never
    /// filled.
    #[must_use]
    pub fn around(&self, address: IpAddr) -> Option<IdentityId> {
        match address {
            IpAddr::V4(address) => covering(&self.v4, address),
            IpAddr::V6(address) => covering(&self.v6, address),
        }
    }
}

/// The identity of the interval that `address` lies in.
fn covering<A: Ord + Copy>(intervals: &[(A, IdentityId)], address: A) -> Option<IdentityId> {
    let after = intervals.partition_point(|(first, _)| *first <= address);
    intervals.get(after.checked_sub(1)?).map(|(_, id)| *id)
}
