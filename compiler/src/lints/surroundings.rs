//! What the `PC6xx` and `PC7xx` rules look at: the objects as written, what they mean, and who is selected by what.
//!
//! Manifests are often a part of a cluster: a chart, a kustomize base, one team's directory, and the pods that an
//! operator will make are in no manifest at all. That a selector matches nothing in the input is then no mistake.
//! [`Surroundings::mistake`] asks for evidence that one was made.

use crate::load::{Object, ObjectKind};
use ir::cluster::{Endpoint, EndpointId};
use ir::label_index::LabelIndex;
use ir::model::Model;
use ir::peer::{Peer, PeerMatch, Peers};
use ir::policy::{Policy, Subject};
use ir::port::{PortMatch, Ports, Protocol};
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// What was read, and what it means.
pub struct Surroundings<'a> {
    /// Everything that was read.
    pub objects: &'a [Object],
    /// What it means.
    pub model: &'a Model,
    index: LabelIndex,
    by_profile: BTreeMap<u32, Vec<EndpointId>>,
}

impl<'a> Surroundings<'a> {
    /// Looks around.
    #[must_use]
    pub fn of(objects: &'a [Object], model: &'a Model) -> Self {
        let mut selectors: Vec<&Selector> = Vec::new();
        for policy in model.policies() {
            if let Subject::Endpoints(selector) = &policy.subject {
                selectors.push(selector);
            }
            for peer in policy.rules.iter().flat_map(|rule| listed(&rule.peers)) {
                if let PeerMatch::Endpoints(selector) = &peer.matches {
                    selectors.push(selector);
                }
            }
        }
        let index = LabelIndex::new(&model.cluster, selectors);
        let mut by_profile: BTreeMap<u32, Vec<EndpointId>> = BTreeMap::new();
        for (id, _) in model.cluster.endpoint_ids() {
            if let Some(profile) = index.profile(id) {
                by_profile.entry(profile).or_default().push(id);
            }
        }
        Self {
            objects,
            model,
            index,
            by_profile,
        }
    }

    /// The pods that a policy selects, in order.
    #[must_use]
    pub fn subjects(&self, policy: &Policy) -> BTreeSet<EndpointId> {
        match &policy.subject {
            Subject::Endpoints(selector) => self.selected(selector),
            Subject::Nodes(_) => BTreeSet::new(),
        }
    }

    /// The pods that a selector of some policy matches, in order.
    #[must_use]
    pub fn selected(&self, selector: &Selector) -> BTreeSet<EndpointId> {
        self.index
            .select(selector)
            .into_iter()
            .filter_map(|profile| self.by_profile.get(&profile))
            .flatten()
            .copied()
            .collect()
    }

    /// The host-network pods that a selector would match if they had a network of their own.
    pub fn on_host_network<'s>(&'s self, selector: &'s Selector) -> impl Iterator<Item = &'s Endpoint> {
        self.model
            .cluster
            .endpoints()
            .iter()
            .filter(|pod| pod.host_network && self.fits(pod, selector, |_| true))
    }

    /// The Namespace object of this name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&'a Object> {
        self.objects
            .iter()
            .find(|object| matches!(object.kind, ObjectKind::Namespace(_)) && object.name.name == name)
    }

    /// Whether something in the input says that it is in this namespace. What says nothing is in `default` only until a
    /// kustomization or `kubectl --namespace` puts it elsewhere.
    #[must_use]
    pub fn is_named(&self, namespace: &str) -> bool {
        self.namespace(namespace).is_some()
            || self
                .objects
                .iter()
                .any(|object| object.kind.metadata().namespace.as_deref() == Some(namespace))
    }

    /// Whether a pod meets those requirements of a selector that `which` picks.
    fn fits(&self, pod: &Endpoint, selector: &Selector, which: impl Fn(&Attribute) -> bool) -> bool {
        selector
            .requirements()
            .iter()
            .filter(|asked| which(&asked.attribute))
            .all(|asked| {
                asked
                    .operator
                    .accepts(self.model.cluster.attribute(pod, &asked.attribute))
            })
    }

    /// What was probably meant by a selector that matches no pod; `None` where nothing in the input says that it was
    /// a mistake, and not about pods that the input leaves out.
    #[must_use]
    pub fn mistake(&self, selector: &Selector) -> Option<String> {
        let pods = self.model.cluster.endpoints();
        let scope: Vec<_> = pods
            .iter()
            .filter(|pod| self.fits(pod, selector, is_of_namespace))
            .collect();
        if scope.is_empty() {
            return self.wrong_namespace_label(selector);
        }
        if let Some(help) = misspelt(&scope, selector) {
            return Some(help);
        }
        let asks_for_a_label = selector
            .requirements()
            .iter()
            .any(|asked| !is_of_namespace(&asked.attribute) && matches!(asked.operator, Operator::In(_)));
        let elsewhere = pods.iter().find(|pod| {
            asks_for_a_label && self.fits(pod, selector, |attribute| !is_of_namespace(attribute))
        });
        if let Some(pod) = elsewhere {
            return Some(format!(
                "pods with these labels are in namespace `{}`: select that namespace",
                pod.namespace
            ));
        }
        // The pods that run in a namespace are all there are; templates and bases leave others to be added.
        let named = named_namespaces(selector);
        let runs = |namespace: &str| {
            scope
                .iter()
                .any(|pod| pod.namespace == namespace && !pod.addresses.is_empty())
        };
        (!named.is_empty() && named.into_iter().all(runs))
            .then(|| "compare the labels with those of the pods that run".to_owned())
    }

    /// A namespace that exists and lacks the label by which a selector asks for it.
    fn wrong_namespace_label(&self, selector: &Selector) -> Option<String> {
        selector.requirements().iter().find_map(|asked| {
            let (Attribute::NamespaceLabel(key), Operator::In(values)) = (&asked.attribute, &asked.operator)
            else {
                return None;
            };
            let named = values
                .iter()
                .find(|value| key != NAMESPACE_NAME_LABEL && self.namespace(value).is_some())?;
            Some(format!(
                "namespace `{named}` has no label `{key}`; every namespace has `{NAMESPACE_NAME_LABEL}: {named}`"
            ))
        })
    }
}

fn is_of_namespace(attribute: &Attribute) -> bool {
    matches!(attribute, Attribute::Namespace | Attribute::NamespaceLabel(_))
}

/// The namespaces that a selector is confined to by name; empty where it is not.
fn named_namespaces(selector: &Selector) -> Vec<&str> {
    let named = selector.requirements().iter().find_map(|asked| {
        let is_name = match &asked.attribute {
            Attribute::Namespace => true,
            Attribute::NamespaceLabel(key) => key == NAMESPACE_NAME_LABEL,
            _ => false,
        };
        match &asked.operator {
            Operator::In(names) if is_name => Some(names),
            _ => None,
        }
    });
    named.into_iter().flatten().map(String::as_str).collect()
}

/// Whether a selector speaks of the pods themselves, and not of their namespaces alone.
#[must_use]
pub fn names_labels(selector: &Selector) -> bool {
    selector
        .requirements()
        .iter()
        .any(|asked| matches!(asked.attribute, Attribute::Label(_) | Attribute::ServiceAccount))
}

/// Keys by which pods say what they are: of these the wrong one is easily taken.
const IDENTIFYING: [&str; 5] = ["app", "app.kubernetes.io/name", "k8s-app", "name", "run"];

/// A label that no pod has, beside one that reads nearly the same.
fn misspelt(scope: &[&Endpoint], selector: &Selector) -> Option<String> {
    selector.requirements().iter().find_map(|asked| {
        let (Attribute::Label(key), Operator::In(values)) = (&asked.attribute, &asked.operator) else {
            return None;
        };
        let own: BTreeSet<&str> = scope
            .iter()
            .filter_map(|pod| pod.labels.get(key).map(String::as_str))
            .collect();
        if values.iter().any(|value| own.contains(value.as_str())) {
            return None;
        }
        values.iter().find_map(|value| {
            if let Some(near) = own.iter().find(|near| is_misspelling(value, near)) {
                return Some(format!("did you mean `{key}: {near}`?"));
            }
            let identifies = |key: &str| IDENTIFYING.contains(&key);
            let other = scope
                .iter()
                .filter(|_| identifies(key))
                .flat_map(|pod| &pod.labels)
                .find(|(other, same)| *other != key && identifies(other) && *same == value)?;
            Some(format!("pods have `{}: {value}`, not `{key}: {value}`", other.0))
        })
    })
}

/// Whether one word was probably meant to be the other. Siblings (`web-1` and `web-2`, `team-a` and `team-b`) are not.
fn is_misspelling(one: &str, other: &str) -> bool {
    let letters = |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_digit()).collect() };
    let short_end = |text: &str| {
        let end = text.rsplit(['-', '_', '.']).next().unwrap_or_default();
        end.len() <= 2
    };
    let length = one.len().min(other.len());
    let allowed = if length >= 8 { 2 } else { 1 };
    length >= 4
        && letters(one) != letters(other)
        && !(short_end(one) && short_end(other))
        && strsim::damerau_levenshtein(one, other) <= allowed
}

/// The peers that a rule lists.
#[must_use]
pub fn listed(peers: &Peers) -> &[Peer] {
    match peers {
        Peers::Any => &[],
        Peers::OneOf(list) => list,
    }
}

/// Whether ports include this number by number; names, which are each pod's own, do not count.
#[must_use]
pub fn include(ports: &Ports, asked: Protocol, number: u16) -> bool {
    match ports {
        Ports::Any => true,
        Ports::OneOf(list) => list.iter().any(|port| match &port.matches {
            PortMatch::Numbers {
                protocol,
                first,
                last,
            } => protocol.contains(asked) && (*first..=*last).contains(&number),
            PortMatch::Name { .. } | PortMatch::Icmp { .. } => false,
        }),
    }
}

/// `one`, `one and two`, `one, two and 3 more`.
#[must_use]
pub fn some_of(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
    match (names.len().saturating_sub(SHOWN), shown.split_last()) {
        (0, Some((last, []))) => (*last).to_owned(),
        (0, Some((last, rest))) => format!("{} and {last}", rest.join(", ")),
        (more, _) => format!("{} and {more} more", shown.join(", ")),
    }
}
