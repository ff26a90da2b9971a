//! # PC618 domain-names-never-learned
//!
//! A rule names peers by DNS, and no rule lets Cilium watch the pod's DNS.
//!
//! ## What is wrong
//! `toFQDNs` opens the addresses that Cilium has seen in answers to the pod's own questions. It sees them only through its
//! DNS proxy, and a pod's questions go there only by a rule with `rules: {dns: […]}` for port 53. A rule that merely
//! allows port 53 lets the questions pass unseen: names are looked up, no address is learned from the answers, and the
//! connections are dropped, unless another pod of the node was seen to ask for the same (Cilium, "DNS based": a layer 7
//! DNS rule "is required to intercept DNS requests").
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

use super::object_name;
use super::pc604_dns_forgotten::{DNS_PORTS, Dns, speaks_of_dns};
use super::probes::Probing;
use super::surroundings::{Surroundings, include, listed};
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use ir::peer::{Entity, PeerMatch, Peers};
use ir::policy::{Action, BeyondKind, Direction, Policy, PolicyId, Rule};
use ir::port::{Ports, Protocol};
use ir::selecting::ListId;
use std::collections::HashMap;

/// Finds the first such rule of each policy.
#[must_use]
pub fn check(around: &Surroundings<'_>, probing: &Probing<'_>) -> Vec<Finding> {
    let model = around.model;
    let naming: Vec<(&Policy, &Rule)> = model
        .policies()
        .iter()
        // The API server's own kinds leave open how names are learned.
        .filter(|policy| policy.kind.is_cilium())
        .filter_map(|policy| Some((policy, policy.rules.iter().find(|rule| names_peers(rule))?)))
        .collect();
    if naming.is_empty() {
        return Vec::new();
    }
    let dns = Dns::of(probing);
    let said: Vec<Said> = model
        .policies()
        .iter()
        .map(|policy| Said::of(&dns, policy))
        .collect();
    let mut unseen = Unseen {
        model,
        said: &said,
        of_list: HashMap::new(),
    };
    naming
        .into_iter()
        .filter_map(|(policy, rule)| finding(around, &mut unseen, policy, rule))
        .collect()
}

fn finding(
    around: &Surroundings<'_>,
    unseen: &mut Unseen<'_, '_>,
    policy: &Policy,
    rule: &Rule,
) -> Option<Finding> {
    let pods = around.subjects(policy);
    let selecting = around.judge.selecting();
    let ((who, ask), port_53) = if pods.is_empty() {
        let near = around
            .model
            .policy_ids()
            .filter(|(_, other)| other.namespace.is_none() || other.namespace == policy.namespace);
        let near: Vec<PolicyId> = near.map(|(id, _)| id).collect();
        if !policy.default_deny.egress {
            return None;
        }
        (("these pods".to_owned(), "they ask"), unseen.among(&near)?)
    } else {
        let found = pods.iter().find_map(|id| {
            let list = selecting.list(id);
            Some((id, unseen.of(list, selecting.policies(list))?))
        });
        let (id, port_53) = found?;
        let pod = around.model.cluster.endpoint(id)?.to_string();
        ((pod, "it asks"), port_53)
    };
    let message = format!("no rule lets Cilium watch the DNS of {who}, so what {ask} for stays closed");
    let finding = Finding::new(Code::DOMAIN_NAMES_NEVER_LEARNED, message)
        .at(rule.origin.clone(), "addresses are learned from answers alone")
        .about(object_name(policy))
        .help("add `rules: {dns: [{matchPattern: \"*\"}]}` to a rule for DNS");
    Some(finding.because(port_53.origin.clone(), "lets questions pass unseen"))
}

/// What a policy says of DNS.
#[derive(Clone, Copy, Default)]
struct Said {
    /// Whether it denies egress that no rule allows.
    denies: bool,
    /// Whether it leads questions to the proxy, or opens what names could mean without them.
    suffices: bool,
    /// The place of a rule that lets questions pass and says nothing of them.
    lets_pass: Option<usize>,
}

impl Said {
    fn of(dns: &Dns<'_>, policy: &Policy) -> Self {
        let rules = || {
            policy
                .rules
                .iter()
                .filter(|rule| rule.direction == Direction::Egress && rule.action == Action::Allow)
        };
        Self {
            denies: policy.default_deny.egress,
            suffices: rules().any(|rule| watches_dns(rule) || opens_the_world(rule)),
            lets_pass: policy.rules.iter().position(|rule| lets_dns_pass(dns, rule)),
        }
    }
}

/// Whose questions Cilium does not see, by the policies that select a pod.
struct Unseen<'m, 's> {
    model: &'m Model,
    /// By [`PolicyId`].
    said: &'s [Said],
    of_list: HashMap<ListId, Option<&'m Rule>>,
}

impl<'m> Unseen<'m, '_> {
    /// The rule that lets their questions pass unseen, each list judged once.
    fn of(&mut self, list: ListId, policies: &[PolicyId]) -> Option<&'m Rule> {
        if let Some(known) = self.of_list.get(&list) {
            return *known;
        }
        let rule = self.among(policies);
        self.of_list.insert(list, rule);
        rule
    }

    fn among(&self, policies: &[PolicyId]) -> Option<&'m Rule> {
        let said = || {
            policies
                .iter()
                .map(|id| (*id, self.said.get(id.0 as usize).copied().unwrap_or_default()))
        };
        let is_restricted = said().any(|(_, said)| said.denies);
        if !is_restricted || said().any(|(_, said)| said.suffices) {
            return None;
        }
        let (id, place) = said().find_map(|(id, said)| Some((id, said.lets_pass?)))?;
        self.model.policy(id)?.rules.get(place)
    }
}

pub(super) fn names_peers(rule: &Rule) -> bool {
    let mut peers = listed(&rule.peers).iter();
    rule.action == Action::Allow && peers.any(|peer| matches!(peer.matches, PeerMatch::Domain(_)))
}

/// Whether questions go through the proxy.
fn watches_dns(rule: &Rule) -> bool {
    rule.beyond.iter().any(|beyond| beyond.kind == BeyondKind::Dns)
}

fn opens_the_world(rule: &Rule) -> bool {
    let is_world = |matches: &PeerMatch| {
        matches!(
            matches,
            PeerMatch::Entity(Entity::All | Entity::World | Entity::WorldIpv4)
        )
    };
    match &rule.peers {
        Peers::Any => rule.ports == Ports::Any,
        Peers::OneOf(peers) => peers.iter().any(|peer| is_world(&peer.matches)),
    }
}

/// By port, or with all else towards the cluster.
fn lets_dns_pass(dns: &Dns<'_>, rule: &Rule) -> bool {
    let mut peers = listed(&rule.peers).iter();
    let by_port = rule.ports != Ports::Any && !names_peers(rule) && speaks_of_dns(dns, rule);
    let to_cluster = peers.any(|peer| peer.matches == PeerMatch::Entity(Entity::Cluster));
    rule.direction == Direction::Egress
        && rule.action == Action::Allow
        && is_for_dns(rule)
        && (by_port || to_cluster)
}

fn is_for_dns(rule: &Rule) -> bool {
    let mut numbers = DNS_PORTS.into_iter();
    numbers.any(|number| {
        let mut protocols = [Protocol::Udp, Protocol::Tcp].into_iter();
        protocols.any(|protocol| include(&rule.ports, protocol, number))
    })
}
