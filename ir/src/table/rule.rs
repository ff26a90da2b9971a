//! A rule in force on a subject, with its peers and names resolved.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::Matching;
use crate::cluster::Endpoint;
use crate::identity::{Identities, OwnNode, Viewpoint};
use crate::named_port;
use crate::policy::{Action, Direction, Rank, Rule, RuleId};
use crate::port::{PortMatch, Ports, Protocol};

/// What a rule matches on the ports of one atom: all of its peers, or those that give these numbers to its names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Contribution {
    /// All of its peers.
    Whole,
    /// The peers behind these entries of [`RuleInForce::named`].
    Named(Vec<usize>),
}

/// A rule in force on the subject, with its names resolved.
pub(super) struct RuleInForce {
    pub(super) id: RuleId,
    pub(super) rank: Rank,
    action: Action,
    /// The identities its peer entries match.
    pub(super) peers: Arc<RoaringBitmap>,
    /// Whether it matches every protocol and port.
    pub(super) any_port: bool,
    /// Ports on which it matches all of its peers: protocol, lowest, highest.
    pub(super) ranges: Vec<(Protocol, u16, u16)>,
    /// Numbers on which it matches some of its peers.
    pub(super) named: Vec<(Protocol, u16, Arc<RoaringBitmap>)>,
}

impl RuleInForce {
    pub(super) fn new(
        id: RuleId,
        rule: &Rule,
        identities: &Identities,
        subject: &Endpoint,
        own_node: OwnNode,
    ) -> Self {
        let viewpoint = Viewpoint {
            own_node,
            doubt: rule.action == Action::Deny,
        };
        let peers = identities.matching(&rule.peers, viewpoint);
        let mut ranges = Vec::new();
        let mut named = Vec::new();
        let ports = match &rule.ports {
            Ports::Any => &[][..],
            Ports::OneOf(ports) => ports,
        };
        for port in ports {
            match &port.matches {
                PortMatch::Numbers {
                    protocol,
                    first,
                    last,
                } => ranges.extend(
                    Protocol::TRANSPORT
                        .into_iter()
                        .filter(|one| protocol.contains(*one))
                        .map(|one| (one, *first, *last)),
                ),
                PortMatch::Icmp {
                    protocol,
                    message_type,
                } => {
                    ranges.push((*protocol, u16::from(*message_type), u16::from(*message_type)));
                }
                PortMatch::Name { protocol, name } => match rule.direction {
                    Direction::Ingress => ranges.extend(
                        named_port::definitions(subject, name, *protocol)
                            .map(|port| (port.protocol, port.number, port.number)),
                    ),
                    Direction::Egress => named.extend(
                        identities
                            .numbers(name, *protocol)
                            .into_iter()
                            .flatten()
                            .map(|((protocol, number), with)| (*protocol, *number, Arc::new(with & &peers)))
                            .filter(|(_, _, with)| !with.is_empty()),
                    ),
                },
            }
        }
        Self {
            id,
            rank: rule.rank,
            action: rule.action,
            peers: Arc::new(peers),
            any_port: rule.ports == Ports::Any,
            ranges,
            named,
        }
    }

    pub(super) fn matching(&self, contribution: &Contribution) -> Matching {
        let identities = match contribution {
            Contribution::Whole => Arc::clone(&self.peers),
            Contribution::Named(entries) => {
                let mut union = RoaringBitmap::new();
                for (_, _, with) in entries.iter().filter_map(|entry| self.named.get(*entry)) {
                    union |= &**with;
                }
                Arc::new(union)
            }
        };
        Matching {
            rule: self.id,
            rank: self.rank,
            action: self.action,
            identities,
        }
    }
}
