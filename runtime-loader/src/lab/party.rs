//! Who speaks: pods, nodes, and addresses of the world outside.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ir::cluster::{EndpointId, Family, NodeId};
use ir::flow;
use ir::identity::{Class, Identities, IdentityId};
use ir::model::Model;

/// A party by its position in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyId(pub usize);

/// What a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A pod, in a namespace of its own.
    Pod(EndpointId),
    /// A node's host.
    Node(NodeId),
    /// Somebody who belongs to no cluster.
    Outside,
}

/// Somebody who listens and speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// How the matrix calls it.
    pub label: String,
    /// What it is.
    pub kind: Kind,
    /// Its addresses, at most one of each family.
    pub addresses: Vec<IpAddr>,
}

impl Party {
    /// Its address of a family.
    #[must_use]
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses
            .iter()
            .copied()
            .find(|address| Family::of(*address) == family)
    }

    /// This party in a flow, as the reference evaluator knows it.
    #[must_use]
    pub fn in_flow(&self, address: IpAddr) -> flow::Party {
        match self.kind {
            Kind::Pod(id) => flow::Party::Endpoint {
                id,
                address: Some(address),
            },
            Kind::Node(id) => flow::Party::Node {
                id,
                address: Some(address),
            },
            Kind::Outside => flow::Party::Outside(address),
        }
    }
}

/// How many addresses outside are probed beside the usual ones.
const MOST_OUTSIDE: usize = 16;

/// All parties of a placed cluster: its pods (those with a network of their own), its nodes, and one outside
/// address for each interval that policies see as one.
#[must_use]
pub fn parties(model: &Model) -> Vec<Party> {
    let cluster = &model.cluster;
    let pods = cluster
        .endpoint_ids()
        .filter(|(_, pod)| !pod.host_network)
        .map(|(id, pod)| Party {
            label: pod.to_string(),
            kind: Kind::Pod(id),
            addresses: pod.addresses.clone(),
        });
    let nodes = cluster.node_ids().map(|(id, node)| Party {
        label: node.name.clone(),
        kind: Kind::Node(id),
        addresses: node.addresses.clone(),
    });
    let outside = outside_addresses(model).into_iter().map(|address| Party {
        label: address.to_string(),
        kind: Kind::Outside,
        addresses: vec![address],
    });
    pods.chain(nodes).chain(outside).collect()
}

/// The first address of every interval in which policies see the outside as one, so that each edge of each block and
/// hole is probed from above; for the space at large two documentation addresses.
fn outside_addresses(model: &Model) -> Vec<IpAddr> {
    let identities = Identities::of(model);
    let addresses = identities.addresses();
    let cluster = &model.cluster;
    let inside: Vec<IpNet> = cluster
        .nodes()
        .iter()
        .flat_map(|node| node.pod_cidrs.iter().copied())
        .collect();
    let taken = |address: &IpAddr| {
        addresses.exact.contains_key(address) || inside.iter().any(|slice| slice.contains(address))
    };
    let is_outside = |id: IdentityId| {
        identities
            .identities()
            .get(id.0 as usize)
            .is_some_and(|identity| matches!(identity.class, Class::Outside(_)))
    };
    let usual: [IpAddr; 2] = [
        // RFC 5737 and RFC 3849.
        Ipv4Addr::new(203, 0, 113, 7).into(),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into(),
    ];
    let mut met = BTreeSet::new();
    let mut found = Vec::new();
    for address in usual.into_iter().filter(|address| !taken(address)) {
        if let Some(identity) = addresses.identity(address) {
            met.insert(identity);
        }
        found.push(address);
    }
    let starts = addresses
        .v4
        .iter()
        .map(|(start, identity)| (IpAddr::V4(*start), *identity))
        .chain(
            addresses
                .v6
                .iter()
                .map(|(start, identity)| (IpAddr::V6(*start), *identity)),
        );
    for (start, identity) in starts {
        if found.len() >= usual.len() + MOST_OUTSIDE {
            break;
        }
        // The whole space begins at no edge of a policy's.
        let begins_nothing = start.is_unspecified() && met.contains(&identity);
        if begins_nothing || !is_outside(identity) {
            continue;
        }
        // The interval's own first address, or the first behind what no host can have there.
        let candidates = std::iter::once(start).chain(first_after_special(start));
        for address in candidates {
            let fits = host_can_have(address) && !taken(&address) && !found.contains(&address);
            if fits && addresses.identity(address) == Some(identity) {
                met.insert(identity);
                found.push(address);
                break;
            }
        }
    }
    found
}

/// The first address behind the block of special addresses that `address` lies in.
fn first_after_special(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) if v4.octets().first() == Some(&0) => Some(Ipv4Addr::new(1, 0, 0, 0).into()),
        IpAddr::V4(v4) if v4.is_loopback() => Some(Ipv4Addr::new(128, 0, 0, 0).into()),
        IpAddr::V4(v4) => u32::from(v4)
            .checked_add(1)
            .map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(v6) if v6.segments().first() == Some(&0) => {
            Some(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1).into())
        }
        IpAddr::V6(v6) => u128::from(v6)
            .checked_add(1)
            .map(|next| Ipv6Addr::from(next).into()),
    }
}

/// Whether a host can have an address and be reached there: no loopback, multicast, link-local, reserved or
/// unspecified address.
fn host_can_have(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let first = u32::from(v4) >> 24;
            first != 0 && first < 224 && !v4.is_loopback() && !v4.is_link_local()
        }
        IpAddr::V6(v6) => {
            let special = v6.is_unicast_link_local() || v6.is_multicast();
            // Everything below 2000::/3 that is not a unique local address is reserved (RFC 4291, 2.4).
            !special && v6.segments().first().is_some_and(|first| *first >= 0x2000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(text: &str) -> Vec<String> {
        outside_addresses(&ir::text::parse(text).unwrap())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn without_blocks_two_addresses_stand_for_the_world() {
        assert_eq!(outside("endpoint shop/a\n"), ["203.0.113.7", "2001:db8::7"]);
    }

    #[test]
    fn every_edge_of_a_block_is_met_from_above_but_not_inside_the_cluster() {
        let text = "\
            node n slice 10.1.0.0/16\n\
            endpoint shop/a\n\
            policy NetworkPolicy shop/p on pods [] denies ingress {\n  \
              allow ingress from cidr 10.0.0.0/8 except 10.1.0.0/24, cidr 224.0.0.0/4, cidr 2001:db8:1::/48\n\
            }\n";
        assert_eq!(
            outside(text),
            [
                "203.0.113.7",
                "2001:db8::7",
                "10.0.0.0",
                "11.0.0.0",
                "2001:db8:1::",
                "2001:db8:2::"
            ],
            "10.1.0.0 and 10.1.1.0 belong to the node's slice; nobody has an address in 224.0.0.0/4"
        );
    }
}
