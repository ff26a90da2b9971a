//! What the policies of a model ask of a peer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::cluster::Endpoint;
use crate::model::Model;
use crate::named_port;
use crate::peer::{CidrBlock, CidrScope, Peer, PeerMatch, Peers};
use crate::policy::{Direction, Rule};
use crate::port::{PortMatch, Ports, Protocol, ProtocolSet};
use crate::selector::Selector;

/// A port name that an egress rule uses: the name in lower case, and the protocols asked for.
pub(super) type NameUse = (String, ProtocolSet);

/// Every question that the policies ask of a peer, each once, in canonical order.
pub(super) struct Questions<'m> {
    pub(super) matchers: Vec<&'m PeerMatch>,
    pub(super) names: Vec<NameUse>,
}

impl<'m> Questions<'m> {
    pub(super) fn of(model: &'m Model) -> Self {
        let mut matchers = BTreeSet::new();
        let mut names = BTreeSet::new();
        for rule in model.policies().iter().flat_map(|policy| &policy.rules) {
            matchers.extend(peers_of(rule).iter().map(|peer| &peer.matches).filter(|matches| {
                matches!(
                    matches,
                    PeerMatch::Endpoints(_)
                        | PeerMatch::Nodes(_)
                        | PeerMatch::OtherNodes(_)
                        | PeerMatch::Cidr(_)
                )
            }));
            if rule.direction == Direction::Egress {
                names.extend(names_of(rule));
            }
        }
        Self {
            matchers: matchers.into_iter().collect(),
            names: names.into_iter().collect(),
        }
    }

    /// The matchers for which `matches` holds.
    pub(super) fn where_true(&self, mut matches: impl FnMut(&PeerMatch) -> bool) -> Vec<u32> {
        (0..)
            .zip(&self.matchers)
            .filter(|(_, matcher)| matches(matcher))
            .map(|(index, _)| index)
            .collect()
    }

    /// The pod selectors, with the index of their matcher.
    pub(super) fn endpoint_selectors(&self) -> impl Iterator<Item = (u32, &'m Selector)> {
        (0..)
            .zip(&self.matchers)
            .filter_map(|(index, matcher)| match matcher {
                PeerMatch::Endpoints(selector) => Some((index, selector)),
                _ => None,
            })
    }

    /// The address blocks, with the index of their matcher.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (u32, &'m CidrBlock)> {
        (0..)
            .zip(&self.matchers)
            .filter_map(|(index, matcher)| match matcher {
                PeerMatch::Cidr(block) => Some((index, block)),
                _ => None,
            })
    }

    /// The blocks that hold a pod's or a node's address. Of an address not known yet only blocks that hold every
    /// address of a family are certain.
    pub(super) fn blocks_of_member(&self, address: Option<IpAddr>) -> impl Iterator<Item = u32> {
        self.blocks()
            .filter(move |(_, block)| {
                block.scope == CidrScope::Everything
                    && address.map_or_else(|| block.is_whole_family(), |address| block.contains(address))
            })
            .map(|(index, _)| index)
    }

    pub(super) fn numbers_of(&self, endpoint: &Endpoint) -> Vec<BTreeSet<(Protocol, u16)>> {
        self.names
            .iter()
            .map(|(name, protocol)| {
                named_port::definitions(endpoint, name, *protocol)
                    .map(|port| (port.protocol, port.number))
                    .collect()
            })
            .collect()
    }

    pub(super) fn no_numbers(&self) -> Vec<BTreeSet<(Protocol, u16)>> {
        vec![BTreeSet::new(); self.names.len()]
    }
}

fn peers_of(rule: &Rule) -> &[Peer] {
    match &rule.peers {
        Peers::Any => &[],
        Peers::OneOf(list) => list,
    }
}

fn names_of(rule: &Rule) -> impl Iterator<Item = NameUse> {
    let ports = match &rule.ports {
        Ports::Any => &[][..],
        Ports::OneOf(list) => list,
    };
    ports.iter().filter_map(|port| match &port.matches {
        PortMatch::Name { protocol, name } => Some((name.to_ascii_lowercase(), *protocol)),
        PortMatch::Numbers { .. } | PortMatch::Icmp { .. } => None,
    })
}
