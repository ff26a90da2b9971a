//! # PC302 rule-redundant
//!
//! Other rules already decide every flow that the rule matches, for every pod that could exist.
//!
//! ## What is wrong
//! Nothing is open or closed because of this rule: without it every verdict stays the same. It may be left over from
//! a change, or it may be meant to say something that it does not. A reader who tightens one of the rules that cover
//! it will not see a difference, because this one still opens the same flows.
//!
//! A rule of Cilium's that demands something of requests, and is covered by one that does not, keeps nothing out by its
//! demands. That is told as such; the proxy still sees its traffic, so that it is not called removable. A rule that
//! demands authentication or a proxy's listener changes how flows are let through, and is not reported.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Ingress]
//!   ingress:
//!     - from: [{podSelector: {}}]
//!     - from: [{podSelector: {matchLabels: {app: web}}}]   # every pod is let in by the rule above
//! ```
//!
//! ## How to fix it
//! Remove the rule, or narrow the rules that cover it.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Ingress]
//!   ingress:
//!     - from: [{podSelector: {matchLabels: {app: web}}}]
//! ```

use super::conflicts::{Removal, of_redundant};
use super::policy_name;
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use ir::policy::BeyondKind;
use verifier::Redundancy;

pub(super) fn finding(model: &Model, redundancy: &Redundancy, removal: &Removal<'_>) -> Option<Finding> {
    let rule = model.rule(redundancy.rule)?;
    let uncovered = redundancy.covered_by.is_empty();
    let rule_of = format!(
        "{} rule of {}",
        rule.direction,
        policy_name(model, redundancy.rule)
    );
    let action = rule.action.as_str();
    let (message, at, help) = if rule.beyond.is_empty() {
        let why = if uncovered {
            "nothing denies what it matches".to_owned()
        } else {
            format!("other rules already {action} everything that it matches")
        };
        let help = if uncovered {
            removal.advice(redundancy.rule, "remove the rule")
        } else {
            removal.advice(
                redundancy.rule,
                "narrow the rules that cover it, or remove the rule",
            )
        };
        (
            format!("this {rule_of} changes nothing: {why}"),
            "decides nothing",
            help,
        )
    } else if uncovered || rule.beyond.iter().any(|beyond| !of_requests(beyond.kind)) {
        return None;
    } else {
        (
            format!(
                "what this {rule_of} demands of requests keeps nothing out: other rules already {action} everything that \
                 it matches"
            ),
            "whatever it demands",
            "narrow the rules that cover it; to see requests, or the names that `toFQDNs` needs, it may stay"
                .to_owned(),
        )
    };
    let texts = (message, at, "covered by");
    let finding = of_redundant(model, redundancy, Code::RULE_REDUNDANT, texts)?;
    Some(finding.help(help))
}

/// Demands that say which of the requests on a connection pass, and let the rest fail one by one.
fn of_requests(kind: BeyondKind) -> bool {
    matches!(kind, BeyondKind::Layer7 | BeyondKind::Dns)
}
