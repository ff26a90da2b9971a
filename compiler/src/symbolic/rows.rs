//! A change as the rows of a table, for CSV and Markdown: one for each set of flows.

use super::is_no_change;
use crate::areas::rows::cells;
use crate::tabular::Table;
use verifier::change::Comparison;

/// The table.
#[must_use]
pub fn table(comparison: &Comparison) -> Table<7> {
    let mut rows = vec![];
    for (word, side) in [("opened", &comparison.opened), ("closed", &comparison.closed)] {
        for area in &side.areas {
            let [from, to, ports, besides, except, example] = cells(area);
            rows.push([word.to_owned(), from, to, ports, besides, except, example]);
        }
        if !side.complete {
            let mut row = [const { String::new() }; 7];
            row[0] = format!("{word}, and more");
            row[4] = side.unknown.clone().unwrap_or_default();
            rows.push(row);
        }
    }
    if is_no_change(comparison) {
        let mut row = [const { String::new() }; 7];
        row[0] = "nothing changes".to_owned();
        rows.push(row);
    }
    Table {
        header: ["change", "from", "to", "ports", "besides", "except", "example"],
        rows,
    }
}
