//! Generated flows: who and what is worth asking about in a model.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Profile;
use crate::flow::{Flow, Party};
use crate::model::Model;
use crate::peer::{PeerMatch, Peers};
use crate::port::{PortMatch, Ports, Protocol};

/// Subject, peer, port, and whether the subject is the source.
pub(super) type FlowSketch = (u16, u16, u16, bool);

pub(super) fn sketches() -> impl Strategy<Value = Vec<FlowSketch>> {
    vec(any::<FlowSketch>(), 64..=128)
}

/// Every party that the model can tell apart from the others, as far as that is quickly seen: pods and nodes with
/// each of their addresses, [`Party::SomeNode`] where a host-network pod's node is not known, and outside addresses
/// at both edges of every block and hole that a policy names, and one beyond.
#[must_use]
pub fn parties(model: &Model) -> Vec<Party> {
    let cluster = &model.cluster;
    let mut parties = Vec::new();
    let mut own: BTreeSet<IpAddr> = BTreeSet::new();
    for (id, pod) in cluster.endpoint_ids() {
        own.extend(&pod.addresses);
        if pod.host_network {
            if pod.node.is_none() {
                parties.push(Party::SomeNode);
            }
            continue;
        }
        let addresses = pod.addresses.iter().copied().map(Some);
        parties.extend(addresses.map(|address| Party::Endpoint { id, address }));
        if pod.addresses.is_empty() {
            parties.push(Party::Endpoint { id, address: None });
        }
    }
    for (id, node) in cluster.node_ids() {
        own.extend(&node.addresses);
        let addresses = node.addresses.iter().copied().map(Some);
        parties.extend(addresses.map(|address| Party::Node { id, address }));
        if node.addresses.is_empty() {
            parties.push(Party::Node { id, address: None });
        }
    }
    let peers = model.policies().iter().flat_map(|policy| &policy.rules);
    let peers = peers.filter_map(|rule| match &rule.peers {
        Peers::Any => None,
        Peers::OneOf(peers) => Some(peers),
    });
    let blocks = peers.flatten().filter_map(|peer| match &peer.matches {
        PeerMatch::Cidr(block) => Some(block),
        _ => None,
    });
    let edges = blocks
        .flat_map(|block| block.except.iter().chain([&block.cidr]))
        .flat_map(|net| {
            [
                before(net.network()),
                Some(net.network()),
                Some(net.broadcast()),
                after(net.broadcast()),
            ]
        })
        .flatten()
        .chain([
            IpAddr::from([8, 8, 8, 8]),
            IpAddr::from([0x2001, 0x4860, 0, 0, 0, 0, 0, 0x8888]),
        ]);
    let outside = edges.filter(|address| !own.contains(address)).map(Party::Outside);
    parties.extend(outside);
    parties.sort();
    parties.dedup();
    parties
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_sub(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(v6) => v6.to_bits().checked_sub(1).map(|bits| IpAddr::V6(bits.into())),
    }
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|bits| IpAddr::V4(bits.into())),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|bits| IpAddr::V6(bits.into())),
    }
}

/// Every protocol with the ports that the model can tell apart: container ports, the edges of the policies' ranges
/// and one beyond, the lowest and the highest, and the ICMP types that rules name with their neighbours.
#[must_use]
pub fn ports(model: &Model) -> Vec<(Protocol, u16)> {
    let mut found: BTreeSet<_> = Protocol::ALL
        .into_iter()
        .flat_map(|protocol| [(protocol, 0), (protocol, protocol.highest_port())])
        .collect();
    let mut add = |protocol: Protocol, port: u16| {
        for near in [Some(port), port.checked_sub(1), port.checked_add(1)]
            .into_iter()
            .flatten()
        {
            found.insert((protocol, near.min(protocol.highest_port())));
        }
    };
    let container_ports = model.cluster.endpoints().iter().flat_map(|pod| &pod.ports);
    for port in container_ports {
        for protocol in Protocol::TRANSPORT {
            add(protocol, port.number);
        }
    }
    let entries = model.policies().iter().flat_map(|policy| &policy.rules);
    let entries = entries.filter_map(|rule| match &rule.ports {
        Ports::Any => None,
        Ports::OneOf(ports) => Some(ports),
    });
    for port in entries.flatten() {
        match &port.matches {
            PortMatch::Numbers { first, last, .. } => {
                for protocol in Protocol::TRANSPORT {
                    add(protocol, *first);
                    add(protocol, *last);
                }
            }
            PortMatch::Icmp { message_type, .. } => {
                add(Protocol::Icmp, (*message_type).into());
                add(Protocol::Icmpv6, (*message_type).into());
            }
            PortMatch::Name { .. } => {}
        }
    }
    found.into_iter().collect()
}

pub(super) fn draw(sketches: &[FlowSketch], model: &Model, profile: Profile) -> Vec<Flow> {
    let ports: Vec<_> = ports(model)
        .into_iter()
        .filter(|(protocol, _)| match protocol {
            Protocol::Tcp | Protocol::Udp => true,
            Protocol::Sctp => profile.sctp,
            Protocol::Icmp | Protocol::Icmpv6 => profile.icmp,
            Protocol::Other => profile.other,
        })
        .collect();
    let parties: Vec<_> = parties(model)
        .into_iter()
        .filter(|party| match party {
            Party::Node { .. } | Party::SomeNode => profile.host_network,
            Party::Outside(address) => profile.ipv6 || address.is_ipv4(),
            Party::Endpoint { .. } => true,
        })
        .collect();
    let pods: Vec<_> = parties
        .iter()
        .copied()
        .filter(|party| matches!(party, Party::Endpoint { .. }))
        .collect();
    sketches
        .iter()
        .filter_map(|(subject, peer, port, outgoing)| {
            let subject = at(&pods, *subject)?;
            let fitting: Vec<_> = parties
                .iter()
                .copied()
                // To itself seldom: nothing is asked of the policies then.
                .filter(|party| *party != subject || port % 16 == 0)
                .filter(|party| match (party.family(), subject.family()) {
                    (Some(theirs), Some(ours)) => theirs == ours,
                    _ => true,
                })
                .collect();
            let peer = at(&fitting, *peer)?;
            let (source, destination) = if *outgoing {
                (subject, peer)
            } else {
                (peer, subject)
            };
            // Half of the flows go to what the destination publishes.
            let published = if port % 2 == 1 {
                published(model, destination)
            } else {
                Vec::new()
            };
            let (protocol, port) = at(&published, *port / 2).or_else(|| at(&ports, *port / 2))?;
            Some(Flow {
                source,
                destination,
                protocol,
                port,
            })
        })
        .collect()
}

/// The container ports of a pod.
fn published(model: &Model, party: Party) -> Vec<(Protocol, u16)> {
    let Party::Endpoint { id, .. } = party else {
        return Vec::new();
    };
    let ports = model.cluster.endpoint(id).map_or(&[][..], |pod| &pod.ports);
    ports.iter().map(|port| (port.protocol, port.number)).collect()
}

fn at<T: Copy>(list: &[T], choice: u16) -> Option<T> {
    list.get(usize::from(choice).checked_rem(list.len())?).copied()
}
