//! # PC308 exception-reopened
//!
//! Everything that an `except` cuts out is open all the same, by another rule.
//!
//! ## What is wrong
//! `except` does not deny. It only says what *this* block does not open, and allow rules are a union: another peer or
//! rule for the same pods opens all of the exception, on all of the rule's ports. Who relies on the exception is wrong.
//!
//! A rule that opens a smaller block inside the exception, or other ports, or pods by their labels, is not reported.
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]
//!   - to: [{ipBlock: {cidr: 169.254.0.0/16}}]   # with the metadata service in it
//! ```
//!
//! ## How to fix it
//! Cut the exception out of the other rule too, or deny it (`egressDeny` of a CiliumNetworkPolicy, or a
//! ClusterNetworkPolicy). If it is meant to be open, remove the exception.

use super::conflicts::{rule_of, with_rules};
use super::{object_name, policy_name};
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use verifier::Reopened;

pub(super) fn finding(model: &Model, reopened: &Reopened) -> Option<Finding> {
    let (policy, rule) = rule_of(model, reopened.rule)?;
    let exceptions: Vec<_> = reopened.exceptions.iter().map(|net| format!("`{net}`")).collect();
    let message = format!(
        "this {} rule of {} cuts out {}, and {} opens all of it",
        rule.direction,
        policy_name(model, reopened.rule),
        exceptions.join(", "),
        match reopened.opened_by.as_slice() {
            [only] if *only == reopened.rule => "another of its peers",
            [_] => "another rule",
            _ => "each of several others",
        },
    );
    let finding = Finding::new(Code::EXCEPTION_REOPENED, message)
        .at(rule.origin.clone(), "its exception does not hold")
        .about(object_name(policy))
        .witness(super::witness(&reopened.witness));
    let others: Vec<_> = reopened
        .opened_by
        .iter()
        .copied()
        .filter(|by| *by != reopened.rule)
        .collect();
    let finding = with_rules(model, finding, &others, "opened by");
    Some(finding.help("cut it out there too, or deny it: `except` only says what this block does not open"))
}
