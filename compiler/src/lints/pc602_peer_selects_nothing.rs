//! # PC602 peer-selects-nothing
//!
//! A peer selects no pod.
//!
//! ## What is wrong
//! A rule names a peer by labels that no pod has where it looks. An allow rule opens nothing by it; a deny rule closes
//! nothing. Two mistakes are common: a selector for pods of another namespace without a `namespaceSelector`, which
//! then means the policy's own namespace, and a namespace asked for by a label that it does not have.
//!
//! Said only where the input shows the mistake, and not just lacks the pods: a label or a namespace nearly the same, the
//! value under another key, pods with these labels in another namespace, or pods that run, which are all there are.
//! Namespaces such as `shop-int` and `shop-uat`, which differ in their last part, are not nearly the same.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress]
//!   ingress:
//!     - from: [{podSelector: {matchLabels: {app: prometheus}}}]   # looks in `shop` alone
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: api, namespace: shop, labels: {app: api}}
//! spec: {containers: [{name: api, image: api}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
//! spec: {containers: [{name: prometheus, image: prometheus}]}
//! ```
//!
//! ## How to fix it
//! Use the labels that the pods and their namespace have.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress]
//!   ingress:
//!     - from:
//!         - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
//!           podSelector: {matchLabels: {app: prometheus}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: api, namespace: shop, labels: {app: api}}
//! spec: {containers: [{name: api, image: api}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: prometheus, namespace: monitoring, labels: {app: prometheus}}
//! spec: {containers: [{name: prometheus, image: prometheus}]}
//! ```

use super::object_name;
use super::surroundings::{Surroundings, listed, names_labels};
use crate::diagnostic::{Code, Finding};
use ir::peer::{Peer, PeerMatch};
use ir::policy::{Action, Policy, Rule};

/// What reaches pods on the host network.
pub(super) const NODES_INSTEAD: &str =
    "name the nodes' addresses by `ipBlock`, or in Cilium's policies the entities `host` and `remote-node`";

/// Finds such peers.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in around.model.policies() {
        for rule in &policy.rules {
            for peer in listed(&rule.peers) {
                findings.extend(finding(around, policy, rule, peer));
            }
        }
    }
    findings
}

fn finding(around: &Surroundings<'_>, policy: &Policy, rule: &Rule, peer: &Peer) -> Option<Finding> {
    let PeerMatch::Endpoints(selector) = &peer.matches else {
        return None;
    };
    if around.selects_any(selector) {
        return None;
    }
    let label = match rule.action {
        Action::Allow => "allows nothing",
        Action::Deny => "denies nothing",
        Action::Pass => "passes nothing on",
    };
    let found = |message: String| {
        Finding::new(Code::PEER_SELECTS_NOTHING, message)
            .at(peer.origin.clone(), label)
            .about(object_name(policy))
    };
    if names_labels(selector)
        && let Some(pod) = around.on_host_network(selector).first()
    {
        return Some(
            found(
                "this peer selects only pods on the host network, which no pod selector matches".to_owned(),
            )
            .because(pod.origin.clone(), "has its node's address")
            .help(NODES_INSTEAD),
        );
    }
    let help = around.mistake(selector)?;
    Some(found("this peer selects no pod".to_owned()).help(help))
}
