//! Intervals of addresses → the fewest blocks that cover exactly them.

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};
use ir::cluster::Family;
use ir::identity::AddressMap;
use ir::identity::IdentityId;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The blocks of the intervals whose identities are `wanted`, of one family, sorted.
pub(crate) fn of_identities(
    addresses: &AddressMap,
    family: Family,
    wanted: &BTreeSet<IdentityId>,
) -> Vec<IpNet> {
    let firsts: Vec<(u128, IdentityId)> = match family {
        Family::V4 => addresses
            .v4
            .iter()
            .map(|(first, id)| (number((*first).into()), *id))
            .collect(),
        Family::V6 => addresses
            .v6
            .iter()
            .map(|(first, id)| (number((*first).into()), *id))
            .collect(),
    };
    let mut ranges = Vec::new();
    let mut firsts = firsts.into_iter().peekable();
    while let Some((first, identity)) = firsts.next() {
        let last = firsts.peek().map_or(top(family), |(next, _)| next - 1);
        if wanted.contains(&identity) {
            ranges.push((first, last));
        }
    }
    of_ranges(family, &ranges)
}

/// The fewest blocks that hold the addresses of ranges (first and last, as numbers) and no others, sorted.
pub(crate) fn of_ranges(family: Family, ranges: &[(u128, u128)]) -> Vec<IpNet> {
    match family {
        Family::V4 => {
            let address = |bits: u128| Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX));
            let nets: Vec<Ipv4Net> = ranges
                .iter()
                .flat_map(|(first, last)| Ipv4Subnets::new(address(*first), address(*last), 0))
                .collect();
            Ipv4Net::aggregate(&nets).into_iter().map(IpNet::V4).collect()
        }
        Family::V6 => {
            let nets: Vec<Ipv6Net> = ranges
                .iter()
                .flat_map(|(first, last)| {
                    Ipv6Subnets::new(Ipv6Addr::from_bits(*first), Ipv6Addr::from_bits(*last), 0)
                })
                .collect();
            Ipv6Net::aggregate(&nets).into_iter().map(IpNet::V6).collect()
        }
    }
}

/// An address as a number.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The highest address of a family, as a number.
pub(crate) fn top(family: Family) -> u128 {
    match family {
        Family::V4 => u128::from(u32::MAX),
        Family::V6 => u128::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_minimal() {
        let at = |text: &str| text.parse().unwrap();
        let map = AddressMap {
            v4: vec![
                (at("0.0.0.0"), IdentityId(0)),
                (at("10.0.0.0"), IdentityId(1)),
                (at("10.128.0.0"), IdentityId(2)),
                (at("11.0.0.0"), IdentityId(0)),
            ],
            v6: vec![("::".parse().unwrap(), IdentityId(3))],
            ..AddressMap::default()
        };
        let of = |family, ids: &[u32]| -> Vec<String> {
            let wanted = ids.iter().copied().map(IdentityId).collect();
            of_identities(&map, family, &wanted)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(of(Family::V4, &[1]), ["10.0.0.0/9"]);
        assert_eq!(of(Family::V4, &[1, 2]), ["10.0.0.0/8"]);
        assert_eq!(of(Family::V4, &[0, 1, 2]), ["0.0.0.0/0"]);
        assert_eq!(of(Family::V4, &[0]).len(), 8);
        assert_eq!(of(Family::V6, &[3]), ["::/0"]);
    }
}
