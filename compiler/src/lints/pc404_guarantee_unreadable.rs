//! # PC404 guarantee-unreadable
//!
//! The text is not a guarantee, or it names a workload or pod that the input does not have. Nothing is proved.
//!
//! ## What is wrong
//! The language of guarantees is small: `never A -> B`, `always A -> B`, `only A -> B`, `isolated A`, each with ports,
//! exceptions and `for existing`. One guarantee begins at the first column of a line; indented lines go on with it.
//! `pod:NAMESPACE/NAME` names something that is in the input; pods that could exist are described by namespace and
//! labels, `ns:NAMESPACE[app=web]`.
//!
//! ## Example
//! ```text
//! never ns:dev to ns:prod        # expected `->`
//! ```
//!
//! ## How to fix it
//! The finding marks the first character that does not fit and says what would. The grammar is in
//! `docs/guarantees.md`.

use crate::diagnostic::{Code, Finding};
use ir::origin::Origin;
use verifier::guarantee::Problem;

/// The finding about text that is no guarantee.
#[must_use]
pub fn finding(problem: Problem, origin: Origin) -> Finding {
    let finding = Finding::new(Code::GUARANTEE_UNREADABLE, problem.message).at(origin, "");
    match problem.help {
        Some(help) => finding.help(help),
        None => finding,
    }
}
