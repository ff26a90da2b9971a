//! One solver with a budget for each question.

use std::cell::Cell;

use z3::ast::{Bool, Ast};
use z3::{Config, Model, Params, SatResult, Solver, with_z3_config};

use crate::error::VerifierError;
use crate::options::Options;

/// What the solver says of a formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Some flow satisfies it.
    Some,
    /// No flow does.
    None,
    /// The budget ran out, or the solver gave up.
    Unknown(String),
}

/// Runs `work` in a solver context of its own, whose memory is freed at the end. Terms never leave it.
pub(crate) fn in_own_context<R: Send + Sync>(work: impl FnOnce() -> R + Send + Sync) -> R {
    with_z3_config(&Config::new(), work)
}

/// An incremental solver for finite domains: z3's SAT core under bit-vectors, with assumptions.
pub(super) struct Session {
    solver: Solver,
    questions: Cell<u32>,
}

impl Session {
    pub(super) fn new(options: &Options) -> Result<Self, VerifierError> {
        let solver =
            Solver::new_for_logic("QF_FD").ok_or(VerifierError::Solver("make a finite-domain solver"))?;
        let mut params = Params::new();
        params.set_u32("rlimit", options.steps);
        params.set_u32("timeout", options.backstop_ms);
        solver.set_params(&params);
        Ok(Self {
            solver,
            questions: Cell::new(0),
        })
    }

    pub(super) fn assert(&self, fact: &Bool) {
        self.solver.assert(fact);
    }

    /// A literal that stands for `formula` when it is assumed.
    pub(super) fn literal(&self, formula: &Bool) -> Bool {
        let number = self.questions.get();
        self.questions.set(number + 1);
        let literal = Bool::new_const(format!("question.{number}"));
        self.solver.assert(literal.implies(formula));
        literal
    }

    pub(super) fn check(&self, assumptions: &[Bool]) -> Found {
        match self.solver.check_assumptions(assumptions) {
            SatResult::Sat => Found::Some,
            SatResult::Unsat => Found::None,
            SatResult::Unknown => Found::Unknown(
                self.solver
                    .get_reason_unknown()
                    .unwrap_or_else(|| "no reason given".to_owned()),
            ),
        }
    }

    pub(super) fn model(&self) -> Result<Model, VerifierError> {
        self.solver
            .get_model()
            .ok_or(VerifierError::Solver("give a model of a satisfiable formula"))
    }

    pub(super) fn push(&self) {
        self.solver.push();
    }

    pub(super) fn pop(&self, levels: u32) {
        self.solver.pop(levels);
    }

    /// Runs `work`, then forgets what it asserted.
    pub(super) fn scoped<R>(&self, work: impl FnOnce(&Self) -> R) -> R {
        self.push();
        let result = work(self);
        self.pop(1);
        result
    }

    /// Everything asserted, and `assumptions`, as one SMT-LIB benchmark.
    pub(super) fn to_smt_lib(&self, assumptions: &[Bool]) -> String {
        self.scoped(|session| {
            for assumption in assumptions {
                session.assert(assumption);
            }
            session.solver.to_smt2()
        })
    }
}

/// The value of a term; the model is asked to complete itself.
pub(super) fn value<T: Ast>(model: &Model, term: &T) -> Result<T, VerifierError> {
    model
        .eval(term, true)
        .ok_or(VerifierError::Solver("evaluate a term"))
}
