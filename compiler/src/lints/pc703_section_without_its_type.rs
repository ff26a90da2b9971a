//! # PC703 section-without-its-type
//!
//! A section that `policyTypes` leaves out is ignored by Kubernetes and enforced by Cilium.
//!
//! ## What is wrong
//! The policy lists its directions in `policyTypes`, and has rules of one that is not among them. By Kubernetes' text
//! those rules say nothing: the direction stays as open as other policies leave it. Cilium up to 1.20 takes the rules
//! all the same, and with them denies what they do not allow. Either way one of the two lines is not what was meant.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Ingress]
//!   egress:                                  # says nothing
//!     - to: [{podSelector: {matchLabels: {app: db}}}]
//! ```
//!
//! ## How to fix it
//! List the direction, or remove the rules. `check --fix --unsafe-fixes` lists it: what Cilium enforces already is what
//! Kubernetes' text says then.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Ingress]
//! ```

use super::beside::one_more;
use super::surroundings::Surroundings;
use crate::diagnostic::{Code, Finding, Fix};
use crate::load::{Object, ObjectKind};
use crate::route;

/// Finds such sections.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    around.objects.iter().flat_map(of_object).collect()
}

fn of_object(object: &Object) -> Vec<Finding> {
    let ObjectKind::NetworkPolicy(policy) = &object.kind else {
        return Vec::new();
    };
    let Some(spec) = &policy.spec else {
        return Vec::new();
    };
    let types = spec.policy_types.as_deref().unwrap_or_default();
    let has_rules = [
        (
            "ingress",
            "Ingress",
            spec.ingress.as_ref().is_some_and(|rules| !rules.is_empty()),
        ),
        (
            "egress",
            "Egress",
            spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
        ),
    ];
    has_rules
        .into_iter()
        .filter(|(_, of_type, has_rules)| *has_rules && !types.is_empty() && types.iter().all(|one| one != of_type))
        .map(|(section, of_type, _)| {
            let message = format!("`{section}` has rules and `policyTypes` leaves `{of_type}` out: Kubernetes ignores them, Cilium enforces them");
            let mut finding = Finding::new(Code::SECTION_WITHOUT_ITS_TYPE, message)
                .at(object.key_origin(&route!["spec", section]), "says nothing by Kubernetes' text")
                .because(object.origin(&route!["spec", "policyTypes"]), format!("`{of_type}` is not here"))
                .about(object.name.clone())
                .help(format!("add `{of_type}` to `policyTypes`, or remove the section"));
            // By Kubernetes' text it changes what is allowed: a person looks at it.
            finding.fixes.extend(
                one_more(object, &route!["spec", "policyTypes"], of_type).map(|(place, text)| {
                    Fix::suggestion(format!("add `{of_type}` to `policyTypes`")).replace(place, text)
                }),
            );
            finding
        })
        .collect()
}
