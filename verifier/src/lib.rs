//! Questions about policies, answered for every pod that could exist: by sets where that is exact and cheap, by a solver
//! where it is not.
//!
//! Input: an [`ir::model::Model`]. Output: findings about *every pod that could exist*, not only those in the
//! manifests, each with the rules it rests on and a [`witness::Witness`]. The compiler renders them.
//!
//! Invariants:
//! - no witness leaves this crate before [`ir::evaluator`] has confirmed it; a witness that it does not confirm is an
//!   [`error::VerifierError`], never a finding;
//! - "unknown" is an answer of its own ([`answer::Answer`]);
//! - answers do not depend on thread count, on the machine's speed (budgets count solver steps) or on the solver's
//!   version (supports and witnesses are found by yes-or-no questions in a fixed order);
//! - the solver is named in `encode` alone;
//! - algebra and solver answer a question alike; which of the two is asked depends on the policies alone.
//!
//! Deliberately absent: manifests, text of findings, input/output; verdicts of host policies.

// What is asked and answered.
pub mod answer;
pub mod answers;
pub mod error;
pub mod options;

// From policies to sets, from policies to formulas, and who asks which of the two.
mod algebra;
mod encode;
#[cfg(test)]
mod generated;
mod oracle;
mod overlap;
mod question;
mod region;
mod slice;

// From answers to findings.
mod replay;
mod support;
pub mod witness;

// The checks, and all of them at once.
pub mod checks;
pub mod conflicts;

// What policies are held against.
pub mod guarantee;

// What a change of them does, and each of them.
pub mod change;
pub mod impact;
pub use encode::{solver_version, solver_works};

pub use checks::allow_partly_cut::PartlyCut;
pub use checks::default_deny_disagreement::Disagreement;
pub use checks::exception_reopened::Reopened;
pub use checks::half_open_path::HalfOpen;
pub use checks::redundant_rule::{Cause, Redundancy, redundant_rules};
pub use checks::rule_never_matches::never_matching_rules;
pub use conflicts::{Conflicts, conflicts};
