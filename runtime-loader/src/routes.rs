//! Which routes a node needs so that its pods reach every other pod, as data, and how they come into force.
//!
//! - For each local pod one /32 or /128 to its own link.
//! - For each other node's slice one route via that node's address of the same family on the shared segment. No
//!   encapsulation: the segment must carry pod addresses.
//!
//! [`desired`] is a pure function of what is known; [`Changes::between`] compares it with what is there; [`apply`]
//! makes the kernel's routes equal to it. Only routes with our protocol number are ever touched.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::netlink::{Netlink, NetlinkError, RouteEntry};

/// A pod of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPod {
    /// The host's end of its veth pair.
    pub link: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteNode {
    /// Its name, for messages.
    pub name: String,
    /// Its addresses on the segment.
    pub addresses: Vec<IpAddr>,
    /// Its pod CIDRs.
    pub slices: Vec<IpNet>,
}

/// What the routes of a node follow from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The link to the segment that all nodes share.
    pub uplink: String,
    /// This node's own addresses; the host's traffic to pods comes from these.
    pub addresses: Vec<IpAddr>,
    /// This node's pods.
    pub pods: Vec<LocalPod>,
    /// The other nodes.
    pub others: Vec<RemoteNode>,
}

/// Why a slice or pod cannot be routed to. The others still are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum RouteProblem {
    /// No next hop of the slice's family.
    #[error("node `{node}` has the pod CIDR {slice} and no address of that family to reach it by")]
    NoNextHop {
        /// The node.
        node: String,
        /// Its slice.
        slice: IpNet,
    },
    /// Two nodes claim the same addresses; the first in order of names keeps them.
    #[error("pod CIDR {slice} of node `{node}` overlaps {other_slice} of node `{other}`")]
    Overlap {
        /// The node that is left out.
        node: String,
        /// Its slice.
        slice: IpNet,
        /// The node that is routed to.
        other: String,
        /// That node's slice.
        other_slice: IpNet,
    },
}

/// The routes a node needs, and what stands in the way of others. The order of the inputs does not matter.
#[must_use]
pub fn desired(situation: &Situation) -> (BTreeSet<RouteEntry>, Vec<RouteProblem>) {
    let mut routes = BTreeSet::new();
    let mut problems = Vec::new();
    for pod in &situation.pods {
        for &address in &pod.addresses {
            routes.insert(RouteEntry {
                destination: address.into(),
                gateway: None,
                link: pod.link.clone(),
                source: same_family(&situation.addresses, address),
            });
        }
    }
    let mut others: Vec<&RemoteNode> = situation.others.iter().collect();
    others.sort_by(|a, b| a.name.cmp(&b.name));
    let mut routed: Vec<(IpNet, &str)> = Vec::new();
    for node in others {
        let mut slices: Vec<IpNet> = node.slices.iter().map(IpNet::trunc).collect();
        slices.sort();
        for slice in slices {
            let overlaps = |other: &IpNet| other.contains(&slice) || slice.contains(other);
            if let Some((other_slice, other)) = routed.iter().find(|(other, _)| overlaps(other)) {
                problems.push(RouteProblem::Overlap {
                    node: node.name.clone(),
                    slice,
                    other: (*other).to_owned(),
                    other_slice: *other_slice,
                });
                continue;
            }
            let Some(gateway) = same_family(&node.addresses, slice.addr()) else {
                problems.push(RouteProblem::NoNextHop {
                    node: node.name.clone(),
                    slice,
                });
                continue;
            };
            routed.push((slice, &node.name));
            routes.insert(RouteEntry {
                destination: slice,
                gateway: Some(gateway),
                link: situation.uplink.clone(),
                source: same_family(&situation.addresses, slice.addr()),
            });
        }
    }
    problems.sort();
    (routes, problems)
}

fn same_family(addresses: &[IpAddr], like: IpAddr) -> Option<IpAddr> {
    addresses
        .iter()
        .copied()
        .find(|address| address.is_ipv4() == like.is_ipv4())
}

/// What lies between the routes that are there and those that should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Routes to remove, no others to the same destination being wanted.
    pub remove: Vec<RouteEntry>,
    /// Routes to add or to put in place of another to the same destination.
    pub add: Vec<RouteEntry>,
}

impl Changes {
    /// Compares.
    #[must_use]
    pub fn between(present: &[RouteEntry], desired: &BTreeSet<RouteEntry>) -> Self {
        let present: BTreeSet<&RouteEntry> = present.iter().collect();
        let wanted: BTreeSet<IpNet> = desired.iter().map(|route| route.destination).collect();
        Self {
            // IPv4 has one route per destination and metric, which adding replaces; in IPv6 a second one with
            // another next hop would stand beside the first (and become multipath), so it is removed.
            remove: present
                .iter()
                .filter(|route| !desired.contains(**route))
                .filter(|route| route.destination.addr().is_ipv6() || !wanted.contains(&route.destination))
                .map(|route| (*route).clone())
                .collect(),
            add: desired
                .iter()
                .filter(|route| !present.contains(route))
                .cloned()
                .collect(),
        }
    }

    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.add.is_empty()
    }
}

/// Makes our routes in the client's namespace equal to the desired ones and says what that took. Applied twice,
/// the second time changes nothing. Routes without a gateway come first: others' next hops may rest on them.
///
/// # Errors
/// At the first route that the kernel refuses; applying again continues.
pub fn apply(netlink: &mut Netlink, desired: &BTreeSet<RouteEntry>) -> Result<Changes, NetlinkError> {
    let changes = Changes::between(&netlink.our_routes()?, desired);
    for route in &changes.remove {
        netlink.remove_route(route)?;
    }
    let (via, direct): (Vec<&RouteEntry>, Vec<&RouteEntry>) =
        changes.add.iter().partition(|route| route.gateway.is_some());
    for route in direct.into_iter().chain(via) {
        netlink.add_route(route)?;
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(name: &str, addresses: &[&str], slices: &[&str]) -> RemoteNode {
        RemoteNode {
            name: name.into(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            slices: slices.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn situation() -> Situation {
        Situation {
            uplink: "uplink".into(),
            addresses: vec!["192.168.77.1".parse().unwrap(), "fd00:77::1".parse().unwrap()],
            pods: vec![LocalPod {
                link: "lxc000000000001".into(),
                addresses: vec!["10.244.1.2".parse().unwrap(), "fd00:10:244:1::2".parse().unwrap()],
            }],
            others: vec![
                node(
                    "node-c",
                    &["192.168.77.3"],
                    &["10.244.3.0/24", "fd00:10:244:3::/64"],
                ),
                node(
                    "node-b",
                    &["fd00:77::2", "192.168.77.2"],
                    &["fd00:10:244:2::/64", "10.244.2.0/24"],
                ),
                node("node-d", &["192.168.77.4"], &["10.244.0.0/16"]),
            ],
        }
    }

    #[test]
    fn pods_by_their_link_and_slices_by_their_node() {
        let (routes, problems) = desired(&situation());
        let routes: Vec<String> = routes.iter().map(ToString::to_string).collect();
        assert_eq!(
            routes,
            [
                "10.244.1.2/32 dev lxc000000000001 src 192.168.77.1",
                "10.244.2.0/24 via 192.168.77.2 dev uplink src 192.168.77.1",
                "10.244.3.0/24 via 192.168.77.3 dev uplink src 192.168.77.1",
                "fd00:10:244:1::2/128 dev lxc000000000001 src fd00:77::1",
                "fd00:10:244:2::/64 via fd00:77::2 dev uplink src fd00:77::1",
            ]
        );
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "node `node-c` has the pod CIDR fd00:10:244:3::/64 and no address of that family to reach it by",
                "pod CIDR 10.244.0.0/16 of node `node-d` overlaps 10.244.2.0/24 of node `node-b`",
            ]
        );
    }

    #[test]
    fn the_order_of_inputs_does_not_matter() {
        let mut turned = situation();
        turned.others.reverse();
        for other in &mut turned.others {
            other.slices.reverse();
        }
        assert_eq!(desired(&situation()), desired(&turned));
    }

    fn any_route() -> impl Strategy<Value = RouteEntry> {
        (0_u8..6, 0_u8..3, 0_u8..2, any::<bool>()).prop_map(|(net, gateway, link, v6)| {
            let text = if v6 {
                format!("fd00:{net}::/32")
            } else {
                format!("10.{net}.0.0/16")
            };
            let gateway = (gateway > 0).then(|| {
                let text = if v6 {
                    format!("fd77::{gateway}")
                } else {
                    format!("192.168.77.{gateway}")
                };
                text.parse().unwrap()
            });
            RouteEntry {
                destination: text.parse().unwrap(),
                gateway,
                link: format!("link{link}"),
                source: None,
            }
        })
    }

    /// What the kernel does with one change: a table with one route per destination in IPv4 (replaced by an
    /// addition), any number in IPv6.
    fn play(present: &[RouteEntry], changes: &Changes) -> BTreeSet<RouteEntry> {
        let mut table: BTreeSet<RouteEntry> = present.iter().cloned().collect();
        for route in &changes.remove {
            assert!(table.remove(route), "removes what is there");
        }
        for route in &changes.add {
            if route.destination.addr().is_ipv4() {
                table.retain(|other| other.destination != route.destination);
            }
            assert!(table.insert(route.clone()), "adds what is missing");
        }
        table
    }

    fn one_per_destination(routes: Vec<RouteEntry>) -> BTreeSet<RouteEntry> {
        let mut seen = BTreeSet::new();
        routes
            .into_iter()
            .filter(|route| seen.insert(route.destination))
            .collect()
    }

    proptest! {
        #[test]
        fn changes_lead_from_what_is_there_to_what_should_be(
            present in prop::collection::vec(any_route(), 0..12),
            wanted in prop::collection::vec(any_route(), 0..12),
        ) {
            let present: Vec<RouteEntry> = one_per_destination(present).into_iter().collect();
            let wanted = one_per_destination(wanted);
            let changes = Changes::between(&present, &wanted);
            let after = play(&present, &changes);
            prop_assert_eq!(&after, &wanted);
            let again: Vec<RouteEntry> = after.into_iter().collect();
            prop_assert!(Changes::between(&again, &wanted).is_empty(), "the second time changes nothing");
        }
    }
}
