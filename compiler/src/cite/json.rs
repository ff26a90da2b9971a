//! Policies, rules and rulings as every answer in JSON writes them.
//!
//! A contract with other programs, with wire types of its own: fields are added, never renamed or removed.

use super::{PolicyRef, RuleRef, Ruling};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct WireRuling<'a> {
    allowed: bool,
    reason: &'static str,
    rules: Vec<WireRule<'a>>,
    policies: Vec<WirePolicy<'a>>,
}

#[derive(Serialize)]
pub(crate) struct WirePolicy<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    file: &'a str,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
pub(crate) struct WireRule<'a> {
    policy: WirePolicy<'a>,
    action: &'static str,
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    path: &'a str,
}

pub(crate) fn wire_ruling(ruling: &Ruling) -> WireRuling<'_> {
    WireRuling {
        allowed: ruling.allowed,
        reason: ruling.reason.as_str(),
        rules: ruling.rules.iter().map(wire_rule).collect(),
        policies: ruling.policies.iter().map(wire_policy).collect(),
    }
}

pub(crate) fn wire_policy(policy: &PolicyRef) -> WirePolicy<'_> {
    WirePolicy {
        kind: &policy.kind,
        namespace: policy.namespace.as_deref(),
        name: &policy.name,
        file: &policy.origin.file,
        line: policy.origin.line,
        column: policy.origin.column,
    }
}

pub(crate) fn wire_rule(rule: &RuleRef) -> WireRule<'_> {
    WireRule {
        policy: wire_policy(&rule.policy),
        action: rule.action.as_str(),
        file: &rule.origin.file,
        line: rule.origin.line,
        column: rule.origin.column,
        end_line: rule.origin.end_line,
        end_column: rule.origin.end_column,
        path: &rule.origin.path,
    }
}
