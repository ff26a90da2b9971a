//! `diff --symbolic`: what a change opens and closes for every pod that could exist, written.

pub mod human;
pub mod json;
pub mod rows;

use verifier::change::Comparison;

/// How many sets of flows of each kind are told apart.
pub const MOST: usize = 32;

/// Whether it is proved that no flow has another verdict.
#[must_use]
pub fn is_no_change(comparison: &Comparison) -> bool {
    comparison.opened.is_proved_empty() && comparison.closed.is_proved_empty()
}

/// What is not known, as sentences.
pub fn unknown(comparison: &Comparison) -> impl Iterator<Item = String> {
    let sides = [("opened", &comparison.opened), ("closed", &comparison.closed)];
    sides.into_iter().filter_map(|(word, side)| {
        let reason = side.unknown.as_ref()?;
        Some(format!("whether more is {word} is not known: {reason}"))
    })
}
