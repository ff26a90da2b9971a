//! `portcullis check`

use super::args::{Check, Format};
use super::terminal::Terminal;
use super::{Failure, Status, count, read, scope_line};
use crate::check;
use crate::diagnostic::{Counts, human, json};
use std::io::Write;
use std::time::Instant;

pub(super) fn run(arguments: &Check, terminal: &mut Terminal) -> Result<Status, Failure> {
    let started = Instant::now();
    let common = &arguments.common;
    let understood = read(&common.paths, &common.run)?;
    let solver = (!arguments.no_solver).then(verifier::options::Options::default);
    let checked = check::check(&understood, solver.as_ref()).map_err(Failure::said)?;
    let findings = &checked.findings;

    match arguments.format {
        Format::Human => {
            let options = terminal.out_options();
            human::write(&mut terminal.out, findings, &understood.input.sources, options)?;
        }
        Format::Json => {
            let scope = json::Scope {
                files: understood.input.sources.len(),
                objects: understood.input.objects.len(),
                skipped: understood.input.skipped.values().sum(),
            };
            json::write(&mut terminal.out, findings, &scope)?;
        }
    }
    terminal.out.flush()?;

    for sentence in &checked.undecided {
        let sentence = crate::diagnostic::escape::message(sentence);
        writeln!(terminal.err, "incomplete: {sentence}")?;
    }
    if !common.run.quiet {
        let policies = match understood.model.policies().len() {
            1 => "1 policy".to_owned(),
            policies => format!("{policies} policies"),
        };
        writeln!(
            terminal.err,
            "{} in {policies}, {} ({}; {:.2} s)",
            human::summary(Counts::of(findings)),
            count(understood.model.cluster.endpoints().len(), "endpoint"),
            scope_line(&understood),
            started.elapsed().as_secs_f64()
        )?;
    }
    if understood.blocked() {
        writeln!(
            terminal.err,
            "error: this input is not what the API server would take; nothing behind it was analysed"
        )?;
        return Ok(Status::Failed);
    }
    if understood.model.policies().is_empty() && !arguments.allow_empty {
        writeln!(
            terminal.err,
            "error: there is no policy here to check (--allow-empty accepts that)"
        )?;
        return Ok(Status::Failed);
    }
    if findings
        .iter()
        .any(|finding| arguments.fail_on.fails(finding.severity))
    {
        return Ok(Status::Found);
    }
    if !checked.undecided.is_empty() {
        return Ok(Status::Incomplete);
    }
    Ok(Status::Fine)
}
