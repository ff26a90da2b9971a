//! `portcullis impact`

use super::args::{Common, Kept, TableFormat, Written};
use super::output::Answer;
use super::terminal::Terminal;
use super::{Failure, Status, read, refuse_blocked, scope_line, settings};
use crate::cite::PolicyRef;
use crate::diagnostic::escape::message;
use crate::impact::{human, json, named, rows, unknown};
use clap::Args;
use std::io::Write;
use std::time::Instant;
use verifier::impact::impacts;

#[derive(Debug, Args)]
#[command(after_help = "\
For each policy: the flows that it opens (allowed with it, denied without it) and those that it closes (denied with \
it, allowed without it), between any pods that could exist, each set with a flow as an example that was judged both \
ways. That a policy adds nothing is a proof. A flow that two policies allow, each by itself, is opened by neither.
Exit status: 0 answered, 2 no answer, 3 the solver gave up on one.")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,

    /// Only this policy: namespace/name, or name for one of the whole cluster, with or without KIND/ before it; may be
    /// given more than once
    #[arg(long, value_name = "POLICY")]
    policy: Vec<String>,

    #[command(flatten)]
    written: Written<TableFormat>,

    #[command(flatten)]
    kept: Kept,

    /// Do not fail when there is no policy
    #[arg(long)]
    allow_empty: bool,
}

/// How many sets of flows of each kind are told of one policy.
const MOST: usize = 32;

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    let started = Instant::now();
    let common = &arguments.common;
    let understood = read(&common.paths, &common.run)?;
    if let Some(status) = refuse_blocked(&understood, &common.run, terminal)? {
        return Ok(status);
    }
    let model = &understood.model;
    if model.policies().is_empty() && !arguments.allow_empty {
        let sentence = "there is no policy here (--allow-empty accepts that)";
        return Err(Failure::said(sentence));
    }
    let asked = named::policies(model, &arguments.policy).map_err(Failure::said)?;
    let memory = settings::answers(&arguments.kept, &settings::config(&common.run)?);
    let options = verifier::options::Options {
        answers: memory.answers.clone(),
        ..verifier::options::Options::default()
    };
    let impacts = impacts(model, &asked, MOST, &options).map_err(Failure::said)?;
    let mut answer = Answer::new(terminal, arguments.written.output.as_deref());
    let out = answer.out();
    match arguments.written.format {
        TableFormat::Human => human::write(out, &impacts, model)?,
        TableFormat::Json => json::write(out, &impacts, model)?,
        TableFormat::Csv => rows::table(&impacts, model).write_csv(out)?,
        TableFormat::Md => rows::table(&impacts, model).write_markdown(out)?,
    }
    answer.finish()?;
    let mut complete = true;
    for impact in &impacts {
        for sentence in unknown(impact) {
            complete = false;
            let policy = PolicyRef::by_id(model, impact.policy).map(|policy| policy.to_string());
            let sentence = format!("{}: {sentence}", policy.unwrap_or_default());
            writeln!(terminal.err, "incomplete: {}", message(&sentence))?;
        }
    }
    if !common.run.quiet {
        writeln!(
            terminal.err,
            "{} ({}; {:.2} s)",
            human::summary(&impacts),
            scope_line(&understood),
            started.elapsed().as_secs_f64()
        )?;
    }
    memory.tell(common.run.quiet, &mut terminal.err)?;
    Ok(if complete {
        Status::Fine
    } else {
        Status::Incomplete
    })
}
