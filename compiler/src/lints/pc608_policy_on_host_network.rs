//! # PC608 policy-on-host-network
//!
//! The policy selects host-network pods, on which it has no effect.
//!
//! ## What is wrong
//! A pod with `hostNetwork: true` has its node's address and shares its network with everything else there. Engines
//! cannot tell its packets from the node's, so that no policy applies to it: it stays open, with every port of every
//! process on the node.
//!
//! It is a warning where the policy's labels fit no other pod, and a note where such pods are only among those that
//! it selects.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: exporter, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: exporter}}
//!   policyTypes: [Ingress]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: exporter, namespace: shop, labels: {app: exporter}}
//! spec: {hostNetwork: true, containers: [{name: exporter, image: exporter}]}
//! ```
//!
//! ## How to fix it
//! Give the pod a network of its own if it can do without the node's. If it cannot, protect the node: by its firewall,
//! or by a CiliumClusterwideNetworkPolicy with a `nodeSelector`.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: exporter, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: exporter}}
//!   policyTypes: [Ingress]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: exporter, namespace: shop, labels: {app: exporter}}
//! spec: {containers: [{name: exporter, image: exporter}]}
//! ```

use super::object_name;
use super::surroundings::{Surroundings, names_labels, some_of};
use crate::diagnostic::{Code, Finding, Severity};
use crate::load::Object;
use crate::route;
use ir::cluster::Endpoint;
use ir::origin::Origin;
use ir::policy::{Policy, Subject};
use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};

/// How many of the pods are shown where they are written.
const SHOWN: usize = 3;

/// Finds such policies.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    // Few inputs have such pods.
    let objects = LazyCell::new(|| named(around));
    let policies = around.model.policies().iter();
    policies
        .filter_map(|policy| finding(around, &objects, policy))
        .collect()
}

fn finding<'a>(
    around: &Surroundings<'a>,
    objects: &LazyCell<Named<'a>, impl FnOnce() -> Named<'a>>,
    policy: &Policy,
) -> Option<Finding> {
    let Subject::Endpoints(selector) = &policy.subject else {
        return None;
    };
    let pods = around.on_host_network(selector);
    let first = pods.first()?;
    let names: BTreeSet<_> = pods.iter().map(ToString::to_string).collect();
    // A policy for a whole namespace may have other pods to protect that the input lacks.
    let is_vain = names_labels(selector) && !around.selects_any(selector);
    let message = if is_vain {
        format!(
            "this policy has no effect: it selects only {}, on the host network",
            some_of(&names)
        )
    } else {
        format!(
            "this policy has no effect on {}, on the host network",
            some_of(&names)
        )
    };
    let mut finding = Finding::new(Code::POLICY_ON_HOST_NETWORK, message)
        .at(policy.origin.clone(), "")
        .about(object_name(policy))
        .help(format!(
            "run {first} without `hostNetwork`, or protect its node: no policy on pods applies to it"
        ));
    for pod in pods.iter().take(SHOWN) {
        finding = finding.because(written(objects, pod), "shares its node's network");
    }
    if !is_vain {
        finding.severity = Severity::Note;
    }
    Some(finding)
}

/// The objects by where they are named, which is where their pods are.
type Named<'a> = HashMap<Origin, &'a Object>;

fn named<'a>(around: &Surroundings<'a>) -> Named<'a> {
    let name = route!["metadata", "name"];
    let objects = around.objects.iter();
    objects.map(|object| (object.key_origin(&name), object)).collect()
}

/// Where a pod says that it is on the host network, in its own manifest or its workload's.
fn written(objects: &Named<'_>, pod: &Endpoint) -> Origin {
    let places = [
        route!["spec", "hostNetwork"],
        route!["spec", "template", "spec", "hostNetwork"],
        route!["spec", "jobTemplate", "spec", "template", "spec", "hostNetwork"],
    ];
    let written = objects.get(&pod.origin).and_then(|object| {
        let place = places.iter().find(|place| object.has(place))?;
        Some(object.key_origin(place))
    });
    written.unwrap_or_else(|| pod.origin.clone())
}
