//! Sets of flows over all pods that could exist, as the verifier tells them ([`verifier::change::Area`]), written for
//! people and for programs. What a change does and what each policy adds are told with them.

pub mod human;
pub mod json;
pub mod rows;

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
