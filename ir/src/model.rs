//! A cluster and the policies that apply to it: what every later stage is given.

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::policy::{Policy, PolicyId, PolicyKind, Rule, RuleId};

/// A cluster with its policies, in canonical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The cluster.
    pub cluster: Cluster,
    policies: Arc<[Policy]>,
}

impl Model {
    /// A model of these policies, sorted by kind, namespace, name and origin.
    #[must_use]
    pub fn new(cluster: Cluster, policies: impl IntoIterator<Item = Policy>) -> Self {
        let mut policies: Vec<_> = policies.into_iter().collect();
        policies.sort_by(|a, b| (key(a), &a.origin).cmp(&(key(b), &b.origin)));
        Self {
            cluster,
            policies: policies.into(),
        }
    }

    /// The same policies in another cluster.
    #[must_use]
    pub fn in_cluster(&self, cluster: Cluster) -> Self {
        Self {
            cluster,
            policies: Arc::clone(&self.policies),
        }
    }

    /// The policies, sorted.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The policies with their ids.
    pub fn policy_ids(&self) -> impl Iterator<Item = (PolicyId, &Policy)> {
        (0..).map(PolicyId).zip(&*self.policies)
    }

    /// A policy by id.
    #[must_use]
    pub fn policy(&self, id: PolicyId) -> Option<&Policy> {
        self.policies.get(id.0 as usize)
    }

    /// The first policy of this kind and name.
    #[must_use]
    pub fn policy_named(
        &self,
        kind: PolicyKind,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<(PolicyId, &Policy)> {
        let wanted = (kind, namespace, name);
        let first = self.policies.partition_point(|policy| key(policy) < wanted);
        let policy = self.policies.get(first).filter(|policy| key(policy) == wanted)?;
        Some((PolicyId(u32::try_from(first).ok()?), policy))
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

/// What policies are sorted by, before their origin.
fn key(policy: &Policy) -> (PolicyKind, Option<&str>, &str) {
    (policy.kind, policy.namespace.as_deref(), &policy.name)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Profile, models};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_found_by_name_is_what_a_search_finds(model in models(Profile::everything())) {
            let cluster = &model.cluster;
            for namespace in cluster.namespaces().keys().map(String::as_str).chain(["", "unheard-of"]) {
                let searched = cluster.endpoint_ids().filter(|(_, pod)| pod.namespace == namespace);
                prop_assert!(cluster.endpoints_in(namespace).eq(searched));
            }
            for node in cluster.nodes() {
                let searched = cluster.node_ids().find(|(_, other)| other.name == node.name);
                prop_assert_eq!(cluster.node_named(&node.name), searched.map(|(id, _)| id));
            }
            for policy in model.policies() {
                for name in [policy.name.as_str(), "unheard-of"] {
                    let namespace = policy.namespace.as_deref();
                    let searched = model.policy_ids().find(|(_, other)| {
                        other.kind == policy.kind && other.namespace == policy.namespace && other.name == name
                    });
                    prop_assert_eq!(model.policy_named(policy.kind, namespace, name), searched);
                }
            }
        }
    }
}
