//! `impact`: what each policy adds: the flows that are allowed, and those that are denied, only because it is there.

pub mod human;
pub mod json;
pub mod named;
pub mod rows;

use verifier::impact::Impact;

/// What there is to say of a policy in one word.
#[must_use]
pub fn word(impact: &Impact) -> &'static str {
    if impact.about_nodes {
        "about-nodes"
    } else if impact.is_proved_idle() {
        "none"
    } else if impact.opens.areas.is_empty() && impact.closes.areas.is_empty() {
        "unknown"
    } else {
        "some"
    }
}

/// What is not known of a policy, as sentences about it.
pub fn unknown(impact: &Impact) -> impl Iterator<Item = String> {
    let sides = [("opens", &impact.opens), ("closes", &impact.closes)];
    sides.into_iter().filter_map(|(word, side)| {
        let reason = side.unknown.as_ref()?;
        Some(format!("whether it {word} more is not known: {reason}"))
    })
}
