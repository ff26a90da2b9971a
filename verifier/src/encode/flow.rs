//! The symbolic flow: one variable for everything that a policy can ask about, and what is true of every flow.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ir::cluster::Cluster;
use ir::peer::DomainPattern;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::selector::Attribute;
use z3::ast::{BV, Bool};

use super::assignment::Class;
use super::terms::{all, any, at_most, constant, is};
use super::vocabulary::{Domain, Vocabulary};

/// A symbolic pod.
#[derive(Clone)]
pub(super) struct Pod {
    /// A code of its [`Domain`] for each attribute.
    pub(super) attributes: BTreeMap<Attribute, BV>,
    /// For each port name: whether the pod gives it to the flow's protocol and port.
    ///
    /// A flow has one protocol and one port, so this one truth value is all that any rule can ask about a name: the
    /// relation from names to numbers never needs to be written down, and no number is ever shared between pods.
    pub(super) names: BTreeMap<String, Bool>,
}

impl Pod {
    fn new(role: &str, vocabulary: &Vocabulary) -> Self {
        Self {
            attributes: vocabulary
                .pods
                .iter()
                .map(|(attribute, domain)| {
                    let name = match attribute {
                        Attribute::Label(key) => format!("{role}.label.{key}"),
                        Attribute::Namespace => format!("{role}.namespace"),
                        Attribute::NamespaceLabel(key) => format!("{role}.namespace.label.{key}"),
                        Attribute::ServiceAccount => format!("{role}.serviceAccount"),
                        Attribute::Cluster => format!("{role}.cluster"),
                    };
                    (attribute.clone(), BV::new_const(name, domain.bits()))
                })
                .collect(),
            names: vocabulary
                .names
                .iter()
                .map(|name| (name.clone(), Bool::new_const(format!("{role}.names.{name}"))))
                .collect(),
        }
    }
}

/// The variables of one flow between a subject pod and a peer. Which of them is the source depends on the direction
/// that a question is about.
pub(super) struct SymbolicFlow {
    pub(super) subject: Pod,
    /// A [`Class`] code.
    pub(super) class: BV,
    /// Of use where the class is [`Class::Pod`].
    pub(super) peer: Pod,
    /// Of use where the class is [`Class::Node`].
    pub(super) node_labels: BTreeMap<String, BV>,
    /// Whether the peer is the node that runs the subject.
    pub(super) own_node: Bool,
    /// Whether it is known which node runs the subject, or which node the peer is.
    pub(super) own_node_known: Bool,
    /// Whether the peer's address is known.
    pub(super) address_known: Bool,
    /// Whether the peer's address is IPv6 (else IPv4).
    pub(super) is_v6: Bool,
    pub(super) v4: BV,
    pub(super) v6: BV,
    /// Position in [`Protocol::ALL`].
    pub(super) protocol: BV,
    pub(super) port: BV,
    /// Whether the peer's address answers to each DNS pattern.
    pub(super) resolved: BTreeMap<DomainPattern, Bool>,
    /// Whether it is known what DNS names resolve to.
    pub(super) domains_known: Bool,
    /// Whether the peer is the API server; `None` where that is not known.
    pub(super) api_server: Option<Bool>,
}

/// The position of a protocol in [`Protocol::ALL`].
pub(super) fn protocol_code(protocol: Protocol) -> u64 {
    Protocol::ALL
        .iter()
        .position(|one| *one == protocol)
        .map_or(0, |index| index as u64)
}

impl SymbolicFlow {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        Self::between("subject", "peer", vocabulary)
    }

    /// The variables of a flow between a subject and a peer that are called so.
    pub(super) fn between(subject: &str, peer: &str, vocabulary: &Vocabulary) -> Self {
        Self {
            subject: Pod::new(subject, vocabulary),
            class: BV::new_const(format!("{peer}.class"), 2),
            peer: Pod::new(peer, vocabulary),
            node_labels: vocabulary
                .nodes
                .iter()
                .map(|(key, domain)| {
                    let name = format!("node.label.{key}");
                    (key.clone(), BV::new_const(name, domain.bits()))
                })
                .collect(),
            own_node: Bool::new_const("peer.own-node"),
            own_node_known: Bool::new_const("peer.own-node.known"),
            address_known: Bool::new_const("peer.address.known"),
            is_v6: Bool::new_const("peer.address.is-v6"),
            v4: BV::new_const(format!("{peer}.address.v4"), 32),
            v6: BV::new_const(format!("{peer}.address.v6"), 128),
            protocol: BV::new_const("protocol", 3),
            port: BV::new_const("port", 16),
            resolved: vocabulary
                .patterns
                .iter()
                .map(|pattern| {
                    let name = format!("peer.resolved.{}", pattern.0);
                    (pattern.clone(), Bool::new_const(name))
                })
                .collect(),
            domains_known: Bool::new_const("domains.known"),
            api_server: None,
        }
    }

    pub(super) fn class_is(&self, class: Class) -> Bool {
        is(&self.class, class.code())
    }

    pub(super) fn protocol_is(&self, protocol: Protocol) -> Bool {
        is(&self.protocol, protocol_code(protocol))
    }

    /// The pod that receives the flow, and whether it is one at all.
    pub(super) fn destination(&self, direction: Direction) -> (&Pod, Bool) {
        match direction {
            Direction::Ingress => (&self.subject, constant(true)),
            Direction::Egress => (&self.peer, self.class_is(Class::Pod)),
        }
    }

    /// `address` is the peer's.
    pub(super) fn address_is(&self, address: IpAddr) -> Bool {
        match address {
            IpAddr::V4(v4) => all([!&self.is_v6, is(&self.v4, u64::from(v4.to_bits()))]),
            IpAddr::V6(v6) => all([
                self.is_v6.clone(),
                self.v6.eq(super::terms::wide(v6.to_bits(), 128)),
            ]),
        }
    }

    /// What is true of every flow that the evaluator can be asked about, and of every pod that the API server lets
    /// exist: a namespace's name decides the labels of the namespaces that the cluster knows, and two pods of one
    /// namespace see the same labels on it.
    pub(super) fn well_formed(&self, vocabulary: &Vocabulary, cluster: &Cluster) -> Vec<Bool> {
        let mut facts = self.well_formed_ends(vocabulary, cluster);
        let node = self.class_is(Class::Node);
        let some_node = self.class_is(Class::SomeNode);
        let outside = self.class_is(Class::Outside);
        facts.push(self.own_node.implies(all([node, self.own_node_known.clone()])));
        facts.push(some_node.implies(all([!&self.own_node_known, !&self.address_known])));
        facts.push(outside.implies(&self.address_known));
        for resolved in self.resolved.values() {
            facts.push(resolved.implies(all([outside.clone(), self.domains_known.clone()])));
        }
        facts
    }

    /// The part of [`Self::well_formed`] that says nothing of what the peer is.
    pub(super) fn well_formed_ends(&self, vocabulary: &Vocabulary, cluster: &Cluster) -> Vec<Bool> {
        let mut facts = vec![];
        for pod in [&self.subject, &self.peer] {
            for (attribute, term) in &pod.attributes {
                let Some(domain) = vocabulary.pods.get(attribute) else {
                    continue;
                };
                facts.push(at_most(term, domain.other()));
                if matches!(attribute, Attribute::Namespace | Attribute::ServiceAccount) {
                    facts.push(!is(term, Domain::ABSENT));
                }
            }
            let Some(namespace) = pod.attributes.get(&Attribute::Namespace) else {
                continue;
            };
            for (name, code) in vocabulary.known_namespaces(cluster) {
                let labels = cluster.namespaces().get(name);
                let here = is(namespace, code);
                for (key, domain) in vocabulary.namespace_labels() {
                    if let Some(term) = pod.attributes.get(&Attribute::NamespaceLabel(key.to_owned())) {
                        let value = labels.and_then(|labels| labels.get(key)).map(String::as_str);
                        facts.push(here.implies(is(term, domain.code(value))));
                    }
                }
            }
            let numbered = any(Protocol::TRANSPORT.map(|protocol| self.protocol_is(protocol)));
            facts.extend(pod.names.values().map(|name| name.implies(&numbered)));
        }
        facts.extend(self.same_namespace_same_labels(vocabulary));
        for (key, term) in &self.node_labels {
            if let Some(domain) = vocabulary.nodes.get(key) {
                facts.push(at_most(term, domain.other()));
            }
        }
        let protocols = Protocol::ALL.len() as u64;
        facts.push(at_most(&self.protocol, protocols - 1));
        for protocol in Protocol::ALL {
            if protocol.highest_port() < u16::MAX {
                let fits = at_most(&self.port, u64::from(protocol.highest_port()));
                facts.push(self.protocol_is(protocol).implies(fits));
            }
        }
        facts
    }

    fn same_namespace_same_labels(&self, vocabulary: &Vocabulary) -> Option<Bool> {
        let subject = self.subject.attributes.get(&Attribute::Namespace)?;
        let peer = self.peer.attributes.get(&Attribute::Namespace)?;
        let other = vocabulary.pods.get(&Attribute::Namespace)?.other();
        let same = all([subject.eq(peer), !is(subject, other)]);
        let labels = vocabulary.namespace_labels().filter_map(|(key, _)| {
            let key = Attribute::NamespaceLabel(key.to_owned());
            Some(
                self.subject
                    .attributes
                    .get(&key)?
                    .eq(self.peer.attributes.get(&key)?),
            )
        });
        Some(same.implies(all(labels)))
    }

    /// What is true of every packet on a wire, beyond [`Self::well_formed`]: everything has an address and an own
    /// node, names resolve to something, and ICMP belongs to IPv4 as ICMPv6 does to IPv6.
    pub(super) fn real(&self) -> Vec<Bool> {
        vec![
            !self.class_is(Class::SomeNode),
            self.address_known.clone(),
            self.own_node_known.clone(),
            self.domains_known.clone(),
            self.protocol_is(Protocol::Icmp).implies(!&self.is_v6),
            self.protocol_is(Protocol::Icmpv6).implies(&self.is_v6),
        ]
    }
}
