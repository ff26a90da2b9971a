//! # PC305 deny-without-effect
//!
//! Everything that the rule denies is denied without it.
//!
//! ## What is wrong
//! The pods are denied by default what no rule allows, and no rule allows what this one denies. It changes nothing
//! today. That may be on purpose (it will still deny when somebody adds an allow), or the deny misses what it was meant
//! for: another label, another port, another direction.
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
//! Check that the deny matches what you want to keep out. Remove it, or keep it as a second lock.

use super::conflicts::of_redundant;
use super::policy_name;
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use verifier::Redundancy;

pub(super) fn finding(model: &Model, redundancy: &Redundancy) -> Option<Finding> {
    let rule = model.rule(redundancy.rule)?;
    let message = format!(
        "this deny {} rule of {} changes nothing: what it denies is denied by default, and nothing allows it",
        rule.direction,
        policy_name(model, redundancy.rule),
    );
    let texts = (message, "denies what is denied without it", "part is denied by");
    let finding = of_redundant(model, redundancy, Code::DENY_WITHOUT_EFFECT, texts)?;
    Some(
        finding.help(
            "check that it matches what you want to keep out; then keep it as a second lock, or remove it",
        ),
    )
}
