//! `portcullis prove`

use super::args::{Common, FailOn, Format, Kept};
use super::terminal::Terminal;
use super::{Failure, Status, count, read_with, refuse_blocked, scope_line, settings, smt_dump};
use crate::diagnostic::{Code, Severity};
use crate::prove::{self, Answered, human, json};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;
use verifier::guarantee::Outcome;

#[derive(Debug, Args)]
#[command(after_help = "\
A guarantee is a line such as

  never ns:dev -> ns:prod except port 443/TCP
  payments-closed: isolated ns:payments
  warning never ns:payments -> world

docs/guarantees.md has the grammar. Files that end in .guarantees are found in directories, beside the manifests.
Exit status: 0 all hold, 1 one does not that is an error (--fail-on), 2 no answer, 3 the solver gave up on one.")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,

    /// A file of guarantees; *.guarantees in the directories are read anyway
    #[arg(long, value_name = "FILE")]
    guarantees: Vec<PathBuf>,

    /// How to write the answers
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    /// Write every question to the solver into this directory, as SMT-LIB text with the answer
    #[arg(long, value_name = "DIR")]
    smt_dump: Option<PathBuf>,

    /// Exit with 1 when a guarantee at this level or above does not hold; error unless said
    #[arg(long, value_enum, value_name = "LEVEL")]
    fail_on: Option<FailOn>,

    #[command(flatten)]
    kept: Kept,

    /// Do not fail when there is no guarantee to prove
    #[arg(long)]
    allow_empty: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    let started = Instant::now();
    let common = &arguments.common;
    let config = settings::config(&common.run)?;
    let understood = read_with(&common.paths, &arguments.guarantees, &common.run, &config)?;
    if let Some(status) = refuse_blocked(&understood, &common.run, terminal)? {
        return Ok(status);
    }
    let memory = settings::answers(&arguments.kept, &config);
    let options = verifier::options::Options {
        answers: memory.answers.clone(),
        ..verifier::options::Options::default()
    };
    let dump = arguments.smt_dump.is_some();
    let proved = prove::prove_with(&understood, Some(&options), dump).map_err(Failure::said)?;
    if let Some(directory) = &arguments.smt_dump {
        smt_dump::write_guarantees(directory, &proved.answers)?;
    }

    match arguments.format {
        Format::Human => {
            let options = terminal.out_options();
            human::write(&mut terminal.out, &proved, &understood.input.sources, options)?;
        }
        Format::Json => json::write(&mut terminal.out, &proved, &understood.model)?,
    }
    terminal.out.flush()?;

    for sentence in &proved.undecided {
        let sentence = crate::diagnostic::escape::message(sentence);
        writeln!(terminal.err, "incomplete: {sentence}")?;
    }
    if !common.run.quiet {
        writeln!(
            terminal.err,
            "{} over {} ({}; {:.2} s)",
            human::summary(&proved),
            match understood.model.policies().len() {
                1 => "1 policy".to_owned(),
                policies => format!("{policies} policies"),
            },
            scope_line(&understood),
            started.elapsed().as_secs_f64()
        )?;
    }
    memory.tell(common.run.quiet, &mut terminal.err)?;
    if !proved.complete {
        let unread = proved
            .findings
            .iter()
            .filter(|finding| finding.code == Code::GUARANTEE_UNREADABLE);
        writeln!(
            terminal.err,
            "error: {} could not be read or asked",
            count(unread.count(), "guarantee")
        )?;
        return Ok(Status::Failed);
    }
    if proved.answers.is_empty() && !arguments.allow_empty {
        writeln!(
            terminal.err,
            "error: there is no guarantee here to prove (--guarantees FILE, or *.guarantees beside the manifests)"
        )?;
        return Ok(Status::Failed);
    }
    // A configuration that lets no finding fail a check does not disarm a proof that was asked for.
    let level = settings::fail_on(arguments.fail_on, &config)
        .or_else(|| arguments.fail_on.is_none().then_some(Severity::Error));
    let any = |is: &dyn Fn(&Answered) -> bool| proved.answers.iter().any(is);
    if any(&|answer| {
        let counts = level.is_some_and(|level| answer.stated.severity <= level);
        counts && matches!(answer.outcome, Outcome::Violated(_))
    }) {
        return Ok(Status::Found);
    }
    if any(&|answer| matches!(answer.outcome, Outcome::Unknown(_))) {
        return Ok(Status::Incomplete);
    }
    Ok(Status::Fine)
}
