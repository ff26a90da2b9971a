//! # PC401 guarantee-violated
//!
//! A guarantee does not hold: there is a flow that it forbids and the policies allow, or the other way round.
//!
//! ## What is wrong
//! The finding shows one such flow, between pods of the input or pods that could be created tomorrow, and the lines
//! that decide it. It was found by a solver and confirmed by the reference evaluator. It is an error, unless the
//! guarantee begins with `warning` or `note`.
//!
//! ## Example
//! ```text
//! never ns:dev -> ns:prod
//! ```
//! with a policy in `prod` whose `ingress` has an empty `from`.
//!
//! ## How to fix it
//! Change the rules that decide the flow; or, where the flow is meant to be as it is, say so in the guarantee
//! (`except from … to … port …`). `for existing` restricts a guarantee to the pods of the input. A guarantee that
//! does not hold yet begins with `warning` until it does.

use super::{object_name, policy_name};
use crate::diagnostic::{Code, Finding};
use crate::prove::Stated;
use ir::flow::{Because, Decision, Party};
use ir::model::Model;
use ir::policy::{Action, Direction};
use verifier::guarantee::Counterexample;

/// The finding about a guarantee that this flow refutes.
#[must_use]
pub fn finding(model: &Model, stated: &Stated, example: &Counterexample) -> Finding {
    let witness = &example.witness;
    let verdict = if witness.allowed { "allowed" } else { "denied" };
    let message = format!("{} does not hold: a flow is {verdict}", stated.called());
    let mut finding = Finding::new(Code::GUARANTEE_VIOLATED, message)
        .at(stated.origin.clone(), "does not hold")
        .witness(super::witness(witness));
    finding.severity = stated.severity;
    let mut silent = vec![];
    for (direction, decision, party) in [
        (Direction::Egress, &example.judgement.egress, witness.flow.source),
        (
            Direction::Ingress,
            &example.judgement.ingress,
            witness.flow.destination,
        ),
    ] {
        // Where the flow is denied, the side that lets it through has no part in that.
        if decision.allowed != witness.allowed {
            continue;
        }
        finding = decided(model, finding, direction, decision);
        if decision.because == Because::Unrestricted
            && let Party::Endpoint { .. } = party
        {
            silent.push(format!(
                "no policy denies {direction} by default for {}",
                witness.party(party)
            ));
        }
    }
    let invented = match (witness.source_invented, witness.destination_invented) {
        (true, true) => Some("both ends are made up: nothing keeps such pods from being created"),
        (true, false) => Some("the source is made up: nothing keeps such a pod from being created"),
        (false, true) => Some("the destination is made up: nothing keeps such a pod from being created"),
        (false, false) => None,
    };
    silent.extend(invented.map(str::to_owned));
    if !silent.is_empty() {
        finding = finding.help(silent.join("\n"));
    }
    finding
}

fn decided(model: &Model, mut finding: Finding, direction: Direction, decision: &Decision) -> Finding {
    match &decision.because {
        Because::Rules(rules) => {
            for id in rules {
                let (Some(rule), Some(policy)) = (model.rule(*id), model.policy(id.policy)) else {
                    continue;
                };
                let does = match (rule.action, direction) {
                    (Action::Deny, _) => "denies it",
                    (_, Direction::Egress) => "lets it out",
                    (_, Direction::Ingress) => "lets it in",
                };
                finding = finding.because(
                    rule.origin.clone(),
                    format!("this rule of {} {does}", policy_name(model, *id)),
                );
                finding = about(finding, policy);
            }
        }
        Because::DefaultDeny(policies) => {
            for id in policies {
                let Some(policy) = model.policy(*id) else { continue };
                let text = format!("denies {direction} by default, and no rule allows it");
                finding = about(finding.because(policy.origin.clone(), text), policy);
            }
        }
        Because::NotAnEndpoint | Because::Loopback | Because::OwnHost | Because::Unrestricted => {}
    }
    finding
}

fn about(finding: Finding, policy: &ir::policy::Policy) -> Finding {
    let name = object_name(policy);
    if finding.objects.contains(&name) {
        finding
    } else {
        finding.about(name)
    }
}
