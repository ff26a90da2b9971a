//! Guarantees: sentences about flows that must hold for every pod that could exist.
//!
//! ```text
//!   text ──▶ parse ──▶ syntax ──▶ meaning ──▶ region + verdict wanted ──▶ check ──▶ Outcome
//!          (problems)          (problems: names)                       (solver, then evaluator)
//! ```
//!
//! The language, with its grammar and the exact meaning of each sentence, is described in `docs/guarantees.md`. Text
//! that is no guarantee, and names that mean nothing, come back as [`Problem`]s with their places; nothing here panics
//! on any text.

pub mod check;
pub mod meaning;
mod parse;
pub mod syntax;
#[cfg(test)]
pub(crate) mod tests;

pub use check::{Counterexample, Outcome, prove, smt_lib};
pub use meaning::{Guarantee, resolve};
pub use parse::{comments, parse};

use std::ops::Range;

/// Something wrong with the text of a guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes it is about.
    pub span: Range<usize>,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// The way out, where one is known.
    pub help: Option<String>,
}
