//! # PC309 shadowed-by-priority
//!
//! What is asked earlier decides every flow that the rule matches.
//!
//! ## What is wrong
//! The admin tier is asked before namespaced policies, those and their default deny before the baseline tier, and in the
//! ordered tiers a lower priority before a higher one and an earlier rule before a later one. For every flow that this
//! rule matches somebody before it has decided, so that it is never asked.
//!
//! A pod's own node is let in before any rule is asked. A rule of Cilium's for `host` alone is a note: with
//! `allow-localhost: policy` Cilium asks it. Between policies of one priority the API leaves the order open (PC310); where
//! the answer rests on it, the finding says so.
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

use super::conflicts::{Removal, of_redundant, rule_of};
use super::policy_name;
use crate::diagnostic::{Code, Finding, Severity};
use ir::model::Model;
use ir::policy::{Rule, RuleId, Tier};
use verifier::Redundancy;

pub(super) fn finding(model: &Model, redundancy: &Redundancy, removal: &Removal<'_>) -> Option<Finding> {
    let (policy, rule) = rule_of(model, redundancy.rule)?;
    let is_cilium = policy.kind.is_cilium();
    let by = match (redundancy.covered_by.is_empty(), rule.rank.tier) {
        (false, _) => "rules that are asked earlier decide everything that it matches",
        (true, Tier::Baseline) => "a policy above the baseline denies by default",
        (true, Tier::Admin | Tier::Namespaced) => "the pod's own node is let in before any rule is asked",
    };
    let of_own_node = redundancy.covered_by.is_empty() && rule.rank.tier != Tier::Baseline;
    let left_open = left_open(model, redundancy);
    let but = left_open.map_or_else(String::new, |other| {
        format!(
            ", one of them in {}, where the API leaves the order open",
            policy_name(model, other)
        )
    });
    let message = format!(
        "this {} {} rule of {} is never asked: {by}{but}",
        rule.action.as_str(),
        rule.direction,
        policy_name(model, redundancy.rule),
    );
    let texts = (message, "never asked", "decided before by");
    let mut finding = of_redundant(model, redundancy, Code::SHADOWED_BY_PRIORITY, texts)?;
    if of_own_node && is_cilium {
        // Cilium asks it where its `allow-localhost` is `policy`.
        finding.severity = Severity::Note;
        return Some(finding.help(
            "it may stay: with `allow-localhost: policy` Cilium lets the own node in by such rules alone",
        ));
    }
    let help = if redundancy.covered_by.is_empty() {
        "remove the rule"
    } else if left_open.is_some() {
        "give the two policies different priorities"
    } else {
        "put it before them, narrow them or let them pass; or remove it"
    };
    Some(finding.help(removal.advice(redundancy.rule, help)))
}

/// A rule among those asked earlier that is so by our choice alone: of another policy with the same priority, which does
/// something else.
fn left_open(model: &Model, redundancy: &Redundancy) -> Option<RuleId> {
    let rule = model.rule(redundancy.rule)?;
    let rank = |rule: &Rule| (rule.rank.tier, rule.rank.priority);
    let is_open = |other: &Rule| {
        rule.rank.tier != Tier::Namespaced && rank(other) == rank(rule) && other.action != rule.action
    };
    let mut covers = redundancy.covered_by.iter().copied();
    covers.find(|id| id.policy != redundancy.rule.policy && model.rule(*id).is_some_and(is_open))
}
