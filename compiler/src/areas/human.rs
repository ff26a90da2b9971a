//! Sets of flows for people.

use super::exceptions;
use crate::diagnostic::escape::message;
use std::io::{self, Write};
use verifier::change::Area;

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
