//! What should become of a packet, told from the reference evaluator and a set of flows: no tables, no bytecode.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use codegen_ebpf::datapath::Hook;
use codegen_ebpf::datapath::records::Reason;
use ir::cluster::EndpointId;
use ir::evaluator;
use ir::flow::Party;
use ir::model::Model;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::testing;

use super::packet::{Fragment, SYN, SYN_ACK, Segment};

/// A flow as the endpoint sees it, and the hook that let its first packet through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flow {
    opened_at: u8,
    local: IpAddr,
    peer: IpAddr,
    protocol: Protocol,
    local_port: u16,
    peer_port: u16,
}

/// Who has which address.
pub(crate) struct Directory(BTreeMap<IpAddr, Party>);

impl Directory {
    pub(crate) fn of(model: &Model) -> Self {
        let known = testing::parties(model)
            .into_iter()
            .filter_map(|party| Some((party.address()?, party)));
        Self(known.collect())
    }

    pub(crate) fn party(&self, address: IpAddr) -> Party {
        self.0.get(&address).copied().unwrap_or(Party::Outside(address))
    }
}

pub(crate) fn direction(hook: Hook) -> Direction {
    match hook {
        Hook::ToPod => Direction::Ingress,
        Hook::FromPod => Direction::Egress,
    }
}

/// Whether a party is the node that the endpoint is on.
fn is_own_node(model: &Model, endpoint: EndpointId, party: Party) -> bool {
    let Party::Node { id, .. } = party else {
        return false;
    };
    let endpoint = model.cluster.endpoint(endpoint).unwrap();
    endpoint.node.as_ref() == Some(&model.cluster.node(id).unwrap().name)
}

/// One endpoint's connections, remembered across changes of policy.
#[derive(Default)]
pub(crate) struct Oracle {
    opened: BTreeSet<Flow>,
}

impl Oracle {
    /// What becomes of a packet at a hook of the endpoint, under `model`, `forwarded` or sent by the node itself. Flows
    /// that begin while both directions are `unrestricted` are not remembered.
    #[expect(
        clippy::too_many_arguments,
        reason = "a packet, where it is seen, and what is known there"
    )]
    pub(crate) fn judge(
        &mut self,
        model: &Model,
        unrestricted: bool,
        directory: &Directory,
        endpoint: EndpointId,
        hook: Hook,
        segment: &Segment,
        forwarded: bool,
    ) -> Reason {
        let (local, peer, local_port, peer_port) = match hook {
            Hook::ToPod => (
                segment.destination,
                segment.source,
                segment.destination_port,
                segment.source_port,
            ),
            Hook::FromPod => (
                segment.source,
                segment.destination,
                segment.source_port,
                segment.destination_port,
            ),
        };
        if segment.shape.vlan {
            return Reason::EtherType;
        }
        if segment.shape.fragment == Fragment::Later {
            return Reason::Fragment;
        }
        let (request, reply) = if local.is_ipv4() { (8, 0) } else { (128, 129) };
        let own_icmp = if local.is_ipv4() {
            Protocol::Icmp
        } else {
            Protocol::Icmpv6
        };
        let icmp = matches!(segment.protocol, Protocol::Icmp | Protocol::Icmpv6);
        if icmp && segment.protocol != own_icmp {
            return Reason::UnknownHeader;
        }
        if !model
            .cluster
            .endpoint(endpoint)
            .unwrap()
            .addresses
            .contains(&local)
        {
            return match hook {
                Hook::ToPod => Reason::Foreign,
                Hook::FromPod => Reason::Spoofed,
            };
        }

        // Nobody but the host itself speaks for the node.
        if hook == Hook::ToPod && forwarded && is_own_node(model, endpoint, directory.party(peer)) {
            return Reason::Spoofed;
        }

        let flow = |opened_at: Hook| {
            let (local_port, peer_port) = if icmp {
                (segment.source_port, 0)
            } else {
                (local_port, peer_port)
            };
            Flow {
                opened_at: opened_at.number(),
                local,
                peer,
                protocol: segment.protocol,
                local_port,
                peer_port,
            }
        };
        let allows = |hook: Hook, port: u16| {
            let peer = directory.party(peer);
            evaluator::decide(model, endpoint, direction(hook), peer, segment.protocol, port).allowed
        };
        let opens = segment.protocol == Protocol::Tcp && segment.flags & SYN_ACK == SYN;
        if allows(hook, segment.destination_port) {
            let has_replies = segment.protocol.has_ports() || (icmp && segment.destination_port == request);
            if !unrestricted && has_replies && (opens || !self.opened.contains(&flow(hook.opposite()))) {
                self.opened.insert(flow(hook));
            }
            return Reason::Allowed;
        }
        let original = if segment.protocol.has_ports() {
            Some(segment.source_port)
        } else {
            (icmp && segment.destination_port == reply).then_some(request)
        };
        match original {
            Some(port) if !opens && allows(hook.opposite(), port) => {
                if self.opened.contains(&flow(hook.opposite())) {
                    Reason::Reply
                } else {
                    Reason::Policy
                }
            }
            _ => Reason::Policy,
        }
    }
}
