//! Differences as the rows of a table, for CSV and Markdown.

use super::Diff;
use crate::connectivity::{PortSet, rows::cells};
use crate::tabular::Table;

/// The table of changes: one row for each.
#[must_use]
pub fn table(diff: &Diff) -> Table<7> {
    let ports = |ports: &PortSet| {
        if ports.is_empty() {
            "nothing".to_owned()
        } else {
            ports.to_string()
        }
    };
    Table {
        header: [
            "change",
            "source",
            "source_kind",
            "destination",
            "destination_kind",
            "old",
            "new",
        ],
        rows: diff
            .changes
            .iter()
            .map(|change| {
                let kind = change.kind().as_str().to_owned();
                let [source, source_kind] = cells(&change.source);
                let [destination, destination_kind] = cells(&change.destination);
                let (old, new) = (ports(&change.old), ports(&change.new));
                [kind, source, source_kind, destination, destination_kind, old, new]
            })
            .collect(),
    }
}
