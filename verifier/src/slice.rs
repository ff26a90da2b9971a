//! The part of a model that questions about some rules depend on.

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::EndpointId;
use ir::model::Model;
use ir::peer::{PeerMatch, Peers};
use ir::policy::{Direction, Policy, PolicyId, RuleId, Subject};
use ir::selector::{Attribute, Operator, Selector};

use crate::encode::Preferred;
use crate::overlap::{rules_may_overlap, subjects_may_overlap};

/// The policies of a model, for finding those that can be in force on one pod together.
pub(crate) struct Neighbours<'m> {
    model: &'m Model,
    by_namespace: BTreeMap<&'m str, Vec<PolicyId>>,
    /// Policies whose subjects are not confined to one namespace.
    anywhere: Vec<PolicyId>,
    all: Vec<PolicyId>,
}

impl<'m> Neighbours<'m> {
    pub(crate) fn of(model: &'m Model) -> Self {
        let mut neighbours = Self {
            model,
            by_namespace: BTreeMap::new(),
            anywhere: vec![],
            all: vec![],
        };
        for (id, policy) in model.policy_ids() {
            neighbours.all.push(id);
            match confined_to(policy) {
                Some(namespace) => neighbours.by_namespace.entry(namespace).or_default().push(id),
                None => neighbours.anywhere.push(id),
            }
        }
        neighbours
    }

    /// The policies that can select pods in a namespace, ascending.
    pub(crate) fn selecting_in(&self, namespace: &str) -> Vec<PolicyId> {
        let here = self.by_namespace.get(namespace).into_iter().flatten();
        let mut found: Vec<_> = here.chain(&self.anywhere).copied().collect();
        found.sort_unstable();
        found
    }

    /// The policies that can share a subject with `policy`, itself among them, ascending.
    fn sharing_subjects(&self, policy: &Policy) -> Vec<(PolicyId, &'m Policy)> {
        let mut candidates = match confined_to(policy) {
            Some(namespace) => {
                let here = self.by_namespace.get(namespace).into_iter().flatten();
                here.chain(&self.anywhere).copied().collect()
            }
            None => self.all.clone(),
        };
        candidates.sort_unstable();
        candidates
            .into_iter()
            .filter_map(|id| Some((id, self.model.policy(id)?)))
            .filter(|(_, other)| subjects_may_overlap(policy, other))
            .collect()
    }
}

/// The one namespace that a policy's subjects are in, if its selector names one.
fn confined_to(policy: &Policy) -> Option<&str> {
    let Subject::Endpoints(selector) = &policy.subject else {
        return None;
    };
    selector.requirements().iter().find_map(|requirement| {
        match (&requirement.attribute, &requirement.operator) {
            (Attribute::Namespace, Operator::In(values)) if values.len() == 1 => {
                values.first().map(String::as_str)
            }
            _ => None,
        }
    })
}

/// Policies and rules that are enough to answer any question about some rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    pub(crate) policies: BTreeSet<PolicyId>,
    pub(crate) rules: BTreeSet<RuleId>,
    /// For each rule in question, the other rules that can match one of its flows, ascending.
    pub(crate) others: BTreeMap<RuleId, Vec<RuleId>>,
}

impl Slice {
    /// The slice for the rules `asked` in a model without the rules of `removed`.
    ///
    /// Exact: on a flow that a rule in question matches, its policy is in force, so only policies that can be in
    /// force at the same time have a say, and of these only rules that can match the same flow, and default denies.
    pub(crate) fn of(neighbours: &Neighbours<'_>, asked: &[RuleId], removed: &BTreeSet<RuleId>) -> Self {
        let model = neighbours.model;
        let mut slice = Self::default();
        let mut with: Option<(PolicyId, Vec<(PolicyId, &Policy)>)> = None;
        for id in asked {
            let (Some(own), Some(rule)) = (model.policy(id.policy), model.rule(*id)) else {
                continue;
            };
            let with = match with.take_if(|(policy, _)| *policy == id.policy) {
                Some(same) => with.insert(same),
                None => with.insert((id.policy, neighbours.sharing_subjects(own))),
            };
            slice.policies.insert(id.policy);
            slice.rules.insert(*id);
            let direction = rule.direction;
            let mut others = vec![];
            for (other_policy, other) in with.1.iter().filter(|(_, other)| other.applies.has(direction)) {
                // Once the rule's own policy isolates the subject, who else does makes no difference.
                let isolates = other.default_deny.has(direction) && !own.default_deny.has(direction);
                let before = others.len();
                others.extend(
                    model
                        .rule_ids(*other_policy)
                        .filter(|(other, _)| other != id && !removed.contains(other))
                        .filter(|(_, other)| rules_may_overlap(rule, other))
                        .map(|(other, _)| other),
                );
                if isolates || others.len() > before {
                    slice.policies.insert(*other_policy);
                }
            }
            slice.rules.extend(&others);
            slice.others.insert(*id, others);
        }
        slice
    }
}

/// The existing pods that a witness about `rule` would best be told with.
pub(crate) fn preferred(model: &Model, rule: RuleId) -> Preferred {
    let (Some(policy), Some(rule)) = (model.policy(rule.policy), model.rule(rule)) else {
        return Preferred::default();
    };
    let cluster = &model.cluster;
    let matched_by = |selector: &Selector| {
        let matching: BTreeSet<EndpointId> = cluster
            .endpoint_ids()
            .filter(|(_, pod)| !pod.host_network && selector.matches(|a| cluster.attribute(pod, a)))
            .map(|(id, _)| id)
            .collect();
        matching
    };
    let everyone = Selector::default();
    let subjects = match &policy.subject {
        Subject::Endpoints(selector) => matched_by(selector),
        Subject::Nodes(_) => BTreeSet::new(),
    };
    let selectors: Vec<&Selector> = match &rule.peers {
        Peers::Any => vec![&everyone],
        Peers::OneOf(peers) => peers
            .iter()
            .map(|peer| match &peer.matches {
                PeerMatch::Endpoints(selector) => selector,
                _ => &everyone,
            })
            .collect(),
    };
    let mut distinct = selectors;
    distinct.sort();
    distinct.dedup();
    let peers: BTreeSet<_> = distinct.into_iter().flat_map(matched_by).collect();
    Preferred {
        subjects: subjects.into_iter().collect(),
        peers: peers.into_iter().collect(),
    }
}

/// The existing pods that a witness about a policy would best be told with.
pub(crate) fn preferred_subjects(model: &Model, policy: PolicyId) -> Preferred {
    let cluster = &model.cluster;
    let pods = || cluster.endpoint_ids().filter(|(_, pod)| !pod.host_network);
    let subjects = match model.policy(policy).map(|policy| &policy.subject) {
        Some(Subject::Endpoints(selector)) => pods()
            .filter(|(_, pod)| selector.matches(|attribute| cluster.attribute(pod, attribute)))
            .map(|(id, _)| id)
            .collect(),
        _ => vec![],
    };
    Preferred {
        subjects,
        peers: pods().map(|(id, _)| id).collect(),
    }
}

/// Whether the policy's rules of a direction decide anything about pods.
pub(crate) fn decides(policy: &Policy, direction: Direction) -> bool {
    matches!(policy.subject, Subject::Endpoints(_)) && policy.applies.has(direction)
}
