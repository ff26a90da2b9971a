//! `portcullis connectivity`

use super::args::{Connectivity, Format};
use super::terminal::Terminal;
use super::{Failure, Status, count, read, refuse_blocked, scope_line};
use crate::connectivity::{self, human, json};
use crate::resolve::Resolved;
use std::io::Write;

pub(super) fn run(arguments: &Connectivity, terminal: &mut Terminal) -> Result<Status, Failure> {
    let common = &arguments.common;
    let understood = read(common)?;
    if let Some(status) = refuse_blocked(&understood, common, terminal)? {
        return Ok(status);
    }
    if understood.model.cluster.endpoints().is_empty() && !arguments.allow_empty {
        writeln!(
            terminal.err,
            "error: there is no workload here (--allow-empty accepts that)"
        )?;
        return Ok(Status::Failed);
    }
    let connections = connectivity::connections(&Resolved::of(&understood.model));
    match arguments.format {
        Format::Human => human::write(&mut terminal.out, &connections)?,
        Format::Json => json::write(&mut terminal.out, &connections)?,
    }
    terminal.out.flush()?;
    if !common.quiet {
        writeln!(
            terminal.err,
            "{} ({})",
            count(connections.len(), "connection"),
            scope_line(&understood)
        )?;
    }
    Ok(Status::Fine)
}
