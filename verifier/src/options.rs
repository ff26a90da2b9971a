//! How much a question may cost, and whether its answer is known already.

use crate::answers::Answers;

/// Budgets of the solver, for each question by itself, and where its answers are kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Solver steps (z3's `rlimit`) before a question is given up as unknown. The count does not depend on the
    /// machine's speed, so the same question gets the same answer everywhere. 0: no limit.
    pub steps: u32,
    /// Milliseconds before a question is given up all the same: a backstop against a solver that stops counting,
    /// far above what `steps` allows.
    pub backstop_ms: u32,
    /// Where the solver's answers are kept between runs; nowhere unless said.
    pub answers: Answers,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            steps: 50_000_000,
            backstop_ms: 60_000,
            answers: Answers::default(),
        }
    }
}
