//! Everything that rules and policies do to each other, each mistake told once.
//!
//! | told | unless |
//! |---|---|
//! | an exception that is reopened | the rule or the one that opens it matches nothing |
//! | a rule that changes nothing, with one [`Cause`] | it matches nothing; it repeats just the rule that reopens its exceptions; or it is a guardrail (see below) |
//! | an allow that is partly cut | it, or the deny, is told above |
//! | a peer that is named for nothing | its rule matches nothing, or changes nothing |
//! | a default deny that policies disagree about | |
//!
//! A rule of the admin tier holds whatever the policies below it say, now and later. That they happen to say the same
//! today makes it no mistake: it is only told where rules of its own tier repeat it.

use std::collections::BTreeSet;

use ir::model::Model;
use ir::policy::RuleId;

use crate::answer::{Report, Undecided};
use crate::checks::allow_partly_cut::{self, PartlyCut};
use crate::checks::default_deny_disagreement::{self, Disagreement};
use crate::checks::exception_reopened::{self, Reopened};
use crate::checks::half_open_path::{self, HalfOpen};
use crate::checks::redundant_rule::{self, Cause, Redundancy, is_admin};
use crate::checks::rule_never_matches;
use crate::error::VerifierError;
use crate::options::Options;
use crate::oracle::Oracle;

/// What is wrong between rules and policies; each list in the order of ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conflicts {
    /// Rules that match nothing.
    pub never_matching: Vec<RuleId>,
    /// Rules that change nothing.
    pub redundant: Vec<Redundancy>,
    /// Allows of which denies take a part.
    pub partly_cut: Vec<PartlyCut>,
    /// Exceptions that are open all the same.
    pub reopened: Vec<Reopened>,
    /// Policies that switch default deny off in vain.
    pub disagreements: Vec<Disagreement>,
    /// Peers that are named for nothing.
    pub half_open: Vec<HalfOpen>,
    /// Rules about which a question has no answer, each once.
    pub undecided: Vec<Undecided>,
}

/// Finds every conflict.
///
/// # Errors
///
/// A mistake in this crate; see [`VerifierError`].
pub fn conflicts(model: &Model, options: &Options) -> Result<Conflicts, VerifierError> {
    let oracle = &Oracle::of(model, options);
    let mut undecided = BTreeSet::new();
    let never_matching = taken(rule_never_matches::find(oracle)?, &mut undecided);
    let mut redundant = taken(redundant_rule::find(oracle)?, &mut undecided);
    let reopened = taken(exception_reopened::find(oracle)?, &mut undecided);

    let idle: BTreeSet<RuleId> = redundant
        .iter()
        .map(|redundancy| redundancy.rule)
        .chain(never_matching.iter().copied())
        .collect();
    redundant.retain(|redundancy| {
        let opens = |by: &RuleId| {
            reopened
                .iter()
                .any(|reopened| reopened.rule == redundancy.rule && reopened.opened_by.contains(by))
        };
        let by_admin = || {
            let mut covers = redundancy.covered_by.iter();
            !redundancy.covered_by.is_empty() && covers.all(|rule| is_admin(model, *rule))
        };
        match redundancy.cause {
            Cause::Repeated if is_admin(model, redundancy.rule) => by_admin(),
            Cause::Repeated => redundancy.covered_by.is_empty() || !redundancy.covered_by.iter().all(opens),
            Cause::Shadowed | Cause::CutByDeny | Cause::DeniedAnyway => true,
        }
    });
    let partly_cut = taken(allow_partly_cut::find(oracle, &idle)?, &mut undecided);
    let disagreements = taken(default_deny_disagreement::find(oracle)?, &mut undecided);
    let half_open = taken(half_open_path::find(oracle, &idle)?, &mut undecided);

    // One rule, one sentence, whatever the number of questions about it.
    let mut said = BTreeSet::new();
    undecided.retain(|undecided| said.insert(undecided.rule));
    Ok(Conflicts {
        never_matching,
        redundant,
        partly_cut,
        reopened,
        disagreements,
        half_open,
        undecided: undecided.into_iter().collect(),
    })
}

fn taken<T>(report: Report<T>, undecided: &mut BTreeSet<Undecided>) -> Vec<T> {
    undecided.extend(report.undecided);
    report.found
}
