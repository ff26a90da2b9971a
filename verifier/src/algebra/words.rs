//! Everything that a model's policies mention, numbered once, so that sets are sets of small numbers.

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::Cluster;
use ir::model::Model;
use ir::peer::{DomainPattern, PeerMatch, Peers};
use ir::policy::Subject;
use ir::port::{PortMatch, Ports};
use ir::selector::{Attribute, Operator, Selector};

use super::values::{ABSENT, Values, Word};
use crate::encode::vocabulary::canonical;

/// The numbers of a model's words. Words are numbered in the order of their text, from 1, so that the lowest number
/// is the word that sorts first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    words: Vec<String>,
    /// Attributes of pods.
    pods: Vec<Attribute>,
    /// Label keys of nodes.
    nodes: Vec<String>,
    names: Vec<String>,
    patterns: Vec<DomainPattern>,
    cluster: String,
    namespace: u32,
    service_account: Option<u32>,
    /// For each namespace that is mentioned and known: the words of its labels, by attribute.
    known: BTreeMap<Word, Vec<(u32, Word)>>,
    /// The attributes that are labels of namespaces.
    namespace_labels: Vec<u32>,
    /// Whether both sides of flows are asked about. Then "it is the API server" is something that a flow has or has
    /// not (else the evaluator's doubt decides), and a subject has an address that the other side sees.
    of_whole_flows: bool,
}

#[derive(Default)]
struct Mentioned<'m> {
    words: BTreeSet<&'m str>,
    pods: BTreeSet<Attribute>,
    nodes: BTreeSet<&'m str>,
    names: BTreeSet<String>,
    patterns: BTreeSet<&'m DomainPattern>,
}

impl<'m> Mentioned<'m> {
    fn selector(&mut self, selector: &'m Selector, of_pods: bool) {
        for requirement in selector.requirements() {
            match &requirement.attribute {
                Attribute::Label(key) if !of_pods => {
                    self.nodes.insert(key);
                }
                Attribute::Cluster => continue,
                attribute if of_pods => {
                    self.pods.insert(canonical(attribute));
                }
                _ => continue,
            }
            if let Operator::In(values) | Operator::NotIn(values) = &requirement.operator {
                self.words.extend(values.iter().map(String::as_str));
            }
        }
    }
}

impl Words {
    pub(crate) fn of(model: &Model) -> Self {
        let mut mentioned = Mentioned::default();
        mentioned.pods.insert(Attribute::Namespace);
        for policy in model.policies() {
            if let Subject::Endpoints(selector) = &policy.subject {
                mentioned.selector(selector, true);
            }
            for rule in &policy.rules {
                if let Peers::OneOf(peers) = &rule.peers {
                    for peer in peers {
                        match &peer.matches {
                            PeerMatch::Endpoints(selector) => mentioned.selector(selector, true),
                            PeerMatch::Nodes(selector) | PeerMatch::OtherNodes(selector) => {
                                mentioned.selector(selector, false);
                            }
                            PeerMatch::Domain(pattern) => {
                                mentioned.patterns.insert(pattern);
                            }
                            PeerMatch::Cidr(_) | PeerMatch::Entity(_) => {}
                        }
                    }
                }
                if let Ports::OneOf(ports) = &rule.ports {
                    for port in ports {
                        if let PortMatch::Name { name, .. } = &port.matches {
                            mentioned.names.insert(name.to_ascii_lowercase());
                        }
                    }
                }
            }
        }
        Self::number(mentioned, &model.cluster)
    }

    fn number<'m>(mut mentioned: Mentioned<'m>, cluster: &'m Cluster) -> Self {
        let keys: Vec<&String> = mentioned
            .pods
            .iter()
            .filter_map(|attribute| match attribute {
                Attribute::NamespaceLabel(key) => Some(key),
                _ => None,
            })
            .collect();
        let known: Vec<_> = cluster
            .namespaces()
            .iter()
            .filter(|(name, _)| mentioned.words.contains(name.as_str()))
            .map(|(name, labels)| {
                let values: Vec<_> = keys
                    .iter()
                    .map(|key| labels.get(*key).map(String::as_str))
                    .collect();
                (name.as_str(), values)
            })
            .collect();
        for (_, values) in &known {
            let owned: Vec<&str> = values.iter().flatten().copied().collect();
            mentioned.words.extend(owned);
        }
        let mut words = Self {
            words: mentioned.words.iter().map(|word| (*word).to_owned()).collect(),
            pods: mentioned.pods.iter().cloned().collect(),
            nodes: mentioned.nodes.iter().map(|key| (*key).to_owned()).collect(),
            names: mentioned.names.into_iter().collect(),
            patterns: mentioned.patterns.into_iter().cloned().collect(),
            cluster: cluster.name().to_owned(),
            ..Self::default()
        };
        words.namespace = words.attribute(&Attribute::Namespace).unwrap_or_default();
        words.service_account = words.attribute(&Attribute::ServiceAccount);
        words.namespace_labels = (0..)
            .zip(&words.pods)
            .filter(|(_, attribute)| matches!(attribute, Attribute::NamespaceLabel(_)))
            .map(|(number, _)| number)
            .collect();
        words.known = known
            .into_iter()
            .map(|(name, values)| {
                let values = values.into_iter().map(|value| words.word(value));
                let labels = words.namespace_labels.iter().copied().zip(values).collect();
                (words.word(Some(name)), labels)
            })
            .collect();
        words
    }

    /// The same, for questions about both sides of a flow.
    pub(crate) fn for_whole_flows(self) -> Self {
        Self {
            of_whole_flows: true,
            ..self
        }
    }

    pub(crate) fn of_whole_flows(&self) -> bool {
        self.of_whole_flows
    }

    /// The number of a value; one that nobody mentions has the number behind the last.
    pub(crate) fn word(&self, value: Option<&str>) -> Word {
        let Some(value) = value else {
            return ABSENT;
        };
        let at = self.words.binary_search_by(|word| word.as_str().cmp(value));
        let at = at.unwrap_or(self.words.len());
        u32::try_from(at).map_or(u32::MAX, |at| at + 1)
    }

    /// One of the values that nobody mentions.
    pub(crate) fn unmentioned(&self) -> Word {
        u32::try_from(self.words.len()).map_or(u32::MAX, |last| last + 1)
    }

    /// The value with this number; `None` for absence and for what nobody mentions.
    pub(crate) fn text(&self, word: Word) -> Option<&str> {
        let at = usize::try_from(word.checked_sub(1)?).ok()?;
        self.words.get(at).map(String::as_str)
    }

    /// Absence, and everything that anybody mentions.
    pub(crate) fn every_word(&self) -> Vec<Word> {
        (ABSENT..=u32::try_from(self.words.len()).unwrap_or(u32::MAX)).collect()
    }

    /// The number of an attribute of pods (not the cluster's name, which is the same for all).
    pub(crate) fn attribute(&self, attribute: &Attribute) -> Option<u32> {
        let at = self.pods.binary_search(attribute).ok()?;
        u32::try_from(at).ok()
    }

    pub(crate) fn node_key(&self, key: &str) -> Option<u32> {
        let at = self.nodes.binary_search_by(|own| own.as_str().cmp(key)).ok()?;
        u32::try_from(at).ok()
    }

    pub(crate) fn name(&self, name: &str) -> Option<u32> {
        let at = self.names.binary_search(&name.to_ascii_lowercase()).ok()?;
        u32::try_from(at).ok()
    }

    pub(crate) fn pattern(&self, pattern: &DomainPattern) -> Option<u32> {
        let at = self.patterns.binary_search(pattern).ok()?;
        u32::try_from(at).ok()
    }

    /// The attribute of pods with this number.
    pub(crate) fn attribute_of(&self, number: u32) -> Option<&Attribute> {
        self.pods.get(number as usize)
    }

    /// The label key of nodes with this number.
    pub(crate) fn node_key_of(&self, number: u32) -> Option<&str> {
        self.nodes.get(number as usize).map(String::as_str)
    }

    /// The port name with this number.
    pub(crate) fn name_of(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(String::as_str)
    }

    /// The DNS pattern with this number.
    pub(crate) fn pattern_of(&self, number: u32) -> Option<&DomainPattern> {
        self.patterns.get(number as usize)
    }

    /// How many DNS patterns there are.
    #[cfg(test)]
    pub(crate) fn patterns(&self) -> u32 {
        u32::try_from(self.patterns.len()).unwrap_or(u32::MAX)
    }

    /// Every attribute and port name that anybody mentions.
    pub(crate) fn everything(&self) -> super::pod::Mentioned {
        super::pod::Mentioned {
            attributes: self.pods.clone(),
            names: self.names.clone(),
        }
    }

    pub(crate) fn cluster_name(&self) -> &str {
        &self.cluster
    }

    pub(crate) fn namespace(&self) -> u32 {
        self.namespace
    }

    /// Attributes that every pod has.
    pub(crate) fn always_there(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.namespace).chain(self.service_account)
    }

    pub(crate) fn namespace_labels(&self) -> &[u32] {
        &self.namespace_labels
    }

    /// The labels of a namespace that is known, by attribute.
    pub(crate) fn known(&self, namespace: Word) -> Option<&[(u32, Word)]> {
        self.known.get(&namespace).map(Vec::as_slice)
    }

    /// The values that an operator accepts.
    pub(crate) fn values(&self, operator: &Operator) -> Values {
        let listed = |values: &BTreeSet<String>| values.iter().map(|value| self.word(Some(value))).collect();
        match operator {
            Operator::In(values) => Values::Only(listed(values)),
            Operator::NotIn(values) => Values::AllBut(listed(values)),
            Operator::Exists => Values::AllBut(vec![ABSENT]),
            Operator::DoesNotExist => Values::Only(vec![ABSENT]),
        }
    }
}
