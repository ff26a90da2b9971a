//! What can be wrong with policies that are read as written. One file for each rule; its doc comment is the page that
//! explains it.
//!
//! [`named_ports`] is the machinery of the `PC2xx` rules: which rules use which names on which pods.

pub mod named_ports;
pub mod pc201_named_port_many_numbers;
pub mod pc302_rule_redundant;
pub mod pc310_same_priority;
pub mod pc401_guarantee_violated;
pub mod pc402_guarantee_vacuous;
pub mod pc404_guarantee_unreadable;
pub mod pc405_guarantee_names_nothing;
#[cfg(test)]
mod tests;

use crate::diagnostic::{Finding, ObjectName, Witness};
use ir::model::Model;
use ir::policy::{Policy, RuleId};
use ir::port::Protocol;

/// Everything that can be found without a solver, unsorted.
#[must_use]
pub fn findings(model: &Model) -> Vec<Finding> {
    let uses = named_ports::uses(model);
    let mut findings = pc201_named_port_many_numbers::check(model, &uses);
    findings.extend(pc310_same_priority::check(model));
    findings
}

/// A policy as findings name it.
pub(crate) fn object_name(policy: &Policy) -> ObjectName {
    ObjectName {
        kind: policy.kind.to_string(),
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
    }
}

/// `namespace/name` of a rule's policy.
pub(crate) fn policy_name(model: &Model, rule: RuleId) -> String {
    match model.policy(rule.policy) {
        Some(policy) => match &policy.namespace {
            Some(namespace) => format!("{namespace}/{}", policy.name),
            None => policy.name.clone(),
        },
        None => String::new(),
    }
}

/// A solver's witness as findings show it: who, with the labels that matter, and on which port.
pub(crate) fn witness(witness: &verifier::witness::Witness) -> Witness {
    let flow = &witness.flow;
    Witness {
        from: witness.party(flow.source),
        to: witness.party(flow.destination),
        protocol: flow.protocol.to_string(),
        port: (flow.protocol != Protocol::Other).then_some(flow.port),
    }
}
