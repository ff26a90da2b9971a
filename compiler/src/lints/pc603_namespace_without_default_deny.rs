//! # PC603 namespace-without-default-deny
//!
//! No policy of the namespace denies by default.
//!
//! ## What is wrong
//! Policies protect the pods that they select. Here a pod that no policy was written for is open to everything: one
//! that runs already, or the one that somebody starts tomorrow. A policy that selects every pod and allows nothing
//! turns that round: what is not allowed is closed. A policy about egress alone leaves ingress open.
//!
//! It is asked about ingress, of a pod without labels. Any policy that isolates such a pod will do, a cluster-wide one
//! as well. Said only of namespaces with workloads that the input defines, or that some policy of the input protects
//! in part; never of `kube-…`, which are the system's.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Ingress]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: api, namespace: shop, labels: {app: api}}
//! spec: {containers: [{name: api, image: api}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: admin, namespace: shop, labels: {app: admin}}   # open to everybody
//! spec: {containers: [{name: admin, image: admin}]}
//! ```
//!
//! ## How to fix it
//! Add a policy that selects every pod and has no rule.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: default-deny, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: admin, namespace: shop, labels: {app: admin}}
//! spec: {containers: [{name: admin, image: admin}]}
//! ```

use super::OUTSIDE;
use super::probes::{Probing, is_probe};
use super::surroundings::Surroundings;
use crate::diagnostic::{Code, Finding, ObjectName, Witness};
use crate::route;
use ir::cluster::{Endpoint, EndpointId};
use ir::flow::{Because, Flow, Party};
use ir::policy::Direction;
use ir::port::Protocol;
use std::collections::BTreeSet;

/// The port to ask about where a pod declares none.
const ANY_PORT: u16 = 80;

/// Finds such namespaces.
#[must_use]
pub fn check(around: &Surroundings<'_>, probing: &Probing<'_>) -> Vec<Finding> {
    let protected: BTreeSet<&str> = around
        .all_subjects()
        .iter()
        .filter_map(|id| around.model.cluster.endpoint(id))
        .map(|pod| pod.namespace.as_str())
        .collect();
    let mut findings = Vec::new();
    for (namespace, probe) in &probing.probes.bare {
        let is_protected = protected.contains(namespace.as_str()) && around.is_named(namespace);
        let is_ours = is_protected || around.namespace(namespace).is_some();
        if is_ours && !namespace.starts_with("kube-") && is_open(probing, *probe) {
            findings.extend(finding(around, probing, namespace));
        }
    }
    findings
}

/// Whether an outside address reaches a pod because no policy is about it.
fn is_open(probing: &Probing<'_>, pod: EndpointId) -> bool {
    let outside = Party::Outside(OUTSIDE);
    let ingress = Direction::Ingress;
    let decision = probing
        .judge
        .decide(pod, ingress, outside, Protocol::Tcp, ANY_PORT);
    decision.allowed && decision.because == Because::Unrestricted
}

fn finding(around: &Surroundings<'_>, probing: &Probing<'_>, namespace: &str) -> Option<Finding> {
    let mut asked = BTreeSet::new();
    let there = probing.probes.model.cluster.endpoints_in(namespace);
    let mut pods = there.filter(|(_, pod)| !pod.host_network && !is_probe(pod) && asked.insert(&pod.labels));
    let object = around.namespace(namespace);
    let first = around
        .model
        .cluster
        .endpoints_in(namespace)
        .map(|(_, pod)| pod)
        .find(|pod| !pod.host_network)?;
    let origin = object.map_or_else(
        || first.origin.clone(),
        |object| object.key_origin(&route!["metadata", "name"]),
    );
    let message = format!(
        "no policy denies by default in namespace `{namespace}`: a pod that none selects is open to everything"
    );
    let open = pods.find_map(|(id, pod)| Some((pod, witness(probing, id, pod)?)));
    let unselected = "no policy restricts its ingress";
    let is_here = open.as_ref().is_some_and(|(pod, _)| pod.origin == origin);
    let mut finding = Finding::new(Code::NAMESPACE_WITHOUT_DEFAULT_DENY, message)
        .at(origin, if is_here { unselected } else { "" })
        .about(ObjectName {
            kind: "Namespace".to_owned(),
            namespace: None,
            name: namespace.to_owned(),
        })
        .help("add a NetworkPolicy with `podSelector: {}` and `policyTypes: [Ingress]` and no rule, then allow what is needed");
    if let Some((pod, witness)) = open {
        if !is_here {
            finding = finding.because(pod.origin.clone(), unselected);
        }
        finding = finding.witness(witness);
    }
    Some(finding)
}

/// A flow from outside that reaches the pod because nothing is said about it.
fn witness(probing: &Probing<'_>, id: EndpointId, pod: &Endpoint) -> Option<Witness> {
    if !is_open(probing, id) {
        return None;
    }
    let port = pod.ports.iter().find(|port| port.protocol == Protocol::Tcp);
    let port = port.map_or(ANY_PORT, |port| port.number);
    let flow = Flow {
        source: Party::Outside(OUTSIDE),
        destination: Party::Endpoint {
            id,
            address: pod.addresses.first().copied(),
        },
        protocol: Protocol::Tcp,
        port,
    };
    probing.judge.evaluate(&flow).allowed().then(|| Witness {
        from: OUTSIDE.to_string(),
        to: pod.to_string(),
        protocol: Protocol::Tcp.to_string(),
        port: Some(port),
    })
}
