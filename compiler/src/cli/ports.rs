//! `portcullis ports`

use super::args::{Common, TableFormat, TriageFlags, Written};
use super::output::Answer;
use super::terminal::Terminal;
use super::{Failure, Status, count, read_with, refuse_blocked, refuse_empty, scope, scope_line, settings};
use crate::check::Checked;
use crate::diagnostic::{self, Counts, human as findings_for_people, markdown, report::Report};
use crate::fixes;
use crate::lints::{self, ground::Ground};
use crate::ports::{self, human, json, rows};
use crate::triage::{self, Triage};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,

    #[command(flatten)]
    written: Written<TableFormat>,

    #[command(flatten)]
    triage: TriageFlags,

    /// Do not fail when there is neither a workload nor a policy
    #[arg(long)]
    allow_empty: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    let common = &arguments.common;
    let config = settings::config(&common.run)?;
    // What is said here needs no solver.
    let how = Triage {
        solver: false,
        ..settings::triage(&arguments.triage, &config, true)?
    };
    let understood = read_with(&common.paths, &[], &common.run, &config)?;
    if let Some(status) = refuse_blocked(&understood, &common.run, terminal)? {
        return Ok(status);
    }
    if let Some(status) = refuse_empty(&understood, arguments.allow_empty, &config, terminal)? {
        return Ok(status);
    }
    let model = &understood.model;
    let ground = Ground::of(model);
    let names = ports::names(model, &ground.selected);
    // Some of the family are found while manifests are read.
    let found = understood.findings.iter().cloned();
    let mut checked = Checked {
        findings: found
            .chain(lints::about_port_names(
                &ground,
                &understood.services,
                &understood.input.objects,
            ))
            .collect(),
        undecided: Vec::new(),
    };
    fixes::narrow(&mut checked.findings, &understood.input);
    diagnostic::sort(&mut checked.findings);
    let mut findings = triage::triage(&checked, &understood, &how).findings;
    // What is wrong with acceptances is said by `check`, which knows what they could be for.
    findings.retain(|finding| finding.code.is_about_port_names());

    let report = Report {
        findings: &findings,
        sources: &understood.input.sources,
        scope: scope(&understood),
        fail_on: settings::fail_on(arguments.triage.fail_on, &config),
        successful: true,
        undecided: &[],
        repository: &how.repository,
    };

    let mut options = terminal.out_options();
    if arguments.written.output.is_some() {
        options = findings_for_people::Options::default();
    }
    let mut answer = Answer::new(terminal, arguments.written.output.as_deref());
    let out = answer.out();
    match arguments.written.format {
        TableFormat::Human => {
            human::write(out, &names, options)?;
            findings_for_people::write(out, &findings, report.sources, options)?;
        }
        TableFormat::Json => json::write(out, &names, &findings, &report.scope)?,
        TableFormat::Csv => rows::table(&names, &findings).write_csv(out)?,
        TableFormat::Md => {
            rows::table(&names, &findings).write_markdown(out)?;
            writeln!(out)?;
            markdown::write(out, &report)?;
        }
    }
    answer.finish()?;
    if !common.run.quiet {
        terminal.tell(&format!(
            "{}, {} ({})",
            count(names.len(), "name"),
            findings_for_people::summary(Counts::of(&findings)),
            scope_line(&understood)
        ))?;
    }
    let fails = findings.iter().any(|finding| report.fails(finding));
    Ok(if fails { Status::Found } else { Status::Fine })
}
