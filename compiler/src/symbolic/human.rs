//! A change for people.

use super::is_no_change;
use crate::areas::human as areas;
use std::io::{self, Write};
use verifier::change::Comparison;

/// Writes what is opened and closed.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, comparison: &Comparison) -> io::Result<()> {
    for (word, side) in [("opened", &comparison.opened), ("closed", &comparison.closed)] {
        for area in &side.areas {
            areas::write(out, "", word, area)?;
        }
        if !side.complete && side.unknown.is_none() {
            let shown = side.areas.len();
            writeln!(
                out,
                "{word}  and more: only the first {shown} sets of flows are shown"
            )?;
        }
    }
    if is_no_change(comparison) {
        writeln!(out, "nothing changes, for any pod that could exist")?;
    }
    Ok(())
}
