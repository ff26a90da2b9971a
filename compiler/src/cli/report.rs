//! `portcullis report`

use super::args::{Common, TriageFlags};
use super::output::Answer;
use super::progress::Progress;
use super::terminal::Terminal;
use super::{Failure, Status, read_line, read_with, refuse_empty, settings};
use crate::check;
use crate::diagnostic::Finding;
use crate::report::Contents;
use crate::triage;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,

    /// The file to write, whole or not at all; standard output unless said
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    triage: TriageFlags,

    /// Do not fail when there is neither a workload nor a policy
    #[arg(long)]
    allow_empty: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    let common = &arguments.common;
    let config = settings::config(&common.run)?;
    let how = settings::triage(&arguments.triage, &config, true)?;
    let progress = Progress::of("reading", common.run.quiet);
    let understood = read_with(&common.paths, &[], &common.run, &config)?;
    drop(progress);
    // What could not be read may hold both.
    if !understood.blocked()
        && let Some(status) = refuse_empty(&understood, arguments.allow_empty, &config, terminal)?
    {
        return Ok(status);
    }
    let progress = Progress::of("checking", common.run.quiet);
    let solver = how.solver.then(verifier::options::Options::default);
    let checked = check::check(&understood, solver.as_ref()).map_err(Failure::said)?;
    let findings = triage::triage(&checked, &understood, &how).findings;
    let contents = Contents {
        findings: &findings,
        sources: &understood.input.sources,
        model: (!understood.blocked()).then_some(&understood.model),
        scope: &read_line(&understood),
        skipped: &understood.input.skipped,
        undecided: &checked.undecided,
    };
    let page = contents.page();
    drop(progress);
    let mut answer = Answer::new(terminal, arguments.output.as_deref());
    answer.out().write_all(page.as_bytes())?;
    answer.finish()?;
    if understood.blocked() {
        writeln!(
            terminal.err,
            "error: a refused input would leave every answer a guess; the page shows what is refused, and nothing else"
        )?;
        return Ok(Status::Failed);
    }
    let level = settings::fail_on(arguments.triage.fail_on, &config);
    let fails = |finding: &Finding| finding.counts() && level.is_some_and(|level| finding.severity <= level);
    Ok(if findings.iter().any(fails) {
        Status::Found
    } else if checked.undecided.is_empty() {
        Status::Fine
    } else {
        Status::Incomplete
    })
}
