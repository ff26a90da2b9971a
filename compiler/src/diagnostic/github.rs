//! Findings as [workflow commands], which GitHub shows as annotations beside the lines of a change.
//!
//! The runner reads commands from whatever a step prints, so a manifest that could print a line of its own could set
//! outputs or hide text. Here every finding is one line that starts with our own command; what a command's syntax means
//! something to is percent-encoded, as the runner's own toolkit does it.
//!
//! [workflow commands]: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions

use super::report::Report;
use super::{Severity, escape};
use crate::source::STDIN;
use std::io::{self, Write};

/// Questions that the solver gave up on which are told in full; `json` has all of them.
const SHOWN: usize = 10;

/// Writes a command for each finding that counts, and one before them where the run is incomplete.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    if let Some(gave_up) = report.gave_up() {
        let shown = report.undecided.iter().take(SHOWN);
        let text = shown.fold(gave_up, |text, sentence| format!("{text}\n{sentence}"));
        writeln!(out, "::warning title=incomplete::{}", data(&text))?;
    }
    for finding in report.counting() {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        write!(out, "::{command} ")?;
        let mut text = report.text(finding);
        match report.place(finding) {
            None => {}
            // No file of the repository, so the text has to say where.
            Some(origin) if &*origin.file == STDIN => text.push_str(&format!("\nat {origin}")),
            Some(origin) => {
                let (file, line) = (property(&report.path(&origin.file)), origin.line);
                write!(out, "file={file},line={line}")?;
                // GitHub takes columns only with a place on one line.
                if origin.end_line > origin.line {
                    write!(out, ",endLine={},", origin.end_line)?;
                } else {
                    write!(out, ",col={},endColumn={},", origin.column, origin.end_column)?;
                }
            }
        }
        let title = format!("{} {}", finding.code, finding.code.name());
        writeln!(out, "title={}::{}", property(&title), data(&text))?;
    }
    Ok(())
}

/// Text behind the command's second `::`.
fn data(text: &str) -> String {
    escape::message(text).replace('%', "%25").replace('\n', "%0A")
}

/// The value of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
