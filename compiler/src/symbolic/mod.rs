//! `diff --symbolic`: what a change opens and closes for every pod that could exist, written.

pub mod human;
pub mod json;
pub mod rows;

use verifier::change::{Comparison, Side};

/// How many sets of flows of each kind are told apart.
pub const MOST: usize = 32;

/// Whether it is proved that no flow has another verdict.
#[must_use]
pub fn is_no_change(comparison: &Comparison) -> bool {
    let sides = [&comparison.opened, &comparison.closed];
    comparison.about_nodes.is_empty() && sides.into_iter().all(Side::is_proved_empty)
}

/// What is not known, as sentences.
pub fn unknown(comparison: &Comparison) -> impl Iterator<Item = String> {
    let sides = [("opened", &comparison.opened), ("closed", &comparison.closed)];
    let given_up = sides.into_iter().filter_map(|(word, side)| {
        let reason = side.unknown.as_ref()?;
        Some(format!("whether more is {word} is not known: {reason}"))
    });
    given_up.chain(comparison.about_nodes.iter().map(|policy| about_nodes(policy)))
}

/// What is said of a policy that is about nodes and differs.
#[must_use]
pub fn about_nodes(policy: &str) -> String {
    format!("the policy {policy} differs and selects nodes: what it does to them is not looked into")
}
