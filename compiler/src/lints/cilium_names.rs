//! Port names as Cilium keeps them, up to 1.19: one map from name to numbers for the whole cluster.
//!
//! Source: `NamedPortMap` and `NamedPortMultiMap` in `pkg/types/portmap.go`, `GetPodMetadata` in `pkg/k8s`. Of each pod
//! the containers of `spec.containers` count and no init container, sidecar or not; of two definitions of one name the
//! last one stands. At ingress a rule looks in the map of its own pod. At egress it looks in the map of the cluster: a
//! name that nobody defines with the protocol, or several numbers behind one, makes it skip the entry; one number is
//! the entry's port towards *every* peer of the rule, whatever that peer calls its ports. Cilium 1.20 keeps the numbers
//! apart by the peer's identity, and reads pods in the same way; the port names are part of the identity of pods that are
//! made after the upgrade (cilium/cilium#44429, #45760).

use ir::cluster::{ContainerPort, ContainerRole, Endpoint, EndpointId};
use ir::model::Model;
use ir::policy::{Action, PolicyKind};
use ir::port::{Protocol, ProtocolSet};
use std::collections::BTreeMap;

/// The numbers behind each name, with the first pod that has each.
#[derive(Clone, Debug, Default)]
pub struct CiliumNames {
    by_name: BTreeMap<String, BTreeMap<(Protocol, u16), EndpointId>>,
}

/// What Cilium up to 1.19 makes of a name in an egress rule, under one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nobody defines it: the entry is skipped.
    Unknown,
    /// The number that is used towards every peer.
    One(u16),
    /// Several numbers: the entry is skipped.
    Ambiguous(Vec<u16>),
}

impl CiliumNames {
    /// The names of a cluster.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let mut names = Self::default();
        for (id, endpoint) in model.cluster.endpoint_ids() {
            if endpoint.host_network {
                continue;
            }
            for (name, port) in own(endpoint) {
                let numbers = names.by_name.entry(name).or_default();
                numbers.entry((port.protocol, port.number)).or_insert(id);
            }
        }
        names
    }

    /// The numbers of a name under one protocol, each with the first pod that has it.
    pub fn numbers(&self, name: &str, protocol: Protocol) -> impl Iterator<Item = (u16, EndpointId)> {
        let numbers = self.by_name.get(&name.to_ascii_lowercase());
        numbers
            .into_iter()
            .flatten()
            .filter(move |((own, _), _)| *own == protocol)
            .map(|((_, number), id)| (*number, *id))
    }

    /// What an egress rule's name means.
    #[must_use]
    pub fn meaning(&self, name: &str, protocol: Protocol) -> Meaning {
        let mut numbers: Vec<_> = self.numbers(name, protocol).map(|(number, _)| number).collect();
        match (numbers.pop(), numbers.is_empty()) {
            (None, _) => Meaning::Unknown,
            (Some(number), true) => Meaning::One(number),
            (Some(last), false) => {
                numbers.push(last);
                Meaning::Ambiguous(numbers)
            }
        }
    }

    /// What an egress rule with this entry does, as a clause.
    #[must_use]
    pub fn egress(&self, name: &str, protocols: ProtocolSet, action: Action) -> String {
        let mut clauses = Vec::new();
        for protocol in transport(protocols) {
            match self.meaning(name, protocol) {
                Meaning::Unknown => {}
                Meaning::One(number) => clauses.push(format!(
                    "{} {number}/{protocol} on every peer of the rule, whatever the peer calls it",
                    verb(action)
                )),
                Meaning::Ambiguous(numbers) => clauses.push(format!(
                    "skips it, because `{name}` is {} somewhere in the cluster; nothing is {}",
                    and(numbers.iter().map(|number| format!("{number}/{protocol}"))),
                    participle(action)
                )),
            }
        }
        if clauses.is_empty() {
            let with = match protocols {
                ProtocolSet::One(protocol) => format!(" with {protocol}"),
                ProtocolSet::AnyTransport => String::new(),
            };
            return format!(
                "skips it, because nobody defines the name{with}; nothing is {}",
                participle(action)
            );
        }
        clauses.join("; ")
    }
}

/// A pod's names in lower case, each with the definition that stands.
#[must_use]
pub fn own(endpoint: &Endpoint) -> BTreeMap<String, &ContainerPort> {
    let known = endpoint.ports.iter().filter(|port| counts(port));
    known
        .filter_map(|port| Some((port.name.as_ref()?.to_ascii_lowercase(), port)))
        .collect()
}

/// Of definitions of one name in a pod, the one that stands.
#[must_use]
pub fn kept<'m>(ports: &[&'m ContainerPort]) -> Option<&'m ContainerPort> {
    ports.iter().rev().find(|port| counts(port)).copied()
}

/// Whether a port is one of those that Cilium looks at.
fn counts(port: &ContainerPort) -> bool {
    port.role == ContainerRole::Main
}

/// Whether Cilium up to 1.19 enforces policies of this kind.
#[must_use]
pub fn enforces(kind: PolicyKind) -> bool {
    matches!(
        kind,
        PolicyKind::NetworkPolicy
            | PolicyKind::CiliumNetworkPolicy
            | PolicyKind::CiliumClusterwideNetworkPolicy
    )
}

/// The protocols of a set, one by one.
pub fn transport(protocols: ProtocolSet) -> impl Iterator<Item = Protocol> {
    Protocol::TRANSPORT
        .into_iter()
        .filter(move |protocol| protocols.contains(*protocol))
}

/// `allows`
#[must_use]
pub fn verb(action: Action) -> &'static str {
    match action {
        Action::Allow => "allows",
        Action::Deny => "denies",
        Action::Pass => "passes on",
    }
}

/// `allowed`
#[must_use]
pub fn participle(action: Action) -> &'static str {
    match action {
        Action::Allow => "allowed",
        Action::Deny => "denied",
        Action::Pass => "passed on",
    }
}

/// `a, b and c`
pub fn and(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<_> = words.into_iter().collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_what_the_whole_cluster_says() {
        let model = ir::text::parse(
            "\
endpoint a/one ports http 80/TCP, dns 53/UDP
endpoint a/two ports HTTP 8080/TCP, http 81/TCP, dns 53/TCP
endpoint a/three ports web 3000/TCP
",
        )
        .unwrap();
        let names = CiliumNames::of(&model);
        // The last definition of a pod stands.
        assert_eq!(
            names.meaning("http", Protocol::Tcp),
            Meaning::Ambiguous(vec![80, 81])
        );
        assert_eq!(names.meaning("Web", Protocol::Tcp), Meaning::One(3000));
        assert_eq!(names.meaning("web", Protocol::Udp), Meaning::Unknown);
        assert_eq!(
            names.egress("dns", ProtocolSet::AnyTransport, Action::Allow),
            "allows 53/TCP on every peer of the rule, whatever the peer calls it; \
             allows 53/UDP on every peer of the rule, whatever the peer calls it"
        );
        assert_eq!(
            names.egress("http", ProtocolSet::One(Protocol::Tcp), Action::Deny),
            "skips it, because `http` is 80/TCP and 81/TCP somewhere in the cluster; nothing is denied"
        );
    }
}
