//! `--smt-dump DIR`: every question to the solver as a file that any SMT-LIB solver reads, with what was answered.

use super::Failure;
use crate::check::Understood;
use crate::lints::policy_name;
use crate::prove::{Answered, prove_with};
use ir::model::Model;
use ir::policy::RuleId;
use rayon::prelude::*;
use std::fs;
use std::path::Path;
use verifier::answer::Answer;
use verifier::checks::redundant_rule;
use verifier::guarantee::Outcome;
use verifier::options::Options;

/// The questions that `prove` asks.
pub(super) fn write_guarantees(directory: &Path, answers: &[Answered]) -> Result<(), Failure> {
    for (number, answer) in answers.iter().enumerate() {
        let Some(question) = &answer.question else {
            continue;
        };
        let (told, means) = match &answer.outcome {
            Outcome::Holds => ("unsat", "the guarantee holds"),
            Outcome::Vacuous => ("unsat", "the guarantee speaks of no flow"),
            Outcome::Violated(_) => ("sat", "the guarantee does not hold"),
            Outcome::Unknown(_) => ("unknown", "whether the guarantee holds is not known"),
        };
        let stated = &answer.stated;
        let asks = format!(
            "Is there a flow that does not fit the guarantee at {}?\n{}",
            stated.origin, stated.text
        );
        let name = format!("guarantee-{:04}.smt2", number + 1);
        write(directory, &name, &asks, told, means, question)?;
    }
    Ok(())
}

/// The questions that `check` asks: for each rule, whether a flow tells it from its absence; and the guarantees.
pub(super) fn write_checks(directory: &Path, understood: &Understood) -> Result<(), Failure> {
    let model = &understood.model;
    let options = Options::default();
    let rules: Vec<RuleId> = model
        .policy_ids()
        .flat_map(|(id, _)| model.rule_ids(id).map(|(id, _)| id).collect::<Vec<_>>())
        .collect();
    let asked: Vec<_> = rules
        .into_par_iter()
        .map(|id| {
            let answer = redundant_rule::redundancy(model, id, &options)?;
            Ok((id, answer, redundant_rule::smt_lib(model, id, &options)?))
        })
        .collect::<Result<_, verifier::error::VerifierError>>()
        .map_err(Failure::said)?;
    for (id, answer, question) in asked {
        let (told, means) = match answer {
            None => ("unsat", "the rule never matches"),
            Some(Answer::Holds(_)) => ("unsat", "the rule is redundant"),
            Some(Answer::Fails(_)) => ("sat", "the rule is needed"),
            Some(Answer::Unknown(_)) => ("unknown", "whether the rule is needed is not known"),
        };
        let name = format!("rule-{:05}-{:03}.smt2", id.policy.0, id.rule);
        write(directory, &name, &about_rule(model, id), told, means, &question)?;
    }
    let proved = prove_with(understood, Some(&options), true).map_err(Failure::said)?;
    write_guarantees(directory, &proved.answers)
}

fn about_rule(model: &Model, id: RuleId) -> String {
    let at = model
        .rule(id)
        .map_or_else(String::new, |rule| rule.origin.to_string());
    format!(
        "Is there a flow whose verdict depends on the rule of {} at {at}?",
        policy_name(model, id)
    )
}

fn write(
    directory: &Path,
    name: &str,
    asks: &str,
    told: &str,
    means: &str,
    question: &str,
) -> Result<(), Failure> {
    let said =
        |error: std::io::Error| Failure::Said(format!("cannot write `{}`: {error}", directory.display()));
    fs::create_dir_all(directory).map_err(said)?;
    // Names out of manifests go into a comment, which a line break would end.
    let comment: String = asks
        .lines()
        .map(|line| format!("; {}\n", crate::diagnostic::escape::message(line)))
        .collect();
    let text = format!("{comment}; Answered: {told} ({means}).\n{question}");
    fs::write(directory.join(name), text).map_err(said)
}
