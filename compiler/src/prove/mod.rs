//! Guarantees: read, held against the model, and what became of each.
//!
//! The language and the proofs are [`verifier::guarantee`]'s; this is files, places and findings.

pub mod human;
pub mod json;
#[cfg(test)]
mod tests;

use crate::check::{CheckError, Understood};
use crate::diagnostic::{self, Finding, Severity};
use crate::lints::{
    pc401_guarantee_violated, pc402_guarantee_vacuous, pc404_guarantee_unreadable,
    pc405_guarantee_names_nothing,
};
use crate::source::Source;
use ir::origin::Origin;
use rayon::prelude::*;
use std::ops::Range;
use verifier::guarantee::meaning::unknown_namespaces;
use verifier::guarantee::syntax::{self, Statement};
use verifier::guarantee::{self, Guarantee, Outcome};

/// A guarantee as it stands in its file.
#[derive(Clone, Debug)]
pub struct Stated {
    /// How much it matters that it holds.
    pub severity: Severity,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The sentence, on one line, without what stands before it.
    pub text: String,
    /// Where it is.
    pub origin: Origin,
}

impl Stated {
    /// How messages call it.
    #[must_use]
    pub fn called(&self) -> String {
        match &self.name {
            Some(name) => format!("guarantee `{name}`"),
            None => format!("`{}`", self.text),
        }
    }
}

/// A guarantee with its answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What was stated.
    pub stated: Stated,
    /// What is known of it.
    pub outcome: Outcome,
    /// What the solver was asked, as SMT-LIB text, where that was wished.
    pub question: Option<String>,
}

/// What became of all guarantees.
#[derive(Clone, Debug, Default)]
pub struct Proved {
    /// Those that could be asked, in the order of files and lines.
    pub answers: Vec<Answered>,
    /// What is wrong with their text, and those that do not hold or say nothing; sorted.
    pub findings: Vec<Finding>,
    /// Questions that the solver gave up on, as sentences.
    pub undecided: Vec<String>,
    /// Whether every text could be read and asked.
    pub complete: bool,
}

/// Reads the guarantees of the input and asks the solver about each. Without a solver they are read only.
///
/// # Errors
/// A mistake of ours, never one in the input.
pub fn prove(
    understood: &Understood,
    solver: Option<&verifier::options::Options>,
) -> Result<Proved, CheckError> {
    prove_with(understood, solver, false)
}

/// [`prove`], keeping each question as SMT-LIB text when `questions` is set.
///
/// # Errors
/// As [`prove`].
pub fn prove_with(
    understood: &Understood,
    solver: Option<&verifier::options::Options>,
    questions: bool,
) -> Result<Proved, CheckError> {
    let model = &understood.model;
    let mut proved = Proved {
        complete: true,
        ..Proved::default()
    };
    let mut asked: Vec<(Stated, Guarantee)> = vec![];
    for id in &understood.input.guarantees {
        let Some(source) = understood.input.sources.get(*id) else {
            continue;
        };
        let (statements, problems) = guarantee::parse(source.text());
        proved.complete &= problems.is_empty();
        let unreadable = |problem: guarantee::Problem| {
            let origin = origin(source, &problem.span);
            pc404_guarantee_unreadable::finding(problem, origin)
        };
        proved.findings.extend(problems.into_iter().map(unreadable));
        for statement in &statements {
            for unknown in unknown_namespaces(model, statement) {
                let origin = origin(source, &unknown.span);
                let finding = pc405_guarantee_names_nothing::finding(model, &unknown.value, origin);
                proved.findings.push(finding);
            }
            match guarantee::resolve(model, statement) {
                Ok(guarantee) => asked.push((stated(source, statement), guarantee)),
                Err(problems) => {
                    proved.complete = false;
                    proved.findings.extend(problems.into_iter().map(unreadable));
                }
            }
        }
    }
    if let Some(options) = solver {
        proved.answers = asked
            .into_par_iter()
            .map(|(stated, guarantee)| {
                let question = questions
                    .then(|| guarantee::smt_lib(model, &guarantee, options))
                    .transpose()?;
                Ok(Answered {
                    stated,
                    outcome: guarantee::prove(model, &guarantee, options)?,
                    question,
                })
            })
            .collect::<Result<_, CheckError>>()?;
    }
    for Answered { stated, outcome, .. } in &proved.answers {
        match outcome {
            Outcome::Holds => {}
            Outcome::Vacuous => proved.findings.push(pc402_guarantee_vacuous::finding(stated)),
            Outcome::Violated(example) => {
                let finding = pc401_guarantee_violated::finding(model, stated, example);
                proved.findings.push(finding);
            }
            Outcome::Unknown(reason) => proved.undecided.push(format!(
                "{}: whether {} holds is not known: {reason}",
                stated.origin,
                stated.called()
            )),
        }
    }
    diagnostic::sort(&mut proved.findings);
    Ok(proved)
}

fn stated(source: &Source, statement: &Statement) -> Stated {
    let text = source.text().get(statement.span.clone()).unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    Stated {
        severity: match statement.severity {
            syntax::Severity::Error => Severity::Error,
            syntax::Severity::Warning => Severity::Warning,
            syntax::Severity::Note => Severity::Note,
        },
        name: statement.name.as_ref().map(|name| name.value.clone()),
        text: words.join(" "),
        origin: origin(source, &statement.span),
    }
}

fn origin(source: &Source, span: &Range<usize>) -> Origin {
    let position = |offset: usize| source.position(u32::try_from(offset).unwrap_or(u32::MAX));
    let (start, end) = (position(span.start), position(span.end));
    Origin {
        file: source.name().clone(),
        document: 0,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        path: "".into(),
    }
}
