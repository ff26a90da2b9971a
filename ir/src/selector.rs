//! Label selectors: conjunctions of requirements over what is known of a pod or a node.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of one object: key to value.
pub type Labels = BTreeMap<String, String>;

/// Label that the API server sets on every namespace to the namespace's name.
///
/// Source: Kubernetes well-known labels, `kubernetes.io/metadata.name`.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A thing that a selector may ask about.
///
/// A selector over one flat set of attributes can say what `podSelector`, `namespaceSelector` and Cilium's prefixed
/// label keys say, without knowing which of them it came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// The object's own label with this key (a pod's, or a node's in a node selector).
    Label(String),
    /// The name of the pod's namespace.
    Namespace,
    /// The label with this key on the pod's namespace.
    NamespaceLabel(String),
    /// The pod's service account.
    ServiceAccount,
    /// The name of the cluster the pod runs in.
    Cluster,
}

/// What a requirement asks of an attribute's value.
///
/// Source: Kubernetes `LabelSelectorRequirement`: `NotIn` and `DoesNotExist` also match where the key is absent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// Present, with one of these values.
    In(BTreeSet<String>),
    /// Absent, or present with none of these values.
    NotIn(BTreeSet<String>),
    /// Present with any value.
    Exists,
    /// Absent.
    DoesNotExist,
}

impl Operator {
    /// Whether a value (`None`: the attribute is absent) meets this operator.
    #[must_use]
    pub fn accepts(&self, value: Option<&str>) -> bool {
        match self {
            Self::In(values) => value.is_some_and(|v| values.contains(v)),
            Self::NotIn(values) => !value.is_some_and(|v| values.contains(v)),
            Self::Exists => value.is_some(),
            Self::DoesNotExist => value.is_none(),
        }
    }
}

/// One condition on one attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// What is asked about.
    pub attribute: Attribute,
    /// What is asked.
    pub operator: Operator,
}

impl Requirement {
    /// `attribute` equals `value`.
    #[must_use]
    pub fn equals(attribute: Attribute, value: &str) -> Self {
        Self {
            attribute,
            operator: Operator::In(BTreeSet::from([value.to_owned()])),
        }
    }
}

/// A conjunction of requirements; the empty one matches everything in its scope.
///
/// Kept sorted and without duplicates, so that selectors with the same text meaning compare equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// A selector of these requirements, in canonical order.
    #[must_use]
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let mut requirements: Vec<_> = requirements.into_iter().collect();
        requirements.sort();
        requirements.dedup();
        Self { requirements }
    }

    /// The requirements, sorted.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether an object with these attribute values matches.
    pub fn matches<'a>(&self, value_of: impl Fn(&Attribute) -> Option<&'a str>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.operator.accepts(value_of(&requirement.attribute)))
    }
}
