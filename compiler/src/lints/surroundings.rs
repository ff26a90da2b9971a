//! What the `PC6xx` and `PC7xx` rules look at: the objects as written, what they mean, and who is selected by what.
//!
//! Manifests are often a part of a cluster: a chart, a kustomize base, one team's directory, and the pods that an
//! operator will make are in no manifest at all. That a selector matches nothing in the input is then no mistake.
//! [`super::mistaken_selector`] asks for evidence that one was made.

use super::ground::Ground;
use super::mistaken_selector::Scopes;
use crate::load::{Object, ObjectKind};
use crate::selected::{PodSet, Selected};
use ir::cluster::Endpoint;
use ir::judge::Judge;
use ir::model::Model;
use ir::peer::{Peer, Peers};
use ir::policy::{Policy, Subject};
use ir::port::{PortMatch, Ports, Protocol};
use ir::selector::{Attribute, Selector};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock};

/// What was read, and what it means.
pub struct Surroundings<'a> {
    /// Everything that was read.
    pub objects: &'a [Object],
    /// What it means.
    pub model: &'a Model,
    /// Answers about flows.
    pub judge: &'a Judge<'a>,
    pub(super) selected: &'a Selected,
    /// The Namespace objects, of each name the first.
    namespaces: BTreeMap<&'a str, &'a Object>,
    /// The namespaces that objects say they are in.
    named: BTreeSet<&'a str>,
    populated: OnceLock<Vec<&'a str>>,
    pub(super) scopes: Mutex<Scopes<'a>>,
}

impl<'a> Surroundings<'a> {
    /// Looks around.
    #[must_use]
    pub fn of(objects: &'a [Object], ground: &'a Ground<'a>) -> Self {
        let mut namespaces = BTreeMap::new();
        for object in objects {
            if matches!(object.kind, ObjectKind::Namespace(_)) {
                namespaces.entry(object.name.name.as_str()).or_insert(object);
            }
        }
        let named = objects
            .iter()
            .filter_map(|object| object.kind.metadata().namespace.as_deref());
        Self {
            objects,
            model: ground.model,
            judge: &ground.judge,
            selected: &ground.selected,
            namespaces,
            named: named.collect(),
            populated: OnceLock::new(),
            scopes: Mutex::default(),
        }
    }

    /// The pods that a policy selects.
    #[must_use]
    pub fn subjects(&self, policy: &Policy) -> PodSet {
        match &policy.subject {
            Subject::Endpoints(selector) => self.selected.pods(selector),
            Subject::Nodes(_) => PodSet::default(),
        }
    }

    /// The pods that some policy selects.
    #[must_use]
    pub fn all_subjects(&self) -> PodSet {
        let policies = self.model.policies().iter();
        let selectors: BTreeSet<_> = policies
            .filter_map(|policy| match &policy.subject {
                Subject::Endpoints(selector) => Some(selector),
                Subject::Nodes(_) => None,
            })
            .collect();
        self.selected.pods_of_any(selectors)
    }

    /// Whether a selector of some policy matches a pod.
    #[must_use]
    pub fn selects_any(&self, selector: &Selector) -> bool {
        self.selected.any(selector)
    }

    /// The host-network pods that a selector would match if they had a network of their own, in order.
    #[must_use]
    pub fn on_host_network(&self, selector: &Selector) -> Vec<&'a Endpoint> {
        let ids = self.selected.on_host_network(selector);
        ids.iter()
            .filter_map(|id| self.model.cluster.endpoint(id))
            .collect()
    }

    /// The Namespace object of this name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&'a Object> {
        self.namespaces.get(name).copied()
    }

    /// The namespaces that have pods, in order.
    #[must_use]
    pub fn populated(&self) -> &[&'a str] {
        self.populated.get_or_init(|| {
            let mut namespaces: Vec<_> = self
                .model
                .cluster
                .endpoints()
                .iter()
                .map(|pod| pod.namespace.as_str())
                .collect();
            // Endpoints are in the order of their namespaces.
            namespaces.dedup();
            namespaces
        })
    }

    /// Whether something in the input says that it is in this namespace. What says nothing is in `default` only until a
    /// kustomization or `kubectl --namespace` puts it elsewhere.
    #[must_use]
    pub fn is_named(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace) || self.named.contains(namespace)
    }
}

/// Whether a selector speaks of the pods themselves, and not of their namespaces alone.
#[must_use]
pub fn names_labels(selector: &Selector) -> bool {
    selector
        .requirements()
        .iter()
        .any(|asked| matches!(asked.attribute, Attribute::Label(_) | Attribute::ServiceAccount))
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
