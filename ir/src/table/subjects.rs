//! The pods of a model as subjects of policies: which policies select them, and which of them have equal tables.
//!
//! Policies are found by the pod's labels through an index, not by asking each of them, and a table is made once for
//! all pods that nothing tells apart.

use std::collections::{BTreeSet, HashMap};

use super::VerdictTable;
use crate::cluster::EndpointId;
use crate::identity::{Identities, OwnNode};
use crate::label_index::{self, LabelIndex};
use crate::model::Model;
use crate::named_port;
use crate::peer::{Entity, PeerMatch, Peers};
use crate::policy::{Direction, Policy, PolicyId, Rule, Subject};
use crate::port::{PortMatch, Ports, Protocol, ProtocolSet};

/// What the tables of a model's pods are made from.
#[derive(Clone, Debug)]
pub struct Subjects<'m> {
    model: &'m Model,
    identities: &'m Identities,
    labels: LabelIndex,
    /// For each profile of labels, its list.
    list_of: Vec<u32>,
    /// Lists of policies that select some pod together, ascending, each once; the first is empty.
    lists: Vec<Selecting>,
    /// The names that ingress rules use, in lower case.
    names: BTreeSet<String>,
}

/// Policies that select a pod.
#[derive(Clone, Debug, Default)]
struct Selecting {
    policies: Vec<PolicyId>,
    /// Whether an egress rule of theirs asks about the subject's own node.
    egress_asks_for_node: bool,
}

/// All that a pod's table in one direction depends on: pods of one standing have equal tables.
///
/// Standings of different [`Subjects`] cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Standing {
    direction: Direction,
    list: u32,
    own_node: OwnNode,
    /// The pod's own numbers behind names that ingress rules use, sorted.
    numbers: Vec<(String, Protocol, u16)>,
}

impl<'m> Subjects<'m> {
    /// Indexes the policies of `model`.
    #[must_use]
    pub fn new(model: &'m Model, identities: &'m Identities) -> Self {
        let selectors = || {
            model
                .policy_ids()
                .filter_map(|(id, policy)| match &policy.subject {
                    Subject::Endpoints(selector) => Some((id.0, selector)),
                    Subject::Nodes(_) => None,
                })
        };
        let labels = LabelIndex::new(&model.cluster, selectors().map(|(_, selector)| selector));
        let by_profile = label_index::transposed(
            &labels,
            selectors().map(|(id, selector)| (id, labels.select(selector))),
        );
        let mut lists = vec![Selecting::default()];
        let mut known: HashMap<Vec<u32>, u32> = HashMap::from([(Vec::new(), 0)]);
        let mut list_of = Vec::with_capacity(by_profile.len());
        for selecting in by_profile {
            let next = u32::try_from(lists.len()).unwrap_or(u32::MAX);
            let list = *known.entry(selecting).or_insert_with_key(|selecting| {
                let policies: Vec<_> = selecting.iter().copied().map(PolicyId).collect();
                lists.push(Selecting {
                    egress_asks_for_node: policies
                        .iter()
                        .filter_map(|id| model.policy(*id))
                        .any(egress_asks_for_node),
                    policies,
                });
                next
            });
            list_of.push(list);
        }
        let rules = model.policies().iter().flat_map(|policy| &policy.rules);
        let ingress = rules.filter(|rule| rule.direction == Direction::Ingress);
        Self {
            model,
            identities,
            labels,
            list_of,
            lists,
            names: ingress.flat_map(names).collect(),
        }
    }

    /// The policies that select a pod, ascending; none for a host-network pod.
    #[must_use]
    pub fn selecting(&self, subject: EndpointId) -> &[PolicyId] {
        let list = self.lists.get(self.list(subject) as usize);
        list.map_or(&[], |list| &list.policies)
    }

    /// What the pod's table depends on.
    #[must_use]
    pub fn standing(&self, subject: EndpointId, direction: Direction) -> Standing {
        let endpoint = self.model.cluster.endpoint(subject);
        let list = self.list(subject);
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
            Direction::Egress => self
                .lists
                .get(list as usize)
                .is_some_and(|list| list.egress_asks_for_node),
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
        let selecting = self.selecting(subject).iter().copied();
        VerdictTable::of_policies(self.model, self.identities, subject, direction, selecting)
    }

    fn list(&self, subject: EndpointId) -> u32 {
        self.labels
            .profile(subject)
            .and_then(|profile| self.list_of.get(profile as usize))
            .copied()
            .unwrap_or(0)
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
