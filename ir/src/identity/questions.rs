//! What the policies of a model ask of a peer.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::cluster::Endpoint;
use crate::model::Model;
use crate::named_port;
use crate::peer::{CidrBlock, Peer, PeerMatch, Peers};
use crate::policy::{Direction, Rule};
use crate::port::{PortMatch, Ports, Protocol, ProtocolSet};
use crate::selector::Selector;

/// A port name that an egress rule uses: the name in lower case, and the protocols asked for.
pub(super) type NameUse = (String, ProtocolSet);

/// A number behind a name: the index of the name's use, the protocol, the number.
pub(super) type NameAnswer = (u32, Protocol, u16);

/// Every question that the policies ask of a peer, each once, in canonical order.
pub(super) struct Questions<'m> {
    pub(super) matchers: Vec<&'m PeerMatch>,
    pub(super) names: Vec<NameUse>,
    /// Those of the matchers that ask about nodes, with their indices.
    nodes: Vec<(u32, &'m PeerMatch)>,
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
        let matchers: Vec<_> = matchers.into_iter().collect();
        let nodes = (0..).zip(matchers.iter().copied());
        Self {
            nodes: nodes
                .filter(|(_, matcher)| matches!(matcher, PeerMatch::Nodes(_) | PeerMatch::OtherNodes(_)))
                .collect(),
            matchers,
            names: names.into_iter().collect(),
        }
    }

    /// The node matchers whose selector `matches`.
    pub(super) fn nodes_where(&self, matches: impl Fn(&Selector) -> bool) -> Vec<u32> {
        self.nodes
            .iter()
            .filter(|(_, matcher)| {
                matches!(matcher, PeerMatch::Nodes(selector) | PeerMatch::OtherNodes(selector) if matches(selector))
            })
            .map(|(index, _)| *index)
            .collect()
    }

    /// The node matchers that match a node of which nothing is known.
    pub(super) fn any_node(&self) -> Vec<u32> {
        self.nodes
            .iter()
            .filter(|(_, matcher)| {
                matches!(matcher, PeerMatch::Nodes(selector) if selector.requirements().is_empty())
            })
            .map(|(index, _)| *index)
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

    /// What a pod's own ports answer to the names: sorted, each once.
    pub(super) fn numbers_of(&self, endpoint: &Endpoint) -> Vec<NameAnswer> {
        let mut answers = BTreeSet::new();
        for own in endpoint.ports.iter().filter_map(|port| port.name.as_deref()) {
            let lower = lower_case(own);
            let from = self.names.partition_point(|(name, _)| **name < *lower);
            let asked = (0..).zip(&self.names).skip(from);
            for (index, (name, protocol)) in asked.take_while(|(_, (name, _))| **name == *lower) {
                answers.extend(
                    named_port::definitions(endpoint, name, *protocol)
                        .map(|port| (index, port.protocol, port.number)),
                );
            }
        }
        answers.into_iter().collect()
    }
}

/// A name in lower case, as names are compared.
fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
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
