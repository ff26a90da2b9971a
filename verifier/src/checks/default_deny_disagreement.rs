//! Policies disagree about default deny: every pod for which one switches it off has it switched on by others
//! (`unsat(in force without default deny ∧ ¬ another one in force with it)`), and some flow is denied by it
//! (`sat(in force ∧ denied by default)`).
//!
//! The policy allows something and says that the rest shall pass too, and for none of its pods that is so. (One that only
//! denies says that it wants to do no more than that, and does no more.) Where only a part of its
//! pods is isolated by others it is not told: a broad policy that isolates nobody, above narrow ones that do, is what
//! the switch is for.

use ir::flow::Because;
use ir::policy::{Action, Direction, Policy, PolicyId, RuleId};
use rayon::prelude::*;

use crate::answer::{Report, Undecided};
use crate::error::VerifierError;
use crate::oracle::{Cut, Oracle};
use crate::replay::Stage;
use crate::support::{Stop, irreducible};
use crate::witness::Witness;

/// A policy whose "no default deny" is overruled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The policy that switches default deny off.
    pub policy: PolicyId,
    /// In which direction.
    pub direction: Direction,
    /// An irreducible set of policies that switch it on for every pod of it, ascending.
    pub isolated_by: Vec<PolicyId>,
    /// A flow that is denied by default.
    pub witness: Witness,
}

/// Finds every policy whose "no default deny" is overruled for all its pods.
pub(crate) fn find(oracle: &Oracle<'_>) -> Result<Report<Disagreement>, VerifierError> {
    let asked: Vec<_> = oracle
        .model
        .policy_ids()
        .flat_map(|(id, policy)| Direction::BOTH.map(|direction| (id, policy, direction)))
        .filter(|(_, policy, direction)| switches_off(policy, *direction))
        .collect();
    let answers: Vec<_> = asked
        .par_iter()
        .map(|(id, policy, direction)| disagreement(oracle, *id, policy, *direction))
        .collect::<Result<_, VerifierError>>()?;
    let mut report = Report {
        found: vec![],
        undecided: vec![],
    };
    for ((policy, ..), answer) in asked.into_iter().zip(answers) {
        match answer {
            Ok(found) => report.found.extend(found),
            Err(reason) => report.undecided.push(Undecided {
                rule: RuleId { policy, rule: 0 },
                reason,
            }),
        }
    }
    Ok(report)
}

/// Only Cilium's policies of the namespaced tier have the switch (`enableDefaultDeny`).
fn switches_off(policy: &Policy, direction: Direction) -> bool {
    let has_switch = policy.kind.is_cilium();
    let allows = policy
        .rules
        .iter()
        .any(|rule| rule.direction == direction && rule.action == Action::Allow);
    has_switch && allows && policy.applies.has(direction) && !policy.default_deny.has(direction)
}

fn disagreement(
    oracle: &Oracle<'_>,
    id: PolicyId,
    policy: &Policy,
    direction: Direction,
) -> Result<Cut<Option<Disagreement>>, VerifierError> {
    let algebra = oracle.algebra();
    let Some(pods) = algebra.words().in_force(policy, direction) else {
        return Ok(Ok(None));
    };
    let isolating = algebra.isolating(&pods, direction);
    if isolating.is_empty() {
        return Ok(Ok(None));
    }
    let mut isolated_by = match isolating_all(oracle, id, direction, &isolating)? {
        Ok(Some(isolated_by)) => isolated_by,
        Ok(None) => return Ok(Ok(None)),
        Err(reason) => return Ok(Err(reason)),
    };
    let witness = match oracle.denied_by_default(id, direction)? {
        Ok(Some(witness)) => witness,
        Ok(None) => return Ok(Ok(None)),
        Err(reason) => return Ok(Err(reason)),
    };
    isolated_by.sort();
    let stage = Stage::new(oracle.model, &witness, RuleId { policy: id, rule: 0 });
    stage.expect_verdict_of_all(false)?;
    stage.expect_reason("it is not denied by default", |because| {
        matches!(because, Because::DefaultDeny(_))
    })?;
    Ok(Ok(Some(Disagreement {
        policy: id,
        direction,
        isolated_by,
        witness,
    })))
}

/// An irreducible set of these policies that denies by default for every pod; none where not even all of them do.
fn isolating_all(
    oracle: &Oracle<'_>,
    id: PolicyId,
    direction: Direction,
    isolating: &[PolicyId],
) -> Result<Cut<Option<Vec<PolicyId>>>, VerifierError> {
    let mut isolate = |some: &[PolicyId]| Stop::no_flow(oracle.leave_free(id, direction, some));
    Stop::settled(match isolate(isolating) {
        Ok(true) => irreducible(isolating, &mut isolate).map(Some),
        Ok(false) => Ok(None),
        Err(stop) => Err(stop),
    })
}
