//! # PC302 rule-redundant
//!
//! Other rules already decide every flow that the rule matches, for every pod that could exist.
//!
//! ## What is wrong
//! Nothing is open or closed because of this rule: without it every verdict stays the same. It may be left over from
//! a change, or it may be meant to say something that it does not. A reader who tightens one of the rules that cover
//! it will not see a difference, because this one still opens the same flows.
//!
//! ## Example
//! ```yaml
//! ingress:
//!   - from: [{podSelector: {}}]
//!   - from: [{podSelector: {matchLabels: {app: web}}}]   # every pod is let in by the rule above
//! ```
//!
//! ## How to fix it
//! Remove the rule, or narrow the rules that cover it.

use super::{object_name, policy_name};
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use ir::policy::Action;
use verifier::error::VerifierError;
use verifier::options::Options;
use verifier::{Effect, Redundancy};

/// What the solver said.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The redundant rules.
    pub findings: Vec<Finding>,
    /// The rules for which it gave up, as sentences.
    pub undecided: Vec<String>,
}

/// Asks about every rule.
///
/// # Errors
/// A mistake of ours; see [`VerifierError`].
pub fn check(model: &Model, options: &Options) -> Result<Answers, VerifierError> {
    let report = verifier::redundant_rules(model, options)?;
    Ok(Answers {
        findings: report
            .found
            .iter()
            .filter_map(|redundancy| finding(model, redundancy))
            .collect(),
        undecided: report
            .undecided
            .iter()
            .map(|question| {
                let at = model
                    .rule(question.rule)
                    .map_or_else(String::new, |rule| format!("{}: ", rule.origin));
                format!(
                    "{at}whether the rule of {} is redundant is not known: {}",
                    policy_name(model, question.rule),
                    question.reason
                )
            })
            .collect(),
    })
}

fn finding(model: &Model, redundancy: &Redundancy) -> Option<Finding> {
    let policy = model.policy(redundancy.rule.policy)?;
    let rule = model.rule(redundancy.rule)?;
    let action = match rule.action {
        Action::Allow => "allow",
        Action::Deny => "deny",
        Action::Pass => "pass",
    };
    let (message, label) = match redundancy.effect {
        Effect::Repeated => (
            format!(
                "this {} rule of {} changes nothing: other rules already {action} everything that it matches",
                rule.direction,
                policy_name(model, redundancy.rule),
            ),
            "can be removed without any change",
        ),
        Effect::Overruled => (
            format!(
                "this {} rule of {} changes nothing: nothing that it matches is decided by it",
                rule.direction,
                policy_name(model, redundancy.rule),
            ),
            "never decides",
        ),
    };
    let mut finding = Finding::new(Code::RULE_REDUNDANT, message)
        .at(rule.origin.clone(), label)
        .about(object_name(policy))
        .witness(super::witness(&redundancy.witness));
    for id in &redundancy.covered_by {
        let (Some(covering), Some(owner)) = (model.rule(*id), model.policy(id.policy)) else {
            continue;
        };
        finding = finding.because(
            covering.origin.clone(),
            format!("covered by this rule of {}", policy_name(model, *id)),
        );
        let name = object_name(owner);
        if !finding.objects.contains(&name) {
            finding = finding.about(name);
        }
    }
    Some(finding.help("remove the rule, or narrow the ones that cover it"))
}
