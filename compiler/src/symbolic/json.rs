//! A change as JSON: `{"version": 1, "scope": "every-pod", "same": false, "opened": {…}, "closed": {…}}`.
//!
//! A contract with other programs: fields are added, never renamed or removed. The schema is
//! `docs/schemas/symbolic-diff.v1.json`.

use super::is_no_change;
use crate::areas::json::{Cited, WireAreas};
use crate::diagnostic::json::write_pretty;
use ir::model::Model;
use serde::Serialize;
use std::io::{self, Write};
use verifier::change::Comparison;

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    /// What is spoken of: not only pods that are there.
    scope: &'static str,
    /// Whether it is proved that nothing changes.
    same: bool,
    opened: WireAreas<'a>,
    closed: WireAreas<'a>,
    /// Namespaces that have other labels than before.
    relabelled: &'a [String],
    /// Policies that differ and are about nodes, which is not looked into.
    about_nodes: &'a [String],
}

/// Writes the change and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, comparison: &Comparison, old: &Model, new: &Model) -> io::Result<()> {
    let opened = Cited::of(&comparison.opened, old, new);
    let closed = Cited::of(&comparison.closed, old, new);
    let report = Report {
        version: VERSION,
        scope: "every-pod",
        same: is_no_change(comparison),
        opened: opened.wire(),
        closed: closed.wire(),
        relabelled: &comparison.relabelled,
        about_nodes: &comparison.about_nodes,
    };
    write_pretty(out, &report)
}
