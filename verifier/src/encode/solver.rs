//! One solver with a budget for each question.

use std::cell::RefCell;

use z3::ast::{Ast, Bool};
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

impl Found {
    /// As it is kept between runs; what is not known is not.
    pub(crate) fn written(&self) -> Option<String> {
        match self {
            Self::Some => Some("some".to_owned()),
            Self::None => Some("none".to_owned()),
            Self::Unknown(_) => None,
        }
    }

    pub(crate) fn read(kept: &str) -> Option<Self> {
        match kept {
            "some" => Some(Self::Some),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// Runs `work` in a solver context of its own, whose memory is freed at the end. Terms never leave it.
pub(crate) fn in_own_context<R: Send + Sync>(work: impl FnOnce() -> R + Send + Sync) -> R {
    with_z3_config(&Config::new(), work)
}

/// The version of the solver, as it says itself.
#[must_use]
pub fn solver_version() -> &'static str {
    z3::full_version()
}

/// Whether the solver answers a question whose answer is known.
#[must_use]
pub fn solver_works() -> bool {
    in_own_context(|| {
        let one = Bool::new_const("one");
        let solver = Solver::new();
        solver.assert(&one);
        solver.check() == SatResult::Sat && solver.check_assumptions(&[!&one]) == SatResult::Unsat
    })
}

/// An incremental solver, asked under assumptions.
///
/// z3's own choice: with assumptions, its SMT core, which looks only at what a question touches. Its pure SAT solvers
/// (logics QF_FD and QF_BV) took twice the time on dense policy sets with 4.8.12.
pub(super) struct Session {
    solver: Solver,
    /// What was stated, as it was stated: the solver itself keeps clauses only.
    stated: RefCell<Vec<Bool>>,
    questions: RefCell<u32>,
}

impl Session {
    pub(super) fn new(options: &Options) -> Self {
        let solver = Solver::new();
        let mut params = Params::new();
        params.set_u32("rlimit", options.steps);
        params.set_u32("timeout", options.backstop_ms);
        solver.set_params(&params);
        Self {
            solver,
            stated: RefCell::default(),
            questions: RefCell::new(0),
        }
    }

    /// Asserts a fact for as long as the session lives; not to be called inside [`Self::scoped`].
    pub(super) fn state(&self, fact: Bool) {
        self.solver.assert(&fact);
        self.stated.borrow_mut().push(fact);
    }

    /// Asserts a fact until the current scope ends.
    pub(super) fn assert(&self, fact: &Bool) {
        self.solver.assert(fact);
    }

    /// A literal that stands for `formula` when it is assumed.
    pub(super) fn literal(&self, formula: &Bool) -> Bool {
        let number = self.questions.replace_with(|number| *number + 1);
        let literal = Bool::new_const(format!("question.{number}"));
        self.state(literal.implies(formula));
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

    /// Everything stated, and `assumptions`, as one SMT-LIB benchmark.
    pub(super) fn to_smt_lib(&self, assumptions: &[Bool]) -> String {
        let plain = Solver::new();
        for fact in self.stated.borrow().iter().chain(assumptions) {
            plain.assert(fact);
        }
        plain.to_smt2()
    }
}

/// The value of a term; the model is asked to complete itself.
pub(super) fn value<T: Ast>(model: &Model, term: &T) -> Result<T, VerifierError> {
    model
        .eval(term, true)
        .ok_or(VerifierError::Solver("evaluate a term"))
}
