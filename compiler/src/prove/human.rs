//! Answers for people: a line for each guarantee, then what is wrong.

use super::Proved;
use crate::diagnostic::{Severity, escape, human};
use crate::source::Sources;
use std::io::{self, Write};
use verifier::guarantee::Outcome;

/// Writes the answers and the findings.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(
    out: &mut dyn Write,
    proved: &Proved,
    sources: &Sources,
    options: human::Options,
) -> io::Result<()> {
    for answer in &proved.answers {
        let stated = &answer.stated;
        // As it is written in the file: an error goes without saying.
        let severity = match stated.severity {
            Severity::Error => String::new(),
            less => format!("{} ", less.as_str()),
        };
        let name = match &stated.name {
            Some(name) => format!("{name}: "),
            None => String::new(),
        };
        let word = word(&answer.outcome);
        let line = format!("{word:9} {severity}{name}{}", stated.text);
        writeln!(out, "{}", escape::message(&line))?;
    }
    if !proved.findings.is_empty() {
        writeln!(out)?;
        human::write(out, &proved.findings, sources, options)?;
    }
    Ok(())
}

/// The answer in one word.
pub(super) fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "holds",
        Outcome::Vacuous => "vacuous",
        Outcome::Violated(_) => "violated",
        Outcome::Unknown(_) => "unknown",
    }
}

/// The closing line: `3 hold, 1 violated`.
#[must_use]
pub fn summary(proved: &Proved) -> String {
    let count = |is: fn(&Outcome) -> bool| proved.answers.iter().filter(|one| is(&one.outcome)).count();
    let holds = count(|outcome| matches!(outcome, Outcome::Holds));
    let parts = [
        (holds, if holds == 1 { "holds" } else { "hold" }),
        (
            count(|outcome| matches!(outcome, Outcome::Violated(_))),
            "violated",
        ),
        (count(|outcome| matches!(outcome, Outcome::Vacuous)), "vacuous"),
        (count(|outcome| matches!(outcome, Outcome::Unknown(_))), "unknown"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if parts.is_empty() {
        "no guarantees".to_owned()
    } else {
        parts.join(", ")
    }
}
