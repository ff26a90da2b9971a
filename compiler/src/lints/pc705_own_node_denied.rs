//! # PC705 own-node-denied
//!
//! Cilium denies the pod's own node as well; here it always reaches its pods.
//!
//! ## What is wrong
//! What the kubelet asks a pod (liveness, readiness and startup probes by HTTP, TCP or gRPC) comes from the pod's own
//! node. Kubernetes' text lets it in whatever a policy says, and so does Portcullis. Cilium lets it in by an entry like
//! any other allow (`determineAllowLocalhostIngress` in `pkg/policy/mapstate.go`), and its deny rules come first: one whose
//! peers are `host`, `cluster`, `all` or everybody keeps the kubelet out, and pods are restarted that nothing is
//! wrong with.
//!
//! A rule for single ports is told where a selected pod lists one of them.
//!
//! ## What engines do
//!
//! | | the kubelet's probes |
//! |---|---|
//! | Kubernetes' text | pass |
//! | Cilium 1.20 | denied |
//! | Cilium up to 1.19 | denied |
//!
//! ## Example
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumNetworkPolicy
//! metadata: {name: batch, namespace: shop}
//! spec:
//!   endpointSelector: {matchLabels: {app: batch}}
//!   ingressDeny:
//!     - fromEntities: [cluster, world]
//! ```
//!
//! ## How to fix it
//! Deny by default instead, with an entry that allows nobody; or deny the others alone.
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumNetworkPolicy
//! metadata: {name: batch, namespace: shop}
//! spec:
//!   endpointSelector: {matchLabels: {app: batch}}
//!   ingress:
//!     - {}
//! ```

use super::object_name;
use super::surroundings::{Surroundings, include};
use crate::diagnostic::{Code, Engines, Finding};
use ir::cluster::ContainerRole;
use ir::origin::Origin;
use ir::peer::{Entity, PeerMatch, Peers};
use ir::policy::{Action, Direction, Policy, Rule, Subject};
use ir::port::{Ports, Protocol};

/// Finds such rules of policies on pods.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    let policies = around.model.policies().iter();
    policies
        .flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)))
        .filter_map(|(policy, rule)| {
            let place = own_node(policy, rule)?;
            may_be_probed(around, policy, rule).then(|| finding(policy, rule, place))
        })
        .collect()
}

/// Whether the kubelet may ask a pod on one of the rule's ports. Of single ports only those are taken for it that a
/// selected pod lists.
fn may_be_probed(around: &Surroundings<'_>, policy: &Policy, rule: &Rule) -> bool {
    let Subject::Endpoints(selector) = &policy.subject else {
        return false;
    };
    let subjects = around.subjects(policy);
    let on_host_network = subjects.is_empty() && !around.on_host_network(selector).is_empty();
    let listed = || {
        let pods = subjects.iter().filter_map(|id| around.model.cluster.endpoint(id));
        pods.flat_map(|pod| &pod.ports)
            .filter(|port| port.role != ContainerRole::Init && port.protocol == Protocol::Tcp)
    };
    !on_host_network
        && (rule.ports == Ports::Any || listed().any(|port| include(&rule.ports, Protocol::Tcp, port.number)))
}

/// Where a rule of Cilium's speaks of its pods' own node, if it denies it to them.
pub(super) fn own_node<'m>(policy: &Policy, rule: &'m Rule) -> Option<&'m Origin> {
    let is_asked = policy.kind.is_cilium()
        && matches!(policy.subject, Subject::Endpoints(_))
        && (rule.direction, rule.action) == (Direction::Ingress, Action::Deny);
    match &rule.peers {
        _ if !is_asked => None,
        Peers::Any => Some(&rule.origin),
        Peers::OneOf(peers) => {
            let peer = peers.iter().find(|peer| is_own_node(&peer.matches))?;
            Some(&peer.origin)
        }
    }
}

/// Whether the own node of whom a rule is about is among its peers.
pub(super) fn takes_in_own_node(peers: &Peers) -> bool {
    match peers {
        Peers::Any => true,
        Peers::OneOf(peers) => peers.iter().any(|peer| is_own_node(&peer.matches)),
    }
}

fn is_own_node(matches: &PeerMatch) -> bool {
    matches!(
        matches,
        PeerMatch::Entity(Entity::All | Entity::Cluster | Entity::Host)
    )
}

fn finding(policy: &Policy, rule: &Rule, place: &Origin) -> Finding {
    let message = match rule.ports {
        Ports::Any => "Cilium denies the pods' own node by this rule as well, and so the kubelet's probes",
        Ports::OneOf(_) => {
            "Cilium denies the pods' own node by this rule as well, and so the kubelet's probes of these ports"
        }
    };
    let help = match rule.ports {
        Ports::Any => {
            "deny by default instead, with `ingress: [{}]`; or leave the own node out: `world` and `remote-node` for others, \
             `fromEndpoints` for pods"
        }
        Ports::OneOf(_) => {
            "leave the own node out: `fromEntities: [world, remote-node]`, and `fromEndpoints` for pods"
        }
    };
    let denied = || "denies the pod's own node".to_owned();
    Finding::new(Code::OWN_NODE_DENIED, message)
        .at(place.clone(), "the pods' own node is among these")
        .about(object_name(policy))
        .engines(Engines {
            kubernetes: "a pod's own node always reaches it".to_owned(),
            cilium_1_20: denied(),
            cilium_1_19: denied(),
        })
        .help(help)
}
