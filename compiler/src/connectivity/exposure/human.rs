//! Exposure for people: by workload, one line for each description.

use super::{Entry, Exposure};
use crate::connectivity::Peer;
use crate::diagnostic::escape;
use ir::policy::Direction;
use std::io::{self, Write};

/// Writes `exposures`, which are sorted.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, exposures: &[Exposure]) -> io::Result<()> {
    writeln!(
        out,
        "exposure: what each workload's own policies let in (←) and out (→)"
    )?;
    let mut before: Option<&Peer> = None;
    for exposure in exposures {
        if before != Some(&exposure.workload) {
            let name = exposure.workload.to_string();
            writeln!(out, "\n{}", escape::message(&name))?;
            before = Some(&exposure.workload);
        }
        let arrow = match exposure.direction {
            Direction::Ingress => '←',
            Direction::Egress => '→',
        };
        for (blocks, ports) in &exposure.outside {
            writeln!(out, "  {arrow} {}: {ports}", Peer::Outside(blocks.clone()))?;
        }
        for entry in &exposure.pods {
            writeln!(out, "  {arrow} {}", escape::message(&line(entry)))?;
            for (who, ports) in &entry.except {
                let line = format!("{who}: {ports}");
                writeln!(out, "      except {}", escape::message(&line))?;
            }
        }
        if exposure.outside.is_empty() && exposure.pods.is_empty() {
            writeln!(out, "  {arrow} nobody")?;
        }
    }
    Ok(())
}

fn line(entry: &Entry) -> String {
    let note = if entry.exists { "" } else { " (none so far)" };
    format!("{}: {}{note}", entry.who, entry.opening)
}
