//! A rule never matches: there is no pod that its policy could select, no peer, protocol and port that it could
//! match (`unsat(in force ∧ matches)`).
//!
//! Such a rule says something that cannot be: a selector that contradicts itself or the labels of a known namespace,
//! an empty list of peers or ports, an address block whose holes cover it, ICMP towards the wrong family. Rules of
//! host policies, and rules of a direction that their policy does not speak of, decide nothing about pods and are
//! not asked about; nor are rules about the API server, whose addresses are not known.

use std::collections::BTreeSet;

use ir::model::Model;
use ir::policy::RuleId;
use rayon::prelude::*;

use super::slice::decides;
use crate::answer::{Report, Undecided};
use crate::encode::{Encoder, Found, in_own_context, speaks_of_api_server};
use crate::error::VerifierError;
use crate::options::Options;

/// Finds every rule that never matches.
///
/// # Errors
///
/// A mistake in this crate; see [`VerifierError`].
pub fn never_matching_rules(model: &Model, options: &Options) -> Result<Report<RuleId>, VerifierError> {
    let policies: Vec<_> = model.policy_ids().collect();
    let answers: Vec<_> = policies
        .into_par_iter()
        .map(|(id, policy)| {
            let rules: BTreeSet<RuleId> = model
                .rule_ids(id)
                .filter(|(_, rule)| decides(policy, rule.direction) && !speaks_of_api_server(rule))
                .map(|(id, _)| id)
                .collect();
            if rules.is_empty() {
                return Ok(vec![]);
            }
            in_own_context(|| {
                let encoder = Encoder::new(model, &BTreeSet::from([id]), &rules, options)?;
                encoder.assume_real_flows();
                rules
                    .iter()
                    .map(|rule| Ok((*rule, encoder.ask(&encoder.matches(*rule)?, &[])?)))
                    .collect()
            })
        })
        .collect::<Result<Vec<Vec<_>>, VerifierError>>()?;
    let mut report = Report {
        found: vec![],
        undecided: vec![],
    };
    for (rule, answer) in answers.into_iter().flatten() {
        match answer {
            Found::Some => {}
            Found::None => report.found.push(rule),
            Found::Unknown(reason) => report.undecided.push(Undecided { rule, reason }),
        }
    }
    Ok(report)
}
