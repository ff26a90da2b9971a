//! What a slice of the policies can tell apart: for each attribute the values mentioned, and nothing finer.
//!
//! A selector compares an attribute with values that are written down, so all values that nobody wrote down are
//! alike: one code stands for every other value, and one for absence. That makes questions about *all* pods finite
//! without losing any.

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::Cluster;
use ir::peer::{CidrScope, DomainPattern, PeerMatch, Peers};
use ir::policy::{Policy, Rule, Subject};
use ir::port::{PortMatch, Ports};
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Requirement, Selector};

/// The values of one attribute: 0 is absence, 1 to n the mentioned ones in order, n + 1 any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Domain {
    values: Vec<String>,
}

/// What a code of a [`Domain`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Absent,
    Mentioned(&'a str),
    Other,
}

impl Domain {
    pub(crate) const ABSENT: u64 = 0;

    /// The code of a value.
    pub(crate) fn code(&self, value: Option<&str>) -> u64 {
        match value {
            None => Self::ABSENT,
            Some(value) => match self.values.binary_search_by(|known| known.as_str().cmp(value)) {
                Ok(index) => index as u64 + 1,
                Err(_) => self.other(),
            },
        }
    }

    /// The code of every value that nobody mentions; the highest there is.
    pub(crate) fn other(&self) -> u64 {
        self.values.len() as u64 + 1
    }

    /// Bits that hold every code.
    pub(crate) fn bits(&self) -> u32 {
        u64::BITS - self.other().leading_zeros()
    }

    pub(crate) fn value(&self, code: u64) -> Value<'_> {
        match usize::try_from(code) {
            Ok(0) => Value::Absent,
            Ok(code) => self
                .values
                .get(code - 1)
                .map_or(Value::Other, |v| Value::Mentioned(v)),
            Err(_) => Value::Other,
        }
    }

    /// The mentioned values with their codes.
    pub(crate) fn mentioned(&self) -> impl Iterator<Item = (&str, u64)> {
        self.values.iter().map(String::as_str).zip(1..)
    }
}

/// Everything that a slice of the policies mentions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    /// Attributes of pods. Every slice has [`Attribute::Namespace`]; [`Attribute::Cluster`] is a constant, not here.
    pub(crate) pods: BTreeMap<Attribute, Domain>,
    /// Label keys of nodes.
    pub(crate) nodes: BTreeMap<String, Domain>,
    /// Port names, in lower case.
    pub(crate) names: BTreeSet<String>,
    /// DNS patterns.
    pub(crate) patterns: BTreeSet<DomainPattern>,
    /// Whether a pod's or node's own address can matter.
    pub(crate) addresses_matter: bool,
}

/// The attribute under which an attribute is encoded: the API server sets `kubernetes.io/metadata.name` to the
/// namespace's name, so the two are one.
pub(crate) fn canonical(attribute: &Attribute) -> Attribute {
    match attribute {
        Attribute::NamespaceLabel(key) if key == NAMESPACE_NAME_LABEL => Attribute::Namespace,
        other => other.clone(),
    }
}

impl Vocabulary {
    /// What these policies' subjects and these rules mention.
    pub(crate) fn of<'m>(
        policies: impl IntoIterator<Item = &'m Policy>,
        rules: impl IntoIterator<Item = &'m Rule>,
    ) -> Self {
        let mut gathered = Gathered::default();
        gathered.pods.entry(Attribute::Namespace).or_default();
        for policy in policies {
            if let Subject::Endpoints(selector) = &policy.subject {
                gathered.pod_selector(selector);
            }
        }
        for rule in rules {
            gathered.rule(rule);
        }
        let domain = |values: BTreeSet<String>| Domain {
            values: values.into_iter().collect(),
        };
        Self {
            pods: gathered.pods.into_iter().map(|(k, v)| (k, domain(v))).collect(),
            nodes: gathered.nodes.into_iter().map(|(k, v)| (k, domain(v))).collect(),
            ..gathered.rest
        }
    }

    /// The mentioned labels of namespaces.
    pub(crate) fn namespace_labels(&self) -> impl Iterator<Item = (&str, &Domain)> {
        self.pods
            .iter()
            .filter_map(|(attribute, domain)| match attribute {
                Attribute::NamespaceLabel(key) => Some((key.as_str(), domain)),
                _ => None,
            })
    }

    /// The mentioned namespaces that the cluster knows, with their codes.
    pub(crate) fn known_namespaces<'a>(
        &'a self,
        cluster: &'a Cluster,
    ) -> impl Iterator<Item = (&'a str, u64)> {
        self.pods
            .get(&Attribute::Namespace)
            .into_iter()
            .flat_map(Domain::mentioned)
            .filter(|(name, _)| cluster.namespaces().contains_key(*name))
    }
}

#[derive(Default)]
struct Gathered {
    pods: BTreeMap<Attribute, BTreeSet<String>>,
    nodes: BTreeMap<String, BTreeSet<String>>,
    rest: Vocabulary,
}

impl Gathered {
    fn rule(&mut self, rule: &Rule) {
        if let Peers::OneOf(peers) = &rule.peers {
            for peer in peers {
                match &peer.matches {
                    PeerMatch::Endpoints(selector) => self.pod_selector(selector),
                    PeerMatch::Nodes(selector) | PeerMatch::OtherNodes(selector) => {
                        self.node_selector(selector);
                    }
                    PeerMatch::Cidr(block) => {
                        self.rest.addresses_matter |= block.scope == CidrScope::Everything;
                    }
                    PeerMatch::Domain(pattern) => {
                        self.rest.patterns.insert(pattern.clone());
                    }
                    PeerMatch::Entity(_) => {}
                }
            }
        }
        if let Ports::OneOf(ports) = &rule.ports {
            self.rest
                .names
                .extend(ports.iter().filter_map(|port| match &port.matches {
                    PortMatch::Name { name, .. } => Some(name.to_ascii_lowercase()),
                    PortMatch::Numbers { .. } | PortMatch::Icmp { .. } => None,
                }));
        }
    }

    fn pod_selector(&mut self, selector: &Selector) {
        for requirement in selector.requirements() {
            let attribute = canonical(&requirement.attribute);
            if attribute != Attribute::Cluster {
                let values = self.pods.entry(attribute).or_default();
                values.extend(values_of(requirement).cloned());
            }
        }
    }

    fn node_selector(&mut self, selector: &Selector) {
        for requirement in selector.requirements() {
            if let Attribute::Label(key) = &requirement.attribute {
                let values = self.nodes.entry(key.clone()).or_default();
                values.extend(values_of(requirement).cloned());
            }
        }
    }
}

fn values_of(requirement: &Requirement) -> impl Iterator<Item = &String> {
    match &requirement.operator {
        Operator::In(values) | Operator::NotIn(values) => Some(values),
        Operator::Exists | Operator::DoesNotExist => None,
    }
    .into_iter()
    .flatten()
}
