//! The pods of a model as subjects of policies: which of them have equal tables, so that each table is made once.

use std::collections::BTreeSet;

use super::VerdictTable;
use crate::cluster::EndpointId;
use crate::identity::{Identities, OwnNode};
use crate::model::Model;
use crate::named_port;
use crate::peer::{Entity, PeerMatch, Peers};
use crate::policy::{Direction, Policy, PolicyId, Rule};
use crate::port::{PortMatch, Ports, Protocol, ProtocolSet};
use crate::selecting::{ListId, Selecting};

/// What the tables of a model's pods are made from.
#[derive(Clone, Debug)]
pub struct Subjects<'m> {
    model: &'m Model,
    identities: &'m Identities,
    selecting: Selecting,
    /// For each list of policies, whether an egress rule of theirs asks about the subject's own node.
    egress_asks_for_node: Vec<bool>,
    /// The names that ingress rules use, in lower case.
    names: BTreeSet<String>,
}

/// All that a pod's table in one direction depends on: pods of one standing have equal tables.
///
/// Standings of different [`Subjects`] cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Standing {
    direction: Direction,
    list: ListId,
    own_node: OwnNode,
    /// The pod's own numbers behind names that ingress rules use, sorted.
    numbers: Vec<(String, Protocol, u16)>,
}

impl<'m> Subjects<'m> {
    /// Indexes the policies of `model`.
    #[must_use]
    pub fn new(model: &'m Model, identities: &'m Identities) -> Self {
        let selecting = Selecting::new(model);
        let asks = |policies: &[PolicyId]| {
            let mut policies = policies.iter().filter_map(|id| model.policy(*id));
            policies.any(egress_asks_for_node)
        };
        let egress_asks_for_node = selecting.lists().map(asks).collect();
        let rules = model.policies().iter().flat_map(|policy| &policy.rules);
        let ingress = rules.filter(|rule| rule.direction == Direction::Ingress);
        Self {
            model,
            identities,
            selecting,
            egress_asks_for_node,
            names: ingress.flat_map(names).collect(),
        }
    }

    /// What the pod's table depends on.
    #[must_use]
    pub fn standing(&self, subject: EndpointId, direction: Direction) -> Standing {
        let endpoint = self.model.cluster.endpoint(subject);
        let list = self.selecting.list(subject);
        let mut standing = Standing {
            direction,
            list,
            own_node: OwnNode::Unknown,
            numbers: Vec::new(),
        };
        let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.host_network) else {
            return standing;
        };
        let asks_for_node = match direction {
            Direction::Ingress => true,
            Direction::Egress => self.egress_asks_for_node.get(list.place()) == Some(&true),
        };
        if asks_for_node {
            standing.own_node = OwnNode::of(endpoint, &self.model.cluster);
        }
        if direction == Direction::Ingress {
            let numbers: BTreeSet<_> = endpoint
                .ports
                .iter()
                .filter_map(|port| port.name.as_deref())
                .map(str::to_ascii_lowercase)
                .filter(|name| self.names.contains(name))
                .flat_map(|name| {
                    named_port::definitions(endpoint, &name, ProtocolSet::AnyTransport)
                        .map(|port| (name.clone(), port.protocol, port.number))
                        .collect::<Vec<_>>()
                })
                .collect();
            standing.numbers = numbers.into_iter().collect();
        }
        standing
    }

    /// The pod's table.
    #[must_use]
    pub fn table(&self, subject: EndpointId, direction: Direction) -> VerdictTable {
        let selecting = self.selecting.policies(self.selecting.list(subject));
        let selecting = selecting.iter().copied();
        VerdictTable::of_policies(self.model, self.identities, subject, direction, selecting)
    }
}

/// Whether an egress rule of the policy has a peer that depends on which node the subject is on.
fn egress_asks_for_node(policy: &Policy) -> bool {
    let asks = |matches: &PeerMatch| {
        matches!(
            matches,
            PeerMatch::OtherNodes(_) | PeerMatch::Entity(Entity::Host | Entity::RemoteNode)
        )
    };
    policy
        .rules
        .iter()
        .filter(|rule| rule.direction == Direction::Egress)
        .any(|rule| match &rule.peers {
            Peers::Any => false,
            Peers::OneOf(peers) => peers.iter().any(|peer| asks(&peer.matches)),
        })
}

/// The port names that a rule uses, in lower case.
fn names(rule: &Rule) -> impl Iterator<Item = String> {
    let ports = match &rule.ports {
        Ports::Any => &[][..],
        Ports::OneOf(ports) => ports,
    };
    ports.iter().filter_map(|port| match &port.matches {
        PortMatch::Name { name, .. } => Some(name.to_ascii_lowercase()),
        PortMatch::Numbers { .. } | PortMatch::Icmp { .. } => None,
    })
}
