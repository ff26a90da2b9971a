//! # PC305 deny-without-effect
//!
//! Everything that the rule denies is denied without it.
//!
//! ## What is wrong
//! The pods are denied by default what no rule allows, and no rule allows what this one denies. It changes nothing
//! today. That may be on purpose (it will still deny when somebody adds an allow), or the deny misses what it was meant
//! for: another label, another port, another direction.
//!
//! A policy of Cilium's that only denies is the usual surprise: by having a rule it denies all that no rule allows, its
//! own pods' traffic with everybody else included. That is a warning, unless the rule denies everybody.
//!
//! ## Example
//! ```yaml
//! ingress:
//!   - fromEndpoints: [{matchLabels: {app: web}}]
//! ingressDeny:
//!   - fromEndpoints: [{matchLabels: {app: wbe}}]   # nobody lets these in
//! ```
//!
//! ## How to fix it
//! Check that the deny matches what you want to keep out. Remove it, or keep it as a second lock. Where the policy
//! only denies and was meant to deny only what its rules match, set `enableDefaultDeny` to `false` for the direction.

use super::conflicts::{of_redundant, only_denies, rule_of};
use super::policy_name;
use crate::diagnostic::{Code, Finding, Severity};
use ir::model::Model;
use ir::peer::Peers;
use verifier::Redundancy;

pub(super) fn finding(model: &Model, redundancy: &Redundancy) -> Option<Finding> {
    let (policy, rule) = rule_of(model, redundancy.rule)?;
    let (direction, name) = (rule.direction, policy_name(model, redundancy.rule));
    let (message, help) = if only_denies(policy, direction) {
        (
            format!(
                "{name} only denies {direction}, and so denies all {direction} that no rule allows; nothing allows what \
                 this rule denies"
            ),
            format!(
                "to deny only what its rules match set `enableDefaultDeny: {{{direction}: false}}`, where no other policy \
                 denies by default; to deny everything leave them, or write `{direction}: [{{}}]`"
            ),
        )
    } else {
        (
            format!(
                "this deny {direction} rule of {name} changes nothing: what it denies is denied by default, and nothing \
                 allows it"
            ),
            "check that it matches what you want to keep out; then keep it as a second lock, or remove it"
                .to_owned(),
        )
    };
    let texts = (message, "denies what is denied without it", "part is denied by");
    let finding = of_redundant(model, redundancy, Code::DENY_WITHOUT_EFFECT, texts)?;
    let mut finding = finding.help(help);
    // Whoever denies everybody means it.
    if only_denies(policy, direction) && rule.peers != Peers::Any {
        finding.severity = Severity::Warning;
    }
    Some(finding)
}
