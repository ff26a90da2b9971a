//! What formulas over a whole flow can tell apart, piece by piece: for each thing that can be asked about a flow, the
//! values that some policy treats differently, every one of them as a formula.
//!
//! Sets of flows are described with these: one set of pieces for each thing that is asked about. Both the description
//! of a change and its proof are made of them.

use std::collections::BTreeSet;

use ipnet::IpNet;
use ir::peer::{PeerMatch, Peers};
use ir::policy::Direction;
use ir::port::{PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::Attribute;

use super::assignment::{Class, EndValues, WholeAssignment};
use super::solver::Found;
use super::terms::{all, any, at_most, constant, is, not};
use super::vocabulary::{Domain, Value};
use super::{Encoder, Formula};

/// A thing that can be asked about a flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    /// Protocol and port.
    Ports,
    /// Whether the destination gives the port this name.
    PortName(String),
    /// An attribute of the pod at the source (ingress sees it as its peer) or at the destination.
    Attribute(Direction, Attribute),
    /// The address at one end.
    Address(Direction),
    /// A label of the node.
    NodeLabel(String),
    /// Whether the node is the other end's own.
    OwnNode,
    /// Whether the end that is no pod is the API server.
    ApiServer,
    /// Whether the outside end answers to a DNS name.
    Domain(String),
}

/// One piece of what a thing can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Piece {
    /// Ports of one protocol.
    Ports(Protocol, u16, u16),
    /// It has this value.
    Is(String),
    /// It is absent.
    Absent,
    /// It has a value that nobody mentions.
    Other,
    /// An address block without some blocks inside it.
    Block(IpNet, Vec<IpNet>),
    /// Yes or no.
    Whether(bool),
}

/// A thing that can be asked about, with its pieces; one of them is the witness's.
pub(crate) struct Dimension {
    pub(crate) asked: Asked,
    pub(crate) pieces: Vec<(Piece, Formula)>,
    pub(crate) own: usize,
}

impl Formula {
    /// One of these.
    pub(crate) fn any<'f>(formulas: impl IntoIterator<Item = &'f Self>) -> Self {
        Self(any(formulas.into_iter().map(|formula| formula.0.clone())))
    }
}

impl Encoder<'_> {
    /// Whether some flow meets the formula.
    pub(crate) fn possible(&self, formula: &Formula) -> Found {
        self.session.scoped(|session| {
            session.assert(&formula.0);
            session.check(&[])
        })
    }

    /// What stands at the two ends of a flow: pods, addresses outside, or nodes.
    pub(crate) fn ends_are(&self, source: Class, destination: Class) -> Formula {
        Formula(all([
            self.view(Direction::Ingress).class_is(source),
            self.view(Direction::Egress).class_is(destination),
        ]))
    }

    /// Everything that can be asked about flows between ends of these classes, in the order in which a description is
    /// widened: what is left out first reads best.
    pub(crate) fn dimensions(&self, values: &WholeAssignment) -> Vec<Dimension> {
        let mut found = vec![self.ports(values)];
        for (name, term) in &self.view(Direction::Egress).peer.names {
            if values.destination.class == Class::Pod {
                let own = values.destination.pod.names.contains(name);
                found.push(yes_or_no(Asked::PortName(name.clone()), term, own));
            }
        }
        // The source is the peer of the destination's side.
        for (side, end) in [
            (Direction::Ingress, &values.source),
            (Direction::Egress, &values.destination),
        ] {
            found.extend(self.of_end(side, end, values));
        }
        found
    }

    fn of_end(&self, side: Direction, end: &EndValues, values: &WholeAssignment) -> Vec<Dimension> {
        let view = self.view(side);
        let mut found = vec![];
        match end.class {
            Class::Pod => {
                for (attribute, term) in &view.peer.attributes {
                    let Some(domain) = self.vocabulary.pods.get(attribute) else {
                        continue;
                    };
                    let own = end
                        .pod
                        .attributes
                        .get(attribute)
                        .copied()
                        .unwrap_or(Domain::ABSENT);
                    let asked = Asked::Attribute(side, attribute.clone());
                    found.push(of_domain(asked, domain, term, own));
                }
                if self.vocabulary.addresses_matter {
                    found.push(self.addresses(side, end));
                }
            }
            Class::Outside => {
                found.push(self.addresses(side, end));
                for (pattern, term) in &view.resolved {
                    let own = values.packet.resolved.contains(pattern);
                    found.push(yes_or_no(Asked::Domain(pattern.0.clone()), term, own));
                }
            }
            Class::Node | Class::SomeNode => {
                for (key, term) in &view.node_labels {
                    let Some(domain) = self.vocabulary.nodes.get(key) else {
                        continue;
                    };
                    let own = values
                        .packet
                        .node_labels
                        .get(key)
                        .copied()
                        .unwrap_or(Domain::ABSENT);
                    found.push(of_domain(Asked::NodeLabel(key.clone()), domain, term, own));
                }
                found.push(yes_or_no(Asked::OwnNode, &view.own_node, values.packet.own_node));
                if self.vocabulary.addresses_matter {
                    found.push(self.addresses(side, end));
                }
            }
        }
        if let (true, Some(term)) = (end.class != Class::Pod, &view.api_server) {
            found.push(yes_or_no(Asked::ApiServer, term, values.api_server));
        }
        found
    }

    /// For each protocol, the runs of ports between two of which some rule begins or ends.
    fn ports(&self, values: &WholeAssignment) -> Dimension {
        let view = self.view(Direction::Egress);
        let mut pieces = vec![];
        let mut own = 0;
        for protocol in Protocol::ALL {
            let mut starts = BTreeSet::from([0u16]);
            let last = protocol.highest_port();
            for port in self.rules.values().flat_map(|encoded| match &encoded.rule.ports {
                Ports::Any => [].iter(),
                Ports::OneOf(ports) => ports.iter(),
            }) {
                let covered = |set: ProtocolSet| set.contains(protocol);
                let (first, end) = match &port.matches {
                    PortMatch::Numbers {
                        protocol,
                        first,
                        last,
                    } if covered(*protocol) => (*first, *last),
                    PortMatch::Icmp {
                        protocol: of,
                        message_type,
                    } if *of == protocol => (u16::from(*message_type), u16::from(*message_type)),
                    _ => continue,
                };
                starts.insert(first);
                starts.extend(end.checked_add(1).filter(|next| *next <= last));
            }
            let ends = starts.iter().skip(1).map(|next| next - 1).chain([last]);
            for (first, end) in starts.iter().copied().zip(ends) {
                if values.packet.protocol == protocol && (first..=end).contains(&values.packet.port) {
                    own = pieces.len();
                }
                let formula = all([
                    view.protocol_is(protocol),
                    view.port.bvuge(u64::from(first)),
                    at_most(&view.port, u64::from(end)),
                ]);
                pieces.push((Piece::Ports(protocol, first, end), Formula(formula)));
            }
        }
        Dimension {
            asked: Asked::Ports,
            pieces,
            own,
        }
    }

    /// Blocks are inside each other or apart, so each without those inside it, and the rest of each family, are all
    /// that addresses can differ in.
    fn addresses(&self, side: Direction, end: &EndValues) -> Dimension {
        let mut blocks: BTreeSet<IpNet> = BTreeSet::new();
        let whole = ["0.0.0.0/0", "::/0"]
            .iter()
            .filter_map(|net| net.parse::<IpNet>().ok());
        blocks.extend(whole);
        for encoded in self.rules.values() {
            if let Peers::OneOf(peers) = &encoded.rule.peers {
                for peer in peers {
                    if let PeerMatch::Cidr(block) = &peer.matches {
                        blocks.insert(block.cidr);
                        blocks.extend(&block.except);
                    }
                }
            }
        }
        let inside = |outer: &IpNet, inner: &IpNet| outer != inner && outer.contains(inner);
        let mut pieces = vec![];
        let mut own = 0;
        for block in &blocks {
            let below: Vec<IpNet> = blocks
                .iter()
                .copied()
                .filter(|other| inside(block, other))
                .collect();
            let holes: Vec<IpNet> = below
                .iter()
                .copied()
                .filter(|hole| !below.iter().any(|other| inside(other, hole)))
                .collect();
            if block.contains(&end.address) && !holes.iter().any(|hole| hole.contains(&end.address)) {
                own = pieces.len();
            }
            let matching = self.matching(side);
            let formula =
                all(std::iter::once(matching.net(block))
                    .chain(holes.iter().map(|hole| not(&matching.net(hole)))));
            pieces.push((Piece::Block(*block, holes), Formula(formula)));
        }
        Dimension {
            asked: Asked::Address(side),
            pieces,
            own,
        }
    }
}

fn yes_or_no(asked: Asked, term: &z3::ast::Bool, own: bool) -> Dimension {
    Dimension {
        asked,
        pieces: vec![
            (Piece::Whether(false), Formula(not(term))),
            (Piece::Whether(true), Formula(term.clone())),
        ],
        own: usize::from(own),
    }
}

fn of_domain(asked: Asked, domain: &Domain, term: &z3::ast::BV, own: u64) -> Dimension {
    // A pod always has a namespace and a service account.
    let always = matches!(
        asked,
        Asked::Attribute(_, Attribute::Namespace | Attribute::ServiceAccount)
    );
    let mut pieces = vec![];
    let mut index = 0;
    for code in u64::from(always)..=domain.other() {
        if code == own {
            index = pieces.len();
        }
        let piece = match domain.value(code) {
            Value::Absent => Piece::Absent,
            Value::Mentioned(value) => Piece::Is(value.to_owned()),
            Value::Other => Piece::Other,
        };
        pieces.push((piece, Formula(is(term, code))));
    }
    Dimension {
        asked,
        pieces,
        own: index,
    }
}

/// Everything, as a formula.
pub(crate) fn everything() -> Formula {
    Formula(constant(true))
}
