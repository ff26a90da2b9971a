//! Sets of flows as cells of a table.

use verifier::change::Area;

/// Who sends, who receives, on which ports, what else is true, what is left out, and an example.
#[must_use]
pub fn cells(area: &Area) -> [String; 6] {
    let mut besides = area.besides.clone();
    if let Some(end) = area.other_end {
        besides.push(format!("as far as the policies of the {end} let it through"));
    }
    let except: Vec<String> = area.except.iter().map(|one| area.apart(one)).collect();
    [
        area.from.clone(),
        area.to.clone(),
        area.ports.clone(),
        besides.join("; "),
        except.join("; "),
        area.witness.to_string(),
    ]
}

/// The names of these columns.
pub const HEADER: [&str; 6] = ["from", "to", "ports", "besides", "except", "example"];
