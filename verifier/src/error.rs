//! What can go wrong that is no property of the policies: mistakes of ours.

use ir::policy::RuleId;
use thiserror::Error;

/// A mistake in this crate, found by its own cross-checks. Never caused by input, never reported as a finding.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VerifierError {
    /// The reference evaluator does not confirm a witness: the encoding and the evaluator disagree.
    #[error(
        "the witness of rule {rule:?} does not replay: {what} (flow `{flow}`); solver and evaluator disagree",
        rule = (rule.policy.0, rule.rule)
    )]
    Replay {
        /// The rule in question.
        rule: RuleId,
        /// The witness, as text.
        flow: String,
        /// Which expectation failed.
        what: &'static str,
    },
    /// The reference evaluator does not confirm a witness about whole flows.
    #[error("the flow `{flow}` does not replay: {what}; solver and evaluator disagree")]
    ReplayFlow {
        /// The witness, as text.
        flow: String,
        /// Which expectation failed.
        what: &'static str,
    },
    /// A rule id that is not of the model.
    #[error("no rule {rule:?} in the model", rule = (.0.policy.0, .0.rule))]
    NoSuchRule(RuleId),
    /// The solver library refused an operation that it is documented to support.
    #[error("the solver library refused to {0}")]
    Solver(&'static str),
}
