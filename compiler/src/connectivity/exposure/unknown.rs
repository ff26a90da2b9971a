//! Pods that could exist, told by what selectors and address blocks say of them.

use ir::cluster::{Cluster, Endpoint};
use ir::peer::{CidrBlock, CidrScope, Entity, PeerMatch};
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Requirement, Selector};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// All pods that match a selector and have an address in each of some blocks; without either, every pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// What is asked of labels, namespace and service account.
    pub selector: Selector,
    /// Blocks that hold the pod's address.
    pub blocks: BTreeSet<CidrBlock>,
}

impl Unknown {
    /// The pods that an entry of a rule's peers matches; `None` where it matches no pod.
    #[must_use]
    pub fn of(matches: &PeerMatch) -> Option<Self> {
        match matches {
            PeerMatch::Endpoints(selector) => Some(Self {
                selector: by_namespace_name(selector),
                blocks: BTreeSet::new(),
            }),
            PeerMatch::Cidr(block) if block.scope == CidrScope::Everything => Some(Self {
                selector: Selector::default(),
                blocks: BTreeSet::from([block.clone()]),
            }),
            PeerMatch::Entity(Entity::All | Entity::Cluster) => Some(Self::default()),
            PeerMatch::Entity(_)
            | PeerMatch::Cidr(_)
            | PeerMatch::Nodes(_)
            | PeerMatch::OtherNodes(_)
            | PeerMatch::Domain(_) => None,
        }
    }

    /// Pods that both describe.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let requirements = self
            .selector
            .requirements()
            .iter()
            .chain(other.selector.requirements());
        Self {
            selector: Selector::new(requirements.cloned()),
            blocks: self.blocks.union(&other.blocks).cloned().collect(),
        }
    }

    /// Whether a pod is one of these, at an address of its own.
    #[must_use]
    pub fn fits(&self, cluster: &Cluster, pod: &Endpoint, address: Option<IpAddr>) -> bool {
        !pod.host_network
            && self
                .selector
                .matches(|attribute| cluster.attribute(pod, attribute))
            && self.blocks.iter().all(|block| {
                address.map_or_else(|| block.is_whole_family(), |address| block.contains(address))
            })
    }

    /// Whether each of these pods is one of `other`'s. May miss it; never claims it wrongly.
    #[must_use]
    pub fn is_within(&self, other: &Self, cluster: &Cluster) -> bool {
        other.blocks.is_subset(&self.blocks)
            && other.selector.requirements().iter().all(|asked| {
                let mut values = self
                    .values(cluster, &asked.attribute, Some(&asked.operator))
                    .into_iter();
                values.all(|value| asked.operator.accepts(value))
            })
    }

    /// Whether there can be such a pod at all, as far as its labels go. May claim it wrongly; never misses it.
    #[must_use]
    pub fn can_exist(&self, cluster: &Cluster) -> bool {
        self.selector
            .requirements()
            .iter()
            .all(|asked| !self.values(cluster, &asked.attribute, None).is_empty())
    }

    /// The values of `attribute` that one of these pods could have: `None` where it is absent, those that these pods
    /// or the `question` name, and one that stands for all others, which nothing tells apart.
    fn values<'a>(
        &'a self,
        cluster: &'a Cluster,
        attribute: &'a Attribute,
        question: Option<&'a Operator>,
    ) -> Vec<Option<&'a str>> {
        const UNNAMED: &str = "\0";
        let known = match attribute {
            Attribute::Cluster => Some(Some(cluster.name())),
            // Of a namespace that is known, so are the labels.
            Attribute::NamespaceLabel(key) => self
                .namespace()
                .and_then(|name| cluster.namespaces().get(name))
                .map(|labels| labels.get(key).map(String::as_str)),
            Attribute::Label(_) | Attribute::Namespace | Attribute::ServiceAccount => None,
        };
        let mut values = match known {
            Some(value) => vec![value],
            None => {
                let named = self
                    .requirements_on(attribute)
                    .chain(question)
                    .filter_map(|operator| match operator {
                        Operator::In(values) | Operator::NotIn(values) => Some(values),
                        Operator::Exists | Operator::DoesNotExist => None,
                    })
                    .flatten()
                    .map(|value| Some(value.as_str()));
                let absent = match attribute {
                    Attribute::Namespace | Attribute::ServiceAccount => None,
                    _ => Some(None),
                };
                named.chain(absent).chain([Some(UNNAMED)]).collect()
            }
        };
        values.retain(|value| {
            self.requirements_on(attribute)
                .all(|operator| operator.accepts(*value))
        });
        values
    }

    fn requirements_on<'a>(&'a self, attribute: &'a Attribute) -> impl Iterator<Item = &'a Operator> {
        self.selector
            .requirements()
            .iter()
            .filter(move |requirement| requirement.attribute == *attribute)
            .map(|requirement| &requirement.operator)
    }

    /// The namespace, where only one is possible.
    fn namespace(&self) -> Option<&str> {
        self.requirements_on(&Attribute::Namespace)
            .find_map(|operator| match operator {
                Operator::In(values) if values.len() == 1 => values.first().map(String::as_str),
                _ => None,
            })
    }
}

/// A selector that asks for a namespace's name by the label that carries it asks for the name.
fn by_namespace_name(selector: &Selector) -> Selector {
    Selector::new(selector.requirements().iter().map(|requirement| {
        let attribute = match &requirement.attribute {
            Attribute::NamespaceLabel(key) if key == NAMESPACE_NAME_LABEL => Attribute::Namespace,
            attribute => attribute.clone(),
        };
        Requirement {
            attribute,
            operator: requirement.operator.clone(),
        }
    }))
}
