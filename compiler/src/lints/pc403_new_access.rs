//! # PC403 new-access
//!
//! A change allows flows that were denied before it.
//!
//! ## What is wrong
//! `check NEW --against OLD` compares the policies of both for every pod that could exist. Each finding is a set of
//! flows that the new policies allow and the old ones do not, told in selectors, address blocks and ports, with one
//! flow of it as an example, confirmed for both. With `--no-new-access` it is an error, else a note.
//!
//! ## Example
//! A rule that said `podSelector: {matchLabels: {app: web}}` now says `podSelector: {}`.
//!
//! ## How to fix it
//! Where the access is meant, accept the finding; else narrow the rule that is named.

use super::{object_name, policy_name};
use crate::areas::exceptions;
use crate::check::{CheckError, Understood};
use crate::diagnostic::{Code, Finding, Severity};
use crate::symbolic::about_nodes;
use ir::flow::{Because, Decision};
use ir::policy::Direction;
use verifier::change::{Area, compare};
use verifier::options::Options;

/// How many sets of flows are told apart.
const MOST: usize = 24;

/// What the comparison says.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The new access.
    pub findings: Vec<Finding>,
    /// What is not known, as sentences.
    pub undecided: Vec<String>,
}

/// Finds what `new` opens that `old` keeps closed.
///
/// # Errors
/// A mistake of ours.
pub fn check(
    old: &Understood,
    new: &Understood,
    forbidden: bool,
    options: &Options,
) -> Result<Answers, CheckError> {
    let comparison = compare(&old.model, &new.model, MOST, options)?;
    let mut answers = Answers::default();
    for area in &comparison.opened.areas {
        let mut finding = finding(old, new, area);
        finding.severity = if forbidden {
            Severity::Error
        } else {
            Severity::Note
        };
        answers.findings.push(finding);
    }
    if forbidden {
        let unseen = comparison.about_nodes.iter();
        answers.undecided.extend(unseen.map(|policy| about_nodes(policy)));
    }
    if let Some(reason) = &comparison.opened.unknown {
        answers
            .undecided
            .push(format!("whether the change opens more is not known: {reason}"));
    } else if !comparison.opened.complete
        && let Some(last) = answers.findings.last_mut()
    {
        let help = last.help.take().unwrap_or_default();
        last.help = Some(format!(
            "{help}\nthere is more: only the first {MOST} sets of flows are shown"
        ));
    }
    Ok(answers)
}

fn finding(old: &Understood, new: &Understood, area: &Area) -> Finding {
    let mut finding = Finding::new(Code::NEW_ACCESS, format!("newly allowed: {area}"))
        .witness(super::witness(&area.witness));
    let mut help = exceptions(area);
    for (direction, before, after) in [
        (Direction::Egress, &area.before.egress, &area.after.egress),
        (Direction::Ingress, &area.before.ingress, &area.after.ingress),
    ] {
        // The side that was in the way.
        if before.allowed {
            continue;
        }
        if let Because::Rules(rules) = &after.because {
            for id in rules {
                let (Some(rule), Some(policy)) = (new.model.rule(*id), new.model.policy(id.policy)) else {
                    continue;
                };
                let text = format!("this rule of {} allows it now", policy_name(&new.model, *id));
                finding = finding.at(rule.origin.clone(), text).about(object_name(policy));
            }
        } else {
            help.push(format!("no policy denies {direction} by default for it any more"));
        }
        help.extend(was_denied(old, direction, before));
    }
    if finding.labels.is_empty()
        && let Some(policy) = new.model.policies().first()
    {
        // What is gone has no place in the new input: the first policy stands for the whole of it.
        finding = finding.because(policy.origin.clone(), "in these policies");
    }
    if help.is_empty() {
        finding
    } else {
        finding.help(help.join("\n"))
    }
}

fn was_denied(old: &Understood, direction: Direction, decision: &Decision) -> Vec<String> {
    match &decision.because {
        Because::Rules(rules) => rules
            .iter()
            .filter_map(|id| {
                let rule = old.model.rule(*id)?;
                Some(format!(
                    "before, the rule of {} at {} denied it",
                    policy_name(&old.model, *id),
                    rule.origin
                ))
            })
            .collect(),
        Because::DefaultDeny(policies) => policies
            .iter()
            .filter_map(|id| {
                let policy = old.model.policy(*id)?;
                Some(format!(
                    "before, {} at {} denied {direction} by default",
                    policy.name, policy.origin
                ))
            })
            .collect(),
        Because::NotAnEndpoint | Because::Loopback | Because::OwnHost | Because::Unrestricted => vec![],
    }
}
