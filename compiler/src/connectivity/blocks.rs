//! Intervals of addresses → the fewest blocks that cover exactly them.

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Net, Ipv6Subnets};
use ir::cluster::Family;
use ir::identity::AddressMap;
use ir::identity::IdentityId;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The blocks of the intervals whose identities are `wanted`, of one family, sorted.
pub(super) fn of_identities(
    addresses: &AddressMap,
    family: Family,
    wanted: &BTreeSet<IdentityId>,
) -> Vec<IpNet> {
    match family {
        Family::V4 => {
            let firsts = addresses.v4.iter().map(|(first, id)| (first.to_bits(), *id));
            let ranges = ranges(firsts, u32::MAX, |next| next - 1, wanted);
            let nets: Vec<Ipv4Net> = ranges
                .into_iter()
                .flat_map(|(first, last)| {
                    Ipv4Subnets::new(Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last), 0)
                })
                .collect();
            Ipv4Net::aggregate(&nets).into_iter().map(IpNet::V4).collect()
        }
        Family::V6 => {
            let firsts = addresses.v6.iter().map(|(first, id)| (first.to_bits(), *id));
            let ranges = ranges(firsts, u128::MAX, |next| next - 1, wanted);
            let nets: Vec<Ipv6Net> = ranges
                .into_iter()
                .flat_map(|(first, last)| {
                    Ipv6Subnets::new(Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last), 0)
                })
                .collect();
            Ipv6Net::aggregate(&nets).into_iter().map(IpNet::V6).collect()
        }
    }
}

/// First and last address of each wanted interval.
fn ranges<A: Copy>(
    firsts: impl Iterator<Item = (A, IdentityId)>,
    top: A,
    before: impl Fn(A) -> A,
    wanted: &BTreeSet<IdentityId>,
) -> Vec<(A, A)> {
    let mut ranges = Vec::new();
    let mut firsts = firsts.peekable();
    while let Some((first, identity)) = firsts.next() {
        let last = firsts.peek().map_or(top, |(next, _)| before(*next));
        if wanted.contains(&identity) {
            ranges.push((first, last));
        }
    }
    ranges
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
