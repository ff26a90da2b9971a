//! # PC402 guarantee-vacuous
//!
//! A guarantee speaks of no flow at all, so it says nothing about the policies.
//!
//! ## What is wrong
//! Its ends contradict each other, its exceptions take everything away, `for existing` finds no pod that fits, or it
//! speaks of flows that no policy decides: between two ends that are no pods, or from a pod's own node to it (nodes
//! always reach their pods, for probes).
//!
//! ## Example
//! ```text
//! never ns:dev -> ns:prod port 443 except port 443
//! never host -> ns:prod
//! ```
//!
//! ## How to fix it
//! Widen the ends or the ports, or remove the guarantee.

use crate::diagnostic::{Code, Finding};
use crate::prove::Stated;

/// The finding about a guarantee that speaks of nothing.
#[must_use]
pub fn finding(stated: &Stated) -> Finding {
    let message = format!(
        "{} speaks of no flow that a policy decides, so it proves nothing",
        stated.called()
    );
    Finding::new(Code::GUARANTEE_VACUOUS, message)
        .at(stated.origin.clone(), "nothing can match this")
        .help("widen its ends or ports, or remove it")
}
