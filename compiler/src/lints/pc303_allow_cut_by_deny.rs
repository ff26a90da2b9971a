//! # PC303 allow-cut-by-deny
//!
//! Deny rules take away everything that the rule allows.
//!
//! ## What is wrong
//! A deny wins over every allow of the namespaced policies, whichever policy it is in. Here deny rules match every flow
//! that this rule allows, for every pod that could exist, so that it opens nothing. One of the two sides is not what its
//! author meant: what should be open is closed, or what should be closed only is so until somebody removes the deny.
//!
//! Policies on nodes are compared with one another in the same way: an allow of SSH beside a deny of it to everybody
//! locks everybody out.
//!
//! ## Example
//! ```yaml
//! ingress:
//!   - fromEndpoints: [{matchLabels: {app: batch}}]
//! ingressDeny:
//!   - fromEndpoints: [{matchExpressions: [{key: app, operator: In, values: [batch, test]}]}]
//! ```
//!
//! ## How to fix it
//! Narrow the deny rule, or remove the allow.

use super::conflicts::{Removal, of_redundant};
use super::policy_name;
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use verifier::Redundancy;

pub(super) fn finding(model: &Model, redundancy: &Redundancy, removal: &Removal<'_>) -> Option<Finding> {
    let rule = model.rule(redundancy.rule)?;
    let message = format!(
        "this {} rule of {} allows nothing: deny rules match everything that it allows",
        rule.direction,
        policy_name(model, redundancy.rule),
    );
    let texts = (message, "opens nothing", "denied by");
    let finding = of_redundant(model, redundancy, Code::ALLOW_CUT_BY_DENY, texts)?;
    let help = "a deny wins wherever it is written: narrow the deny rule, or remove the allow";
    Some(finding.help(removal.advice(redundancy.rule, help)))
}
