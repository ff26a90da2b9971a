//! `portcullis diff`

use super::args::{FlowsFormat, Kept, Run, Written};
use super::output::Answer;
use super::terminal::Terminal;
use super::{Failure, Status, read_state, refuse_blocked, scope_line, settings};
use crate::diagnostic::escape::message;
use crate::diff::{Kind, diff, dot, human, json, rows};
use crate::resolve::Resolved;
use crate::symbolic;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::slice;

#[derive(Debug, Args)]
#[command(after_help = "\
Compared are the flows between the workloads of both inputs and the addresses outside. That none differs is no proof \
for pods that could exist; with --symbolic it is.
Exit status: 0 no differences, 1 differences, 2 could not be done.")]
pub(super) struct Arguments {
    /// The manifests as they were: a file, a directory, or - for standard input
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The manifests as they are to be
    #[arg(value_name = "NEW")]
    new: PathBuf,

    #[command(flatten)]
    pub(super) run: Run,

    #[command(flatten)]
    written: Written<FlowsFormat>,

    /// Compare for every pod that could exist instead: what is opened and closed, in selectors, blocks and ports. That
    /// nothing changes is a proof then
    #[arg(long)]
    symbolic: bool,

    #[command(flatten)]
    kept: Kept,

    /// Do not fail when neither side has a workload
    #[arg(long)]
    allow_empty: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    let is_stdin = |path: &Path| path.as_os_str() == "-";
    if is_stdin(&arguments.old) && is_stdin(&arguments.new) {
        return Err(Failure::said("standard input cannot be both sides"));
    }
    let [old, new] = [&arguments.old, &arguments.new].map(slice::from_ref);
    let side = |paths, others| read_state(paths, others, &arguments.run);
    let (old, new) = rayon::join(|| side(old, new), || side(new, old));
    let mut sides = Vec::new();
    for understood in [old, new] {
        let understood = understood?;
        if let Some(status) = refuse_blocked(&understood, &arguments.run, terminal)? {
            return Ok(status);
        }
        sides.push(understood);
    }
    let [old, new] = sides.as_slice() else {
        return Ok(Status::Failed);
    };
    if arguments.symbolic {
        return symbolically(arguments, &old.model, &new.model, terminal);
    }
    let nobody = |model: &ir::model::Model| model.cluster.endpoints().is_empty();
    if nobody(&old.model) && nobody(&new.model) && !arguments.allow_empty {
        let sentence = "there is no workload on either side (--allow-empty accepts that)";
        return Err(Failure::said(sentence));
    }
    let difference = diff(&Resolved::of(&old.model), &Resolved::of(&new.model));
    let mut answer = Answer::new(terminal, arguments.written.output.as_deref());
    let out = answer.out();
    match arguments.written.format {
        FlowsFormat::Human => {
            let texts = human::Texts {
                old: &old.input.sources,
                new: &new.input.sources,
            };
            human::write(out, &difference, texts)?;
        }
        FlowsFormat::Json => json::write(out, &difference)?,
        FlowsFormat::Csv => rows::table(&difference).write_csv(out)?,
        FlowsFormat::Md => rows::table(&difference).write_markdown(out)?,
        FlowsFormat::Dot => dot::write(out, &difference)?,
    }
    answer.finish()?;
    if !arguments.run.quiet {
        writeln!(
            terminal.err,
            "{} added, {} removed, {} changed (old: {}; new: {})",
            difference.count(Kind::Added),
            difference.count(Kind::Removed),
            difference.count(Kind::Changed),
            scope_line(old),
            scope_line(new)
        )?;
    }
    Ok(if difference.changes.is_empty() {
        Status::Fine
    } else {
        Status::Found
    })
}

/// Compares for every pod that could exist.
fn symbolically(
    arguments: &Arguments,
    old: &ir::model::Model,
    new: &ir::model::Model,
    terminal: &mut Terminal,
) -> Result<Status, Failure> {
    if arguments.written.format == FlowsFormat::Dot {
        let sentence = "sets of flows over all pods are no graph: --symbolic writes human, json, csv or md";
        return Err(Failure::said(sentence));
    }
    let memory = settings::answers(&arguments.kept, &settings::config(&arguments.run)?);
    let options = verifier::options::Options {
        answers: memory.answers.clone(),
        ..verifier::options::Options::default()
    };
    let comparison = verifier::change::compare(old, new, symbolic::MOST, &options).map_err(Failure::said)?;
    let mut answer = Answer::new(terminal, arguments.written.output.as_deref());
    let out = answer.out();
    match arguments.written.format {
        FlowsFormat::Human | FlowsFormat::Dot => symbolic::human::write(out, &comparison)?,
        FlowsFormat::Json => symbolic::json::write(out, &comparison, old, new)?,
        FlowsFormat::Csv => symbolic::rows::table(&comparison).write_csv(out)?,
        FlowsFormat::Md => symbolic::rows::table(&comparison).write_markdown(out)?,
    }
    answer.finish()?;
    memory.tell(arguments.run.quiet, &mut terminal.err)?;
    let mut complete = true;
    for sentence in symbolic::unknown(&comparison) {
        complete = false;
        writeln!(terminal.err, "incomplete: {}", message(&sentence))?;
    }
    Ok(
        match comparison.opened.areas.is_empty() && comparison.closed.areas.is_empty() {
            false => Status::Found,
            true if complete => Status::Fine,
            true => Status::Incomplete,
        },
    )
}
