//! Selectors, peers and ports as formulas over the symbolic flow.

use ipnet::IpNet;
use ir::peer::{CidrBlock, CidrScope, Entity, PeerMatch, Peers};
use ir::policy::{Action, Direction, Rule};
use ir::port::{PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::{Attribute, Operator, Selector};
use z3::ast::{BV, Bool};

use super::assignment::Class;
use super::flow::{Pod, SymbolicFlow};
use super::terms::{all, any, at_most, constant, is};
use super::vocabulary::{Domain, Vocabulary, canonical};

/// What formulas are made from.
pub(super) struct Matching<'e> {
    pub(super) flow: &'e SymbolicFlow,
    pub(super) vocabulary: &'e Vocabulary,
    /// The cluster's name, the same for every pod and node.
    pub(super) cluster: &'e str,
}

impl Matching<'_> {
    /// Whether the rule's peers and ports match (its policy's subject is asked apart).
    pub(super) fn rule(&self, rule: &Rule) -> Bool {
        // What a question without an answer counts as: see "What is not known" in `ir::evaluator`.
        let doubt = rule.action == Action::Deny;
        let peers = match &rule.peers {
            Peers::Any => constant(true),
            Peers::OneOf(peers) => any(peers.iter().map(|peer| self.peer(&peer.matches, doubt))),
        };
        let ports = match &rule.ports {
            Ports::Any => constant(true),
            Ports::OneOf(ports) => any(ports.iter().map(|port| self.port(&port.matches, rule.direction))),
        };
        all([peers, ports])
    }

    /// Whether a pod selector matches `pod`.
    pub(super) fn pod(&self, selector: &Selector, pod: &Pod) -> Bool {
        all(selector.requirements().iter().map(|requirement| {
            let attribute = canonical(&requirement.attribute);
            match (
                self.vocabulary.pods.get(&attribute),
                pod.attributes.get(&attribute),
            ) {
                (Some(domain), Some(term)) => meets(&requirement.operator, domain, term),
                // `Attribute::Cluster`, the one attribute without a variable.
                _ => constant(requirement.operator.accepts(Some(self.cluster))),
            }
        }))
    }

    fn node(&self, selector: &Selector) -> Bool {
        all(selector.requirements().iter().map(|requirement| {
            let value = match &requirement.attribute {
                Attribute::Label(key) => {
                    match (self.vocabulary.nodes.get(key), self.flow.node_labels.get(key)) {
                        (Some(domain), Some(term)) => return meets(&requirement.operator, domain, term),
                        _ => None,
                    }
                }
                Attribute::Cluster => Some(self.cluster),
                Attribute::Namespace | Attribute::NamespaceLabel(_) | Attribute::ServiceAccount => None,
            };
            constant(requirement.operator.accepts(value))
        }))
    }

    /// Whether the peer is what a rule describes; `doubt` is what a question without an answer counts as.
    pub(super) fn peer(&self, peer: &PeerMatch, doubt: bool) -> Bool {
        let flow = self.flow;
        let class = |class| flow.class_is(class);
        match peer {
            PeerMatch::Endpoints(selector) => all([class(Class::Pod), self.pod(selector, &flow.peer)]),
            PeerMatch::Nodes(selector) => {
                let unknown_matches = doubt || selector.requirements().is_empty();
                any([
                    all([class(Class::Node), self.node(selector)]),
                    all([class(Class::SomeNode), constant(unknown_matches)]),
                ])
            }
            PeerMatch::OtherNodes(selector) => {
                let other = all([flow.own_node_known.clone(), !&flow.own_node]);
                let in_doubt = all([!&flow.own_node_known, constant(doubt)]);
                any([
                    all([class(Class::Node), self.node(selector), any([other, in_doubt])]),
                    all([class(Class::SomeNode), constant(doubt)]),
                ])
            }
            PeerMatch::Cidr(block) => self.block(block),
            PeerMatch::Entity(entity) => self.entity(*entity, doubt),
            PeerMatch::Domain(pattern) => {
                let resolved = flow.resolved.get(pattern).cloned();
                let in_doubt = all([class(Class::Outside), !&flow.domains_known, constant(doubt)]);
                any(resolved.into_iter().chain([in_doubt]))
            }
        }
    }

    fn entity(&self, entity: Entity, doubt: bool) -> Bool {
        let flow = self.flow;
        let outside = || flow.class_is(Class::Outside);
        let node = || any([flow.class_is(Class::Node), flow.class_is(Class::SomeNode)]);
        let in_doubt = || all([!&flow.own_node_known, constant(doubt)]);
        match entity {
            Entity::All => constant(true),
            Entity::World => outside(),
            Entity::WorldIpv4 => all([outside(), !&flow.is_v6]),
            Entity::WorldIpv6 => all([outside(), flow.is_v6.clone()]),
            Entity::Cluster => !outside(),
            Entity::Host => all([node(), any([flow.own_node.clone(), in_doubt()])]),
            Entity::RemoteNode => {
                let known_other = all([flow.own_node_known.clone(), !&flow.own_node]);
                all([node(), any([known_other, in_doubt()])])
            }
            // Where nothing is known of the API server, the evaluator's answer.
            Entity::KubeApiServer => {
                let is_it = flow.api_server.clone().unwrap_or_else(|| constant(doubt));
                all([!flow.class_is(Class::Pod), is_it])
            }
            Entity::Ingress | Entity::Health | Entity::Init | Entity::Unmanaged | Entity::None => {
                constant(false)
            }
        }
    }

    /// An address that is not known lies only in blocks that are a whole family.
    fn block(&self, block: &CidrBlock) -> Bool {
        let flow = self.flow;
        let inside = all([self.net(&block.cidr)]
            .into_iter()
            .chain(block.except.iter().map(|hole| !self.net(hole))));
        let by_address = any([
            all([flow.address_known.clone(), inside]),
            all([!&flow.address_known, constant(block.is_whole_family())]),
        ]);
        match block.scope {
            CidrScope::Everything => by_address,
            CidrScope::OutsideCluster => all([flow.class_is(Class::Outside), by_address]),
        }
    }

    /// Same family and the same leading bits.
    pub(super) fn net(&self, net: &IpNet) -> Bool {
        let (family, term, bits) = match net {
            IpNet::V4(net) => (!&self.flow.is_v6, &self.flow.v4, u128::from(net.addr().to_bits())),
            IpNet::V6(net) => (self.flow.is_v6.clone(), &self.flow.v6, net.addr().to_bits()),
        };
        let (width, prefix) = (u32::from(net.max_prefix_len()), u32::from(net.prefix_len()));
        if prefix == 0 {
            return family;
        }
        let leading = term.extract(width - 1, width - prefix);
        all([
            family,
            leading.eq(super::terms::wide(bits >> (width - prefix), prefix)),
        ])
    }

    pub(super) fn port(&self, port: &PortMatch, direction: Direction) -> Bool {
        let flow = self.flow;
        match port {
            PortMatch::Numbers {
                protocol,
                first,
                last,
            } => all([
                self.protocol(*protocol),
                flow.port.bvuge(u64::from(*first)),
                at_most(&flow.port, u64::from(*last)),
            ]),
            PortMatch::Name { protocol, name } => {
                let (destination, is_pod) = flow.destination(direction);
                let named = destination.names.get(&name.to_ascii_lowercase()).cloned();
                all([
                    self.protocol(*protocol),
                    is_pod,
                    named.unwrap_or_else(|| constant(false)),
                ])
            }
            PortMatch::Icmp {
                protocol,
                message_type,
            } => all([
                flow.protocol_is(*protocol),
                is(&flow.port, u64::from(*message_type)),
            ]),
        }
    }

    fn protocol(&self, set: ProtocolSet) -> Bool {
        any(Protocol::ALL
            .into_iter()
            .filter(|protocol| set.contains(*protocol))
            .map(|protocol| self.flow.protocol_is(protocol)))
    }
}

fn meets(operator: &Operator, domain: &Domain, term: &BV) -> Bool {
    let one_of = |values: &std::collections::BTreeSet<String>| {
        any(values.iter().map(|value| is(term, domain.code(Some(value)))))
    };
    match operator {
        Operator::In(values) => one_of(values),
        Operator::NotIn(values) => !one_of(values),
        Operator::Exists => !is(term, Domain::ABSENT),
        Operator::DoesNotExist => is(term, Domain::ABSENT),
    }
}
