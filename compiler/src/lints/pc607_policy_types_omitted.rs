//! # PC607 policy-types-omitted
//!
//! `policyTypes` is left out and what it defaults to depends on the other fields.
//!
//! ## What is wrong
//! Without `policyTypes`, a NetworkPolicy is always in force for ingress, and for egress when it has an egress rule:
//!
//! - a policy with egress rules alone denies all ingress too, which is rarely meant (a warning);
//! - `egress: []` does not deny egress, although `ingress: []` denies ingress (a warning);
//! - with rules of both directions it means what it looks like, until somebody removes the last egress rule (a note).
//!
//! Nothing is said of policies without an `egress` section: ingress is meant, and ingress it is.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   egress:                     # and nobody reaches the pod any more
//!     - ports: [{port: 53, protocol: UDP}, {port: 5432}]
//! ```
//!
//! ## How to fix it
//! Say which directions are meant.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Egress]
//!   egress:
//!     - ports: [{port: 53, protocol: UDP}, {port: 5432}]
//! ```
//!
//! `check --fix` adds `policyTypes: [Ingress, Egress]` where there are rules of both directions: it says what is meant
//! already. Elsewhere what the policy means and what it looks like differ, and you choose; an editor offers both.

use super::OUTSIDE;
use super::beside::InFront;
use super::surroundings::Surroundings;
use crate::diagnostic::{Applicability, Code, Finding, Fix, Severity, Witness};
use crate::load::{Object, ObjectKind};
use crate::route;
use ir::cluster::EndpointId;
use ir::flow::{Because, Party};
use ir::policy::{Direction, PolicyId, PolicyKind};
use ir::port::Protocol;

/// Finds such policies.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    around
        .objects
        .iter()
        .filter_map(|object| finding(around, object))
        .collect()
}

fn finding(around: &Surroundings<'_>, object: &Object) -> Option<Finding> {
    let ObjectKind::NetworkPolicy(policy) = &object.kind else {
        return None;
    };
    let spec = policy.spec.as_ref()?;
    if spec.policy_types.as_ref().is_some_and(|types| !types.is_empty()) {
        return None;
    }
    let egress = spec.egress.as_ref()?;
    let has_ingress = spec.ingress.is_some();
    let (message, label, help, is_trap) = match (egress.is_empty(), has_ingress) {
        (true, _) => (
            "`egress: []` denies no egress: without `policyTypes` the policy is about ingress alone",
            "has no effect",
            "add `policyTypes: [Ingress, Egress]`, or `[Egress]` alone if ingress is not meant",
            true,
        ),
        (false, false) => (
            "this policy also denies all ingress: without `policyTypes` it is always in force for ingress",
            "egress rules alone",
            "add `policyTypes: [Egress]`, or `[Ingress, Egress]` if ingress is meant to be denied",
            true,
        ),
        (false, true) => (
            "that this policy restricts egress rests on its having an egress rule: `policyTypes` is left out",
            "this makes it restrict egress",
            "add `policyTypes: [Ingress, Egress]`",
            false,
        ),
    };
    let mut finding = Finding::new(Code::POLICY_TYPES_OMITTED, message)
        .at(object.key_origin(&route!["spec", "egress"]), label)
        .about(object.name.clone())
        .help(help);
    if is_trap {
        finding.severity = Severity::Warning;
        // What it means is not what it looks like: which of the two is meant, a person knows.
        let implied = if egress.is_empty() {
            &["Ingress"][..]
        } else {
            &["Ingress", "Egress"]
        };
        let looks_like = match (egress.is_empty(), has_ingress) {
            (true, true) => &["Ingress", "Egress"][..],
            (true, false) | (false, _) => &["Egress"],
        };
        for types in [implied, looks_like] {
            finding
                .fixes
                .extend(spelt_out(object, types, Applicability::Suggestion));
        }
    } else {
        finding
            .fixes
            .extend(spelt_out(object, &["Ingress", "Egress"], Applicability::Safe));
    }
    if !egress.is_empty()
        && !has_ingress
        && let Some(witness) = witness(around, object)
    {
        finding = finding.witness(witness);
    }
    Some(finding)
}

/// `policyTypes` in front of `egress`, written as its neighbours are.
fn spelt_out(object: &Object, types: &[&str], applicability: Applicability) -> Option<Fix> {
    if object.has(&route!["spec", "policyTypes"]) {
        return None;
    }
    let place = InFront::of(object, &route!["spec", "egress"])?;
    let list: Vec<_> = types.iter().map(|word| place.word(word)).collect();
    let entry = place.entry("policyTypes", &format!("[{}]", list.join(", ")));
    let title = format!("add `policyTypes: [{}]`", types.join(", "));
    Some(Fix::new(applicability, title).replace(place.at, entry))
}

/// A flow to one of the policy's pods that it alone denies.
fn witness(around: &Surroundings<'_>, object: &Object) -> Option<Witness> {
    let (id, policy) = around.model.policy_named(
        PolicyKind::NetworkPolicy,
        object.name.namespace.as_deref(),
        &object.name.name,
    )?;
    around
        .subjects(policy)
        .iter()
        .find_map(|pod| denied_by_default(around, id, pod))
}

fn denied_by_default(around: &Surroundings<'_>, policy: PolicyId, pod: EndpointId) -> Option<Witness> {
    let endpoint = around.model.cluster.endpoint(pod)?;
    let port = endpoint
        .ports
        .iter()
        .find(|port| port.protocol == Protocol::Tcp)?;
    let outside = Party::Outside(OUTSIDE);
    let decision = around
        .judge
        .decide(pod, Direction::Ingress, outside, port.protocol, port.number);
    let by_this = decision.because == Because::DefaultDeny(vec![policy]);
    by_this.then(|| Witness {
        from: OUTSIDE.to_string(),
        to: endpoint.to_string(),
        protocol: port.protocol.to_string(),
        port: Some(port.number),
    })
}
