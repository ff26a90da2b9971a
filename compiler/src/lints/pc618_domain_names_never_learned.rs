//! # PC618 domain-names-never-learned
//!
//! A rule names peers by DNS, and no rule lets Cilium watch the pod's DNS.
//!
//! ## What is wrong
//! `toFQDNs` opens the addresses that Cilium has seen in answers to the pod's own questions. It sees them only through its
//! DNS proxy, and a pod's questions go there only by a rule with `rules: {dns: […]}` for port 53. A rule that merely
//! allows port 53 lets the questions pass unseen: names are looked up, no address is learned, and every connection is
//! dropped (Cilium, "DNS based": a layer 7 DNS rule "is required to intercept DNS requests").
//!
//! Where no pod is selected, any such rule in the policy's namespace or for the whole cluster counts. Where no rule allows
//! DNS at all, that is told instead (PC604).
//!
//! ## Example
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumNetworkPolicy
//! metadata: {name: payments, namespace: shop}
//! spec:
//!   endpointSelector: {matchLabels: {app: payments}}
//!   egress:
//!     - toFQDNs: [{matchName: api.example.com}]
//!     - toEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": kube-system, k8s-app: kube-dns}}]
//!       toPorts: [{ports: [{port: "53", protocol: ANY}]}]
//! ```
//!
//! ## How to fix it
//! Let the rule for DNS say which names may be asked for.
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumNetworkPolicy
//! metadata: {name: payments, namespace: shop}
//! spec:
//!   endpointSelector: {matchLabels: {app: payments}}
//!   egress:
//!     - toFQDNs: [{matchName: api.example.com}]
//!     - toEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": kube-system, k8s-app: kube-dns}}]
//!       toPorts:
//!         - ports: [{port: "53", protocol: ANY}]
//!           rules: {dns: [{matchPattern: "*"}]}
//! ```

use super::surroundings::{Surroundings, include, listed};
use super::{cilium_names, object_name};
use crate::diagnostic::{Code, Finding};
use ir::cluster::EndpointId;
use ir::peer::{Entity, PeerMatch, Peers};
use ir::policy::{Action, BeyondKind, Direction, Policy, PolicyKind, Rule};
use ir::port::{Ports, Protocol};

/// Finds the first such rule of each policy.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    let policies = around.model.policies().iter();
    policies.filter_map(|policy| finding(around, policy)).collect()
}

fn finding(around: &Surroundings<'_>, policy: &Policy) -> Option<Finding> {
    // The API server's own kinds leave open how names are learned.
    if !cilium_names::enforces(policy.kind) || policy.kind == PolicyKind::NetworkPolicy {
        return None;
    }
    let rule = policy.rules.iter().find(|rule| names_peers(rule))?;
    let pods = around.subjects(policy);
    let (message, port_53) = if pods.is_empty() {
        let others = around.model.policies().iter();
        let near = || {
            others
                .clone()
                .filter(|other| other.namespace.is_none() || other.namespace == policy.namespace)
        };
        if near().any(watches_dns) {
            return None;
        }
        (
            "no rule here lets Cilium watch DNS, so this one never opens".to_owned(),
            near().find_map(allows_dns),
        )
    } else {
        let id = pods.iter().find(|id| !selecting(around, *id).any(watches_dns))?;
        let pod = around.model.cluster.endpoint(id)?;
        (
            format!("no rule lets Cilium watch the DNS of {pod}, so this one never opens"),
            selecting(around, id).find_map(allows_dns),
        )
    };
    let finding = Finding::new(Code::DOMAIN_NAMES_NEVER_LEARNED, message)
        .at(rule.origin.clone(), "addresses are learned from answers alone")
        .about(object_name(policy))
        .help("add `rules: {dns: [{matchPattern: \"*\"}]}` to a rule for port 53");
    Some(finding.because(port_53?.origin.clone(), "lets questions pass unseen"))
}

/// The policies that select a pod.
fn selecting<'a>(around: &'a Surroundings<'_>, id: EndpointId) -> impl Iterator<Item = &'a Policy> {
    let selecting = around.judge.selecting();
    let ids = selecting.policies(selecting.list(id)).iter();
    ids.filter_map(|id| around.model.policy(*id))
}

fn names_peers(rule: &Rule) -> bool {
    let peers = listed(&rule.peers).iter();
    rule.action == Action::Allow
        && peers
            .map(|peer| &peer.matches)
            .any(|matches| matches!(matches, PeerMatch::Domain(_)))
}

/// Whether a policy leads questions to the proxy.
fn watches_dns(policy: &Policy) -> bool {
    policy.rules.iter().any(|rule| {
        allows_port_53(rule) && rule.beyond.iter().any(|beyond| beyond.kind == BeyondKind::Layer7)
    })
}

/// A rule that lets questions pass and says nothing of them: by port, or with all else towards the whole cluster.
fn allows_dns(policy: &Policy) -> Option<&Rule> {
    let towards_all = |rule: &Rule| match &rule.peers {
        Peers::Any => true,
        Peers::OneOf(peers) => peers
            .iter()
            .any(|peer| matches!(peer.matches, PeerMatch::Entity(Entity::All | Entity::Cluster))),
    };
    let by_port = |rule: &Rule| rule.ports != Ports::Any && !names_peers(rule);
    let mut rules = policy.rules.iter();
    rules.find(|rule| allows_port_53(rule) && (by_port(rule) || towards_all(rule)))
}

fn allows_port_53(rule: &Rule) -> bool {
    rule.direction == Direction::Egress
        && rule.action == Action::Allow
        && [Protocol::Udp, Protocol::Tcp]
            .into_iter()
            .any(|protocol| include(&rule.ports, protocol, 53))
}
