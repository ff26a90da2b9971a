//! The reference evaluator: what the policies mean, for one flow at a time.
//!
//! This file is the specification, executable. It is slow and short on purpose: it looks at every policy and every
//! rule for every question and keeps nothing between questions. It shares the vocabulary with the rest of the crate
//! and nothing else: selectors, address blocks and port names are matched here, by hand, so that a mistake in the
//! fast path cannot hide in both.
//!
//! # What a verdict is made of
//!
//! A flow is allowed when the source's egress and the destination's ingress both allow it ([`evaluate`]). One side
//! is decided in this order ([`decide`]); the first line that applies decides:
//!
//! 1. A node, a host-network pod or an address outside has no policy of its own: allowed.
//! 2. A pod reaches itself: allowed. Its own node's host reaches it: allowed.
//! 3. Admin tier: the matching rule with the lowest (priority, order) allows or denies; `pass` skips to 4.
//! 4. Namespaced tier, unordered: any matching deny denies; else any matching allow allows; else, if a policy in
//!    force asks for default deny, denied.
//! 5. Baseline tier, asked only when 4 decided nothing: the matching rule with the lowest (priority, order).
//! 6. Allowed.
//!
//! # What is not known
//!
//! Manifests do not say everything: which node runs a host-network pod, or what a DNS name resolves to. A question
//! that cannot be answered counts as *no* for an allow (or pass) and as *yes* for a deny, so that a gap in what is
//! known never opens anything. Such questions are: whether [`Party::SomeNode`], or any node when the subject's own
//! is unknown, is the subject's host or a remote node; whether `SomeNode` has a label; whether an outside address is
//! one of a domain's; whether a node or an outside address is the API server. One case is settled otherwise: a party whose address is not known matches an address block
//! only when the block is a whole family without holes.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::cluster::{Cluster, ContainerPort, ContainerRole, Endpoint, EndpointId, NodeId};
use crate::flow::{Because, Decision, Flow, Judgement, Party};
use crate::model::Model;
use crate::peer::{CidrBlock, CidrScope, Entity, PeerMatch, Peers};
use crate::policy::{Action, Direction, PolicyId, Rule, RuleId, Subject, Tier};
use crate::port::{PortMatch, Ports, Protocol};
use crate::selector::{Operator, Selector};

/// Judges a whole flow: the source's egress and the destination's ingress, each by itself.
///
/// Replies of an allowed flow, and ICMP errors related to it, are allowed with it and are not asked about here.
#[must_use]
pub fn evaluate(model: &Model, flow: &Flow) -> Judgement {
    let side = |subject, direction, peer| match subject {
        Party::Endpoint { id, .. } => decide(model, id, direction, peer, flow.protocol, flow.port),
        Party::Node { .. } | Party::SomeNode | Party::Outside(_) => allowed(Because::NotAnEndpoint),
    };
    Judgement {
        egress: side(flow.source, Direction::Egress, flow.destination),
        ingress: side(flow.destination, Direction::Ingress, flow.source),
    }
}

/// Decides one side of a flow: that of `endpoint`, which receives it from `peer` ([`Direction::Ingress`]) or sends
/// it to `peer` ([`Direction::Egress`]) on destination port `port`.
#[must_use]
pub fn decide(
    model: &Model,
    endpoint: EndpointId,
    direction: Direction,
    peer: Party,
    protocol: Protocol,
    port: u16,
) -> Decision {
    let cluster = &model.cluster;
    let Some(subject) = cluster.endpoint(endpoint).filter(|pod| !pod.host_network) else {
        return allowed(Because::NotAnEndpoint);
    };
    let question = Question {
        cluster,
        subject,
        direction,
        peer: as_policies_see(cluster, peer),
        protocol,
        port,
    };

    if matches!(peer, Party::Endpoint { id, .. } if id == endpoint) {
        return allowed(Because::Loopback);
    }
    if direction == Direction::Ingress && question.peer_is_own_node() == Some(true) {
        return allowed(Because::OwnHost);
    }

    let in_force: Vec<_> = model
        .policy_ids()
        .filter(|(_, policy)| policy.applies.has(direction))
        .filter(|(_, policy)| match &policy.subject {
            Subject::Endpoints(selector) => selects_pod(cluster, selector, subject),
            Subject::Nodes(_) => false,
        })
        .collect();
    let matching: Vec<_> = in_force
        .iter()
        .flat_map(|(id, _)| model.rule_ids(*id))
        .filter(|(_, rule)| question.matches(rule))
        .collect();

    match first_of(Tier::Admin, &matching) {
        Some((id, Action::Allow)) => return allowed(Because::Rules(vec![id])),
        Some((id, Action::Deny)) => return denied(Because::Rules(vec![id])),
        Some((_, Action::Pass)) | None => {}
    }

    let denies = namespaced(Action::Deny, &matching);
    if !denies.is_empty() {
        return denied(Because::Rules(denies));
    }
    let allows = namespaced(Action::Allow, &matching);
    if !allows.is_empty() {
        return allowed(Because::Rules(allows));
    }
    let isolating: Vec<PolicyId> = in_force
        .iter()
        .filter(|(_, policy)| policy.default_deny.has(direction))
        .map(|(id, _)| *id)
        .collect();
    if !isolating.is_empty() {
        return denied(Because::DefaultDeny(isolating));
    }

    match first_of(Tier::Baseline, &matching) {
        Some((id, Action::Allow)) => allowed(Because::Rules(vec![id])),
        Some((id, Action::Deny)) => denied(Because::Rules(vec![id])),
        Some((_, Action::Pass)) | None => allowed(Because::Unrestricted),
    }
}

fn allowed(because: Because) -> Decision {
    Decision {
        allowed: true,
        because,
    }
}

fn denied(because: Because) -> Decision {
    Decision {
        allowed: false,
        because,
    }
}

/// The rule of an ordered tier that decides: lowest priority, then lowest order, then (the API leaves policies of
/// equal priority unordered, and a verdict must not depend on chance) lowest id.
fn first_of(tier: Tier, matching: &[(RuleId, &Rule)]) -> Option<(RuleId, Action)> {
    matching
        .iter()
        .filter(|(_, rule)| rule.rank.tier == tier)
        .min_by_key(|(id, rule)| (rule.rank.priority, rule.rank.order, *id))
        .map(|(id, rule)| (*id, rule.action))
}

/// The matching rules of the unordered tier with this action, by ascending id.
fn namespaced(action: Action, matching: &[(RuleId, &Rule)]) -> Vec<RuleId> {
    let mut ids: Vec<_> = matching
        .iter()
        .filter(|(_, rule)| rule.rank.tier == Tier::Namespaced && rule.action == action)
        .map(|(id, _)| *id)
        .collect();
    ids.sort();
    ids
}

/// A host-network pod is its node, as far as policies can see.
fn as_policies_see(cluster: &Cluster, party: Party) -> Party {
    let Party::Endpoint { id, address } = party else {
        return party;
    };
    let Some(pod) = cluster.endpoint(id).filter(|pod| pod.host_network) else {
        return party;
    };
    match pod.node.as_deref().and_then(|name| cluster.node_named(name)) {
        Some(id) => Party::Node { id, address },
        None => Party::SomeNode,
    }
}

/// One side's question to the rules: may `subject` exchange this flow with `peer`?
struct Question<'a> {
    cluster: &'a Cluster,
    subject: &'a Endpoint,
    direction: Direction,
    peer: Party,
    protocol: Protocol,
    port: u16,
}

impl Question<'_> {
    fn matches(&self, rule: &Rule) -> bool {
        // What an unanswerable question counts as (see the module's "What is not known").
        let doubt = rule.action == Action::Deny;
        rule.direction == self.direction
            && match &rule.peers {
                Peers::Any => true,
                Peers::OneOf(peers) => peers.iter().any(|peer| self.peer_is(&peer.matches, doubt)),
            }
            && match &rule.ports {
                Ports::Any => true,
                Ports::OneOf(ports) => ports.iter().any(|port| self.port_is(&port.matches)),
            }
    }

    fn peer_is(&self, described: &PeerMatch, doubt: bool) -> bool {
        match described {
            PeerMatch::Endpoints(selector) => match self.peer {
                Party::Endpoint { id, .. } => self
                    .cluster
                    .endpoint(id)
                    .is_some_and(|pod| selects_pod(self.cluster, selector, pod)),
                Party::Node { .. } | Party::SomeNode | Party::Outside(_) => false,
            },
            PeerMatch::Nodes(selector) => match self.peer {
                Party::Node { id, .. } => selects_node(self.cluster, selector, id),
                Party::SomeNode => selector.requirements().is_empty() || doubt,
                Party::Endpoint { .. } | Party::Outside(_) => false,
            },
            PeerMatch::OtherNodes(selector) => match self.peer {
                Party::Node { id, .. } => {
                    selects_node(self.cluster, selector, id)
                        && self.peer_is_own_node().map_or(doubt, |own| !own)
                }
                Party::SomeNode => doubt,
                Party::Endpoint { .. } | Party::Outside(_) => false,
            },
            PeerMatch::Cidr(block) => self.peer_is_in(block),
            PeerMatch::Entity(entity) => self.peer_belongs_to(*entity, doubt),
            PeerMatch::Domain(_) => matches!(self.peer, Party::Outside(_)) && doubt,
        }
    }

    fn peer_is_in(&self, block: &CidrBlock) -> bool {
        let spoken_of = match block.scope {
            CidrScope::Everything => true,
            CidrScope::OutsideCluster => matches!(self.peer, Party::Outside(_)),
        };
        spoken_of
            && match self.peer.address() {
                Some(address) => {
                    covers(block.cidr, address) && !block.except.iter().any(|hole| covers(*hole, address))
                }
                None => block.cidr.prefix_len() == 0 && block.except.is_empty(),
            }
    }

    fn peer_belongs_to(&self, entity: Entity, doubt: bool) -> bool {
        match entity {
            Entity::All => true,
            Entity::World => matches!(self.peer, Party::Outside(_)),
            Entity::WorldIpv4 => matches!(self.peer, Party::Outside(IpAddr::V4(_))),
            Entity::WorldIpv6 => matches!(self.peer, Party::Outside(IpAddr::V6(_))),
            Entity::Cluster => !matches!(self.peer, Party::Outside(_)),
            Entity::Host => self.peer_is_node() && self.peer_is_own_node().unwrap_or(doubt),
            Entity::RemoteNode => self.peer_is_node() && self.peer_is_own_node().map_or(doubt, |own| !own),
            Entity::KubeApiServer => !matches!(self.peer, Party::Endpoint { .. }) && doubt,
            Entity::Ingress | Entity::Health | Entity::Init | Entity::Unmanaged | Entity::None => false,
        }
    }

    fn peer_is_node(&self) -> bool {
        matches!(self.peer, Party::Node { .. } | Party::SomeNode)
    }

    /// Whether the peer is the node that runs the subject; `None` when that is not known.
    fn peer_is_own_node(&self) -> Option<bool> {
        match self.peer {
            Party::Node { id, .. } => {
                let own = self.subject.node.as_deref()?;
                Some(self.cluster.node(id).is_some_and(|node| node.name == own))
            }
            Party::SomeNode => None,
            Party::Endpoint { .. } | Party::Outside(_) => Some(false),
        }
    }

    fn port_is(&self, described: &PortMatch) -> bool {
        match described {
            PortMatch::Numbers {
                protocol,
                first,
                last,
            } => protocol.contains(self.protocol) && *first <= self.port && self.port <= *last,
            PortMatch::Name { protocol, name } => {
                protocol.contains(self.protocol)
                    && self.destination_ports().iter().any(|port| {
                        port.role != ContainerRole::Init
                            && port.protocol == self.protocol
                            && port.number == self.port
                            && port
                                .name
                                .as_deref()
                                .is_some_and(|own| own.eq_ignore_ascii_case(name))
                    })
            }
            PortMatch::Icmp {
                protocol,
                message_type,
            } => *protocol == self.protocol && u16::from(*message_type) == self.port,
        }
    }

    /// The container ports that a name can stand for: the destination's own, and none where it is not a pod.
    fn destination_ports(&self) -> &[ContainerPort] {
        match (self.direction, self.peer) {
            (Direction::Ingress, _) => &self.subject.ports,
            (Direction::Egress, Party::Endpoint { id, .. }) => {
                self.cluster.endpoint(id).map_or(&[], |pod| &pod.ports)
            }
            (Direction::Egress, Party::Node { .. } | Party::SomeNode | Party::Outside(_)) => &[],
        }
    }
}

/// Whether a selector matches a pod. Pods on the host network never get here: [`decide`] turns them away as subjects,
/// [`as_policies_see`] turns them into nodes as peers.
fn selects_pod(cluster: &Cluster, selector: &Selector, pod: &Endpoint) -> bool {
    selector
        .requirements()
        .iter()
        .all(|asked| meets(cluster.attribute(pod, &asked.attribute), &asked.operator))
}

/// Whether a selector matches a node.
fn selects_node(cluster: &Cluster, selector: &Selector, id: NodeId) -> bool {
    cluster.node(id).is_some_and(|node| {
        selector
            .requirements()
            .iter()
            .all(|asked| meets(cluster.node_attribute(node, &asked.attribute), &asked.operator))
    })
}

/// Whether a value, or its absence, is what a requirement asks for. `NotIn` also matches where the key is absent
/// (Kubernetes, `LabelSelectorRequirement`).
fn meets(value: Option<&str>, asked: &Operator) -> bool {
    match (asked, value) {
        (Operator::In(values), Some(value)) => values.iter().any(|one| one == value),
        (Operator::In(_), None) => false,
        (Operator::NotIn(values), Some(value)) => values.iter().all(|one| one != value),
        (Operator::NotIn(_), None) => true,
        (Operator::Exists, value) => value.is_some(),
        (Operator::DoesNotExist, value) => value.is_none(),
    }
}

/// Whether a block holds an address: same family, and the same leading bits.
fn covers(block: IpNet, address: IpAddr) -> bool {
    fn leading(bits: u128, width: u32, prefix: u8) -> u128 {
        bits.checked_shr(width.saturating_sub(u32::from(prefix)))
            .unwrap_or(0)
    }
    match (block.addr(), address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            let bits = |a: std::net::Ipv4Addr| leading(u128::from(a.to_bits()), 32, block.prefix_len());
            bits(base) == bits(address)
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            let bits = |a: std::net::Ipv6Addr| leading(a.to_bits(), 128, block.prefix_len());
            bits(base) == bits(address)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests;
