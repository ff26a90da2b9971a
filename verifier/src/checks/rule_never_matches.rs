//! A rule never matches: there is no pod that its policy could select, no peer, protocol and port that it could
//! match (`unsat(in force ∧ matches)`).
//!
//! Such a rule says something that cannot be: a selector that contradicts itself or the labels of a known namespace,
//! an empty list of peers or ports, an address block whose holes cover it, ICMP towards the wrong family. Rules of
//! host policies, and rules of a direction that their policy does not speak of, decide nothing about pods and are
//! not asked about; nor are rules about the API server, whose addresses are not known.

use ir::model::Model;
use ir::policy::RuleId;
use rayon::prelude::*;

use crate::answer::{Report, Undecided};
use crate::encode::Found;
use crate::error::VerifierError;
use crate::options::Options;
use crate::oracle::Oracle;
use crate::question::{Question, speaks_of_api_server};
use crate::slice::decides;

/// Finds every rule that never matches.
///
/// # Errors
///
/// A mistake in this crate; see [`VerifierError`].
pub fn never_matching_rules(model: &Model, options: &Options) -> Result<Report<RuleId>, VerifierError> {
    find(&Oracle::of(model, options))
}

/// Finds every rule that never matches.
pub(crate) fn find(oracle: &Oracle<'_>) -> Result<Report<RuleId>, VerifierError> {
    let model = oracle.model;
    let asked: Vec<RuleId> = model
        .policy_ids()
        .flat_map(|(id, policy)| {
            let rules = model.rule_ids(id);
            rules.filter(|(_, rule)| decides(policy, rule.direction) && !speaks_of_api_server(rule))
        })
        .map(|(id, _)| id)
        .collect();
    let answers: Vec<Found> = asked
        .par_iter()
        .map(|rule| oracle.ask(Question::Matches(*rule), &|_| None))
        .collect::<Result<_, _>>()?;
    let mut report = Report {
        found: vec![],
        undecided: vec![],
    };
    for (rule, answer) in asked.into_iter().zip(answers) {
        match answer {
            Found::Some => {}
            Found::None => report.found.push(rule),
            Found::Unknown(reason) => report.undecided.push(Undecided { rule, reason }),
        }
    }
    Ok(report)
}
