//! # PC309 shadowed-by-priority
//!
//! What is asked earlier decides every flow that the rule matches.
//!
//! ## What is wrong
//! The admin tier is asked before namespaced policies, those and their default deny before the baseline tier, and in the
//! ordered tiers a lower priority before a higher one and an earlier rule before a later one. For every flow that this
//! rule matches somebody before it has decided, so that it is never asked.
//!
//! ## Example
//! ```yaml
//! ingress:
//!   - {action: Deny, from: [{namespaces: {}}]}
//!   - {action: Accept, from: [{namespaces: {matchLabels: {team: ops}}}]}   # the deny above has decided
//! ```
//!
//! ## How to fix it
//! Put the rule before those that decide (a lower priority number, or an earlier place), narrow them or let them `Pass`;
//! or remove the rule.

use super::conflicts::{Removal, of_redundant};
use super::policy_name;
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use ir::policy::Tier;
use verifier::Redundancy;

pub(super) fn finding(model: &Model, redundancy: &Redundancy, removal: &Removal<'_>) -> Option<Finding> {
    let rule = model.rule(redundancy.rule)?;
    let by = match (redundancy.covered_by.is_empty(), rule.rank.tier) {
        (false, _) => "rules that are asked earlier decide everything that it matches",
        (true, Tier::Baseline) => "a policy above the baseline denies by default",
        (true, Tier::Admin | Tier::Namespaced) => "the pod's own node is let in before any rule is asked",
    };
    let message = format!(
        "this {} {} rule of {} is never asked: {by}",
        rule.action.as_str(),
        rule.direction,
        policy_name(model, redundancy.rule),
    );
    let texts = (message, "never asked", "decided before by");
    let finding = of_redundant(model, redundancy, Code::SHADOWED_BY_PRIORITY, texts)?;
    let help = if redundancy.covered_by.is_empty() {
        "remove the rule"
    } else {
        "put it before them, narrow them or let them pass; or remove it"
    };
    Some(finding.help(removal.advice(redundancy.rule, help)))
}
