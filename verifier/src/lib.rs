//! Questions about policies that only a solver can answer.
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
//! - the solver is named in `encode` alone.
//!
//! Deliberately absent: manifests, text of findings, input/output; verdicts of host policies.

// What is asked and answered.
pub mod answer;
pub mod error;
pub mod options;

// From policies to formulas.
mod encode;
#[cfg(test)]
mod generated;
mod overlap;
mod region;

// From answers to findings.
mod replay;
mod support;
pub mod witness;

// The checks.
pub mod checks;

// What policies are held against.
pub mod guarantee;

// What a change of them does.
pub mod change;
pub use encode::{solver_version, solver_works};

pub use checks::redundant_rule::{Effect, Redundancy, redundant_rules};
pub use checks::rule_never_matches::never_matching_rules;
