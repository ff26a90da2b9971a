//! The part of a model that questions about some rules depend on.

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::EndpointId;
use ir::model::Model;
use ir::peer::{PeerMatch, Peers};
use ir::policy::{Direction, Policy, PolicyId, RuleId, Subject};
use ir::selector::Selector;

use crate::encode::Preferred;
use crate::overlap::{rules_may_overlap, subjects_may_overlap};

/// Policies and rules that are enough to answer any question about the rules of one policy.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    pub(super) policies: BTreeSet<PolicyId>,
    pub(super) rules: BTreeSet<RuleId>,
    /// For each rule in question, the other rules that can match one of its flows.
    pub(super) others: BTreeMap<RuleId, Vec<RuleId>>,
}

impl Slice {
    /// The slice for `asked`, rules of one policy, in a model without the rules of `removed`.
    ///
    /// Exact: on a flow that a rule in question matches, its policy is in force, so only policies that can be in
    /// force at the same time have a say, and of these only rules that can match the same flow, and default denies.
    pub(super) fn of(model: &Model, policy: PolicyId, asked: &[RuleId], removed: &BTreeSet<RuleId>) -> Self {
        let mut slice = Self::default();
        let Some(own) = model.policy(policy) else {
            return slice;
        };
        let with: Vec<_> = model
            .policy_ids()
            .filter(|(_, other)| subjects_may_overlap(own, other))
            .collect();
        slice.policies.insert(policy);
        slice.rules.extend(asked);
        for id in asked {
            let Some(rule) = model.rule(*id) else {
                continue;
            };
            let direction = rule.direction;
            let mut others = vec![];
            for (other_policy, other) in &with {
                // Once the rule's own policy isolates the subject, who else does makes no difference.
                let isolates = other.default_deny.has(direction) && !own.default_deny.has(direction);
                let met: Vec<_> = model
                    .rule_ids(*other_policy)
                    .filter(|(other, _)| other != id && !removed.contains(other))
                    .filter(|(_, other)| rules_may_overlap(rule, other))
                    .map(|(other, _)| other)
                    .collect();
                if other.applies.has(direction) && (isolates || !met.is_empty()) {
                    slice.policies.insert(*other_policy);
                    slice.rules.extend(&met);
                    others.extend(met);
                }
            }
            slice.others.insert(*id, others);
        }
        slice
    }
}

/// The existing pods that a witness about `rule` would best be told with.
pub(super) fn preferred(model: &Model, rule: RuleId) -> Preferred {
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

/// Whether the policy's rules of a direction decide anything about pods.
pub(super) fn decides(policy: &Policy, direction: Direction) -> bool {
    matches!(policy.subject, Subject::Endpoints(_)) && policy.applies.has(direction)
}
