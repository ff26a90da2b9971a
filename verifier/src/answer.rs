//! The three answers a question can have.

use ir::policy::RuleId;

/// What is known of a property after asking the solver.
///
/// `Unknown` is an answer of its own, never folded into either of the others: a property that could not be decided
/// within the budget is neither proved nor refuted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T, W> {
    /// Proved for everything that could exist; what the proof shows.
    Holds(T),
    /// Refuted; the flow that refutes it, replayed.
    Fails(W),
    /// Not decided, and why.
    Unknown(String),
}

/// What a check of every rule found, in the order of the rules' ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<T> {
    /// The findings.
    pub found: Vec<T>,
    /// The rules for which the solver gave no answer.
    pub undecided: Vec<Undecided>,
}

/// A rule for which the solver gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Undecided {
    /// The rule.
    pub rule: RuleId,
    /// Why there is none, as the solver says it.
    pub reason: String,
}
