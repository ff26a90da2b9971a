//! `portcullis connectivity`

use super::args::{Common, FlowsFormat, Written};
use super::output::Answer;
use super::terminal::Terminal;
use super::{Failure, Status, count, read, refuse_blocked, scope_line};
use crate::connectivity::focus::Focus;
use crate::connectivity::{Apart, Connectivity, dot, exposure, human, json, rows};
use crate::resolve::Resolved;
use clap::Args;
use std::io::Write;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,

    #[command(flatten)]
    written: Written<FlowsFormat>,

    /// Only connections from or to this workload or pod (namespace/name, or name); may be given more than once
    #[arg(long, value_name = "WORKLOAD")]
    focus: Vec<String>,

    /// Also which pods that could exist (in known or new namespaces, with any labels) the policies of each workload let
    /// in and out
    #[arg(long)]
    exposure: bool,

    /// Do not fail when there is no workload
    #[arg(long)]
    allow_empty: bool,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    let common = &arguments.common;
    let understood = read(&common.paths, &common.run)?;
    if let Some(status) = refuse_blocked(&understood, &common.run, terminal)? {
        return Ok(status);
    }
    let cluster = &understood.model.cluster;
    if cluster.endpoints().is_empty() && !arguments.allow_empty {
        writeln!(
            terminal.err,
            "error: there is no workload here (--allow-empty accepts that)"
        )?;
        return Ok(Status::Failed);
    }
    let focus = match arguments.focus.as_slice() {
        [] => None,
        names => Some(Focus::on(names, cluster).map_err(Failure::said)?),
    };
    let resolved = Resolved::of(&understood.model);
    let connectivity = Connectivity::of(&resolved);
    let mut connections = connectivity.connections(&Apart::new());
    let mut exposures = arguments
        .exposure
        .then(|| exposure::exposures(&resolved, &connectivity));
    if let Some(focus) = &focus {
        connections.retain(|connection| focus.keeps(connection));
        if let Some(exposures) = &mut exposures {
            exposures.retain(|exposure| focus.has(&exposure.workload));
        }
    }
    let exposed = exposures.as_deref().unwrap_or_default();
    let mut answer = Answer::new(terminal, arguments.written.output.as_deref());
    let out = answer.out();
    match arguments.written.format {
        FlowsFormat::Human => {
            human::write(out, &connections)?;
            if arguments.exposure {
                writeln!(out)?;
                exposure::human::write(out, exposed)?;
            }
        }
        FlowsFormat::Json => json::write(out, &connections, exposures.as_deref())?,
        FlowsFormat::Csv => rows::table(&connections, exposed).write_csv(out)?,
        FlowsFormat::Md => rows::table(&connections, exposed).write_markdown(out)?,
        FlowsFormat::Dot => dot::write(out, &connections, exposed)?,
    }
    answer.finish()?;
    if !common.run.quiet {
        writeln!(
            terminal.err,
            "{} ({})",
            count(connections.len(), "connection"),
            scope_line(&understood)
        )?;
    }
    Ok(Status::Fine)
}
