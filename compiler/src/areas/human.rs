//! Sets of flows for people.

use crate::diagnostic::escape::message;
use std::io::{self, Write};
use verifier::change::Area;

/// At most this many exceptions are written out; the other formats have them all.
const MOST_EXCEPTIONS: usize = 8;

/// What an area leaves out, a line each.
#[must_use]
pub fn exceptions(area: &Area) -> Vec<String> {
    let shown = area.except.iter().take(MOST_EXCEPTIONS);
    let mut lines: Vec<String> = shown
        .map(|exception| format!("except {}", area.apart(exception)))
        .collect();
    match area.except.len().saturating_sub(MOST_EXCEPTIONS) {
        0 => {}
        1 => lines.push("and one exception more".to_owned()),
        more => lines.push(format!("and {more} exceptions more")),
    }
    lines
}

/// Writes an area: a line with its word, what it leaves out, and an example; `indent` is how far in the word stands.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, indent: &str, word: &str, area: &Area) -> io::Result<()> {
    let under = " ".repeat(word.len());
    writeln!(out, "{indent}{word}  {}", message(&area.to_string()))?;
    for line in exceptions(area) {
        writeln!(out, "{indent}{under}  {}", message(&line))?;
    }
    writeln!(
        out,
        "{indent}{under}  for example: {}",
        message(&area.witness.to_string())
    )
}
