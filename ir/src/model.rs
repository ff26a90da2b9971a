//! A cluster and the policies that apply to it: what every later stage is given.

use crate::cluster::Cluster;
use crate::policy::{Policy, PolicyId, Rule, RuleId};

/// A cluster with its policies, in canonical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The cluster.
    pub cluster: Cluster,
    policies: Vec<Policy>,
}

impl Model {
    /// A model of these policies, sorted by kind, namespace, name and origin.
    #[must_use]
    pub fn new(cluster: Cluster, policies: impl IntoIterator<Item = Policy>) -> Self {
        let mut policies: Vec<_> = policies.into_iter().collect();
        policies.sort_by(|a, b| {
            (a.kind, &a.namespace, &a.name, &a.origin).cmp(&(b.kind, &b.namespace, &b.name, &b.origin))
        });
        Self { cluster, policies }
    }

    /// The policies, sorted.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The policies with their ids.
    pub fn policy_ids(&self) -> impl Iterator<Item = (PolicyId, &Policy)> {
        (0..).map(PolicyId).zip(&self.policies)
    }

    /// A policy by id.
    #[must_use]
    pub fn policy(&self, id: PolicyId) -> Option<&Policy> {
        self.policies.get(id.0 as usize)
    }

    /// A rule by id.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.policy(id.policy)?.rules.get(id.rule as usize)
    }

    /// The rules of one policy with their ids.
    pub fn rule_ids(&self, id: PolicyId) -> impl Iterator<Item = (RuleId, &Rule)> {
        let rules = self.policy(id).map_or(&[][..], |policy| &policy.rules);
        (0..).map(move |rule| RuleId { policy: id, rule }).zip(rules)
    }
}
