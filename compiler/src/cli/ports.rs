//! `portcullis ports`

use super::args::{Common, FailOn, Written};
use super::output::Answer;
use super::terminal::Terminal;
use super::{Failure, Status, count, read, refuse_blocked, scope_line};
use crate::diagnostic::{self, Counts, human as findings_for_people, json::Scope};
use crate::lints;
use crate::ports::{self, human, json, rows};
use clap::{Args, ValueEnum};
use std::io::Write;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,

    #[command(flatten)]
    written: Written<Format>,

    /// Exit with 1 when there are findings about port names at this level or above
    #[arg(long, value_enum, default_value = "error", value_name = "LEVEL")]
    fail_on: FailOn,

    /// Do not fail when there is neither a workload nor a policy
    #[arg(long)]
    allow_empty: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: the table, then what is wrong
    #[default]
    Human,
    /// For programs: the table and what is wrong
    Json,
    /// For spreadsheets: the table
    Csv,
    /// For pages: the table in Markdown
    Md,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    let common = &arguments.common;
    let understood = read(&common.paths, &common.run)?;
    if let Some(status) = refuse_blocked(&understood, &common.run, terminal)? {
        return Ok(status);
    }
    let model = &understood.model;
    if model.cluster.endpoints().is_empty() && model.policies().is_empty() && !arguments.allow_empty {
        writeln!(
            terminal.err,
            "error: there is neither a workload nor a policy here (--allow-empty accepts that)"
        )?;
        return Ok(Status::Failed);
    }
    let names = ports::names(model);
    // Some of the family are found while manifests are read.
    let mut findings: Vec<_> = understood
        .findings
        .iter()
        .filter(|finding| finding.code.is_about_port_names())
        .cloned()
        .chain(lints::about_port_names(model, &understood.services))
        .collect();
    diagnostic::sort(&mut findings);

    let mut options = terminal.out_options();
    if arguments.written.output.is_some() {
        options = findings_for_people::Options::default();
    }
    let mut answer = Answer::new(terminal, arguments.written.output.as_deref());
    let out = answer.out();
    match arguments.written.format {
        Format::Human => {
            human::write(out, &names)?;
            findings_for_people::write(out, &findings, &understood.input.sources, options)?;
        }
        Format::Json => {
            let scope = Scope {
                files: understood.input.sources.len(),
                objects: understood.input.objects.len(),
                skipped: understood.input.skipped.values().sum(),
            };
            json::write(out, &names, &findings, &scope)?;
        }
        Format::Csv => rows::table(&names).write_csv(out)?,
        Format::Md => rows::table(&names).write_markdown(out)?,
    }
    answer.finish()?;
    if !common.run.quiet {
        writeln!(
            terminal.err,
            "{}, {} ({})",
            count(names.len(), "name"),
            findings_for_people::summary(Counts::of(&findings)),
            scope_line(&understood)
        )?;
    }
    let level = arguments.fail_on.level();
    let fails = findings
        .iter()
        .any(|finding| level.is_some_and(|level| finding.severity <= level));
    Ok(if fails { Status::Found } else { Status::Fine })
}
