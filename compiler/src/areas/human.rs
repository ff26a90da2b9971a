//! Sets of flows for people.

use crate::diagnostic::escape::message;
use std::io::{self, Write};
use verifier::change::Area;

/// At most this many exceptions are written out; the other formats have them all.
const MOST_EXCEPTIONS: usize = 8;

/// Writes an area: a line with its word, what it leaves out, and an example; `indent` is how far in the word stands.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, indent: &str, word: &str, area: &Area) -> io::Result<()> {
    let under = " ".repeat(word.len());
    writeln!(out, "{indent}{word}  {}", message(&area.to_string()))?;
    for exception in area.except.iter().take(MOST_EXCEPTIONS) {
        writeln!(out, "{indent}{under}  except {}", message(&area.apart(exception)))?;
    }
    match area.except.len().saturating_sub(MOST_EXCEPTIONS) {
        0 => {}
        1 => writeln!(out, "{indent}{under}  and one exception more")?,
        more => writeln!(out, "{indent}{under}  and {more} exceptions more")?,
    }
    writeln!(
        out,
        "{indent}{under}  for example: {}",
        message(&area.witness.to_string())
    )
}
