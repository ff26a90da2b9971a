//! Differences as a graph: an arrow for each change, by colour.

use super::{Diff, Kind};
use crate::connectivity::dot::node;
use crate::graphviz::{Drawing, Edge};
use std::io::{self, Write};

/// Writes the changes as a graph.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, diff: &Diff) -> io::Result<()> {
    let mut drawing = Drawing::default();
    for change in &diff.changes {
        let (label, look) = match change.kind() {
            Kind::Added => (format!("+ {}", change.new), "color=darkgreen fontcolor=darkgreen"),
            Kind::Removed => (
                format!("- {}", change.old),
                "color=firebrick fontcolor=firebrick style=dashed",
            ),
            Kind::Changed => (
                format!("{}\nwas {}", change.new, change.old),
                "color=darkorange fontcolor=darkorange",
            ),
        };
        drawing.arrow(
            node(&change.source),
            node(&change.destination),
            Edge { label, look },
        );
    }
    for peer in diff.only_old.iter().chain(&diff.only_new) {
        drawing.node(node(peer));
    }
    drawing.write(out)
}
