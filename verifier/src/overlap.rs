//! Which rules can meet on one flow: exact where structure decides it, "yes" where it does not.
//!
//! A rule that can meet none of the flows of another one has no part in any question about it. Leaving it out keeps
//! each question as small as the corner of the policies that it is about, however many policies there are.

use std::collections::BTreeMap;

use ipnet::IpNet;
use ir::peer::{CidrScope, Entity, PeerMatch, Peers};
use ir::policy::{Policy, Rule, Subject};
use ir::port::{PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::{Attribute, Operator, Selector};

use crate::encode::vocabulary::canonical;

/// Whether some pod can be the subject of both policies.
pub(crate) fn subjects_may_overlap(a: &Policy, b: &Policy) -> bool {
    match (&a.subject, &b.subject) {
        (Subject::Endpoints(a), Subject::Endpoints(b)) => selectors_may_overlap(a, b),
        (Subject::Nodes(_), _) | (_, Subject::Nodes(_)) => false,
    }
}

/// Whether some flow can match both rules, given a subject that both policies select.
pub(crate) fn rules_may_overlap(a: &Rule, b: &Rule) -> bool {
    a.direction == b.direction
        && ports_may_overlap(&a.ports, &b.ports)
        && peers_may_overlap(&a.peers, &b.peers)
}

/// Whether one object can match both: for each attribute by itself, some value or absence that all accept.
pub(crate) fn selectors_may_overlap(a: &Selector, b: &Selector) -> bool {
    let mut asked: BTreeMap<Attribute, Vec<&Operator>> = BTreeMap::new();
    for requirement in a.requirements().iter().chain(b.requirements()) {
        let operators = asked.entry(canonical(&requirement.attribute)).or_default();
        operators.push(&requirement.operator);
    }
    asked.values().all(|operators| satisfiable(operators))
}

fn satisfiable(operators: &[&Operator]) -> bool {
    let accepted = |value: Option<&str>| operators.iter().all(|operator| operator.accepts(value));
    let listed = operators.iter().find_map(|operator| match operator {
        Operator::In(values) => Some(values),
        _ => None,
    });
    match listed {
        // Only a listed value can do.
        Some(values) => values.iter().any(|value| accepted(Some(value))),
        // Without a list, a value that nobody mentions does, or absence. No label value holds a control character.
        None => accepted(Some("\u{0}")) || accepted(None),
    }
}

fn peers_may_overlap(a: &Peers, b: &Peers) -> bool {
    match (a, b) {
        (Peers::OneOf(a), Peers::OneOf(b)) => a
            .iter()
            .any(|a| b.iter().any(|b| peer_may_overlap(&a.matches, &b.matches))),
        (Peers::OneOf(list), Peers::Any) | (Peers::Any, Peers::OneOf(list)) => !list.is_empty(),
        (Peers::Any, Peers::Any) => true,
    }
}

fn peer_may_overlap(a: &PeerMatch, b: &PeerMatch) -> bool {
    use PeerMatch::{Cidr, Domain, Endpoints, Nodes, OtherNodes};
    match (a, b) {
        (PeerMatch::Entity(Entity::None), _) | (_, PeerMatch::Entity(Entity::None)) => false,
        (Endpoints(a), Endpoints(b)) | (Nodes(a) | OtherNodes(a), Nodes(b) | OtherNodes(b)) => {
            selectors_may_overlap(a, b)
        }
        (Endpoints(_), Nodes(_) | OtherNodes(_) | Domain(_))
        | (Nodes(_) | OtherNodes(_) | Domain(_), Endpoints(_)) => false,
        (Nodes(_) | OtherNodes(_), Domain(_)) | (Domain(_), Nodes(_) | OtherNodes(_)) => false,
        // A block of everything also holds pods and nodes whose address is not known.
        (Cidr(a), Cidr(b)) => a.cidr.contains(&b.cidr) || b.cidr.contains(&a.cidr) || unknown_in_both(a, b),
        (Cidr(block), Endpoints(_) | Nodes(_) | OtherNodes(_))
        | (Endpoints(_) | Nodes(_) | OtherNodes(_), Cidr(block)) => block.scope == CidrScope::Everything,
        (Cidr(_), Domain(_)) | (Domain(_), Cidr(_)) | (Domain(_), Domain(_)) => true,
        (PeerMatch::Entity(_), _) | (_, PeerMatch::Entity(_)) => true,
    }
}

fn unknown_in_both(a: &ir::peer::CidrBlock, b: &ir::peer::CidrBlock) -> bool {
    let whole = |net: &IpNet| net.prefix_len() == 0;
    whole(&a.cidr) && whole(&b.cidr)
}

fn ports_may_overlap(a: &Ports, b: &Ports) -> bool {
    match (a, b) {
        (Ports::OneOf(a), Ports::OneOf(b)) => a
            .iter()
            .any(|a| b.iter().any(|b| port_may_overlap(&a.matches, &b.matches))),
        (Ports::OneOf(list), Ports::Any) | (Ports::Any, Ports::OneOf(list)) => !list.is_empty(),
        (Ports::Any, Ports::Any) => true,
    }
}

fn port_may_overlap(a: &PortMatch, b: &PortMatch) -> bool {
    let (a_protocols, a_ports) = extent(a);
    let (b_protocols, b_ports) = extent(b);
    Protocol::ALL
        .into_iter()
        .any(|protocol| a_protocols.contains(protocol) && b_protocols.contains(protocol))
        && a_ports.0 <= b_ports.1
        && b_ports.0 <= a_ports.1
}

/// The protocols, and the lowest and highest port, that an entry can match.
fn extent(port: &PortMatch) -> (ProtocolSet, (u16, u16)) {
    match port {
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => (*protocol, (*first, *last)),
        PortMatch::Name { protocol, .. } => (*protocol, (0, u16::MAX)),
        PortMatch::Icmp {
            protocol,
            message_type,
        } => (
            ProtocolSet::One(*protocol),
            (u16::from(*message_type), u16::from(*message_type)),
        ),
    }
}
