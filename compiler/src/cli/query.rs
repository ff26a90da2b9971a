//! `portcullis query`

use super::args::{Format, Query};
use super::terminal::Terminal;
use super::{Failure, Status, read, refuse_blocked};
use crate::query::{self, human, json};
use std::io::Write;

pub(super) fn run(arguments: &Query, terminal: &mut Terminal) -> Result<Status, Failure> {
    // What is asked is looked at first: a slip in it should not wait for the input.
    let question = query::Query {
        from: arguments.from.parse().map_err(Failure::said)?,
        to: arguments.to.parse().map_err(Failure::said)?,
        port: arguments.port.parse().map_err(Failure::said)?,
    };
    let common = &arguments.common;
    let understood = read(common)?;
    if let Some(status) = refuse_blocked(&understood, common, terminal)? {
        return Ok(status);
    }
    let answer = query::query(&understood.model, &question).map_err(Failure::said)?;
    match arguments.format {
        Format::Human => human::write(&mut terminal.out, &answer, &understood.input.sources)?,
        Format::Json => json::write(&mut terminal.out, &answer)?,
    }
    terminal.out.flush()?;
    Ok(if answer.allowed() {
        Status::Fine
    } else {
        Status::Found
    })
}
