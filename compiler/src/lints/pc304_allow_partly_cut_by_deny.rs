//! # PC304 allow-partly-cut-by-deny
//!
//! Deny rules of other policies take away part of what the rule allows.
//!
//! ## What is wrong
//! Often nothing: this is what deny rules are for. It is worth knowing because the two are in different policies, the
//! allow names its peers, and whoever reads it alone takes all of them to be let through.
//!
//! ## Example
//! ```yaml
//! kind: CiliumNetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   endpointSelector: {matchLabels: {app: api}}
//!   ingress: [{fromEndpoints: [{matchLabels: {team: blue}}]}]
//! ---
//! kind: CiliumClusterwideNetworkPolicy
//! metadata: {name: no-batch}
//! spec:
//!   endpointSelector: {}
//!   ingressDeny: [{fromEndpoints: [{matchLabels: {app: batch}}]}]   # the blue batch jobs, too
//! ```
//!
//! ## How to fix it
//! Nothing, if the deny is meant to win. Else narrow the deny rule, or say in the allow what it really opens.

use super::conflicts::{rule_of, with_rules};
use super::{object_name, policy_name};
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use verifier::PartlyCut;

pub(super) fn finding(model: &Model, cut: &PartlyCut) -> Option<Finding> {
    let (policy, rule) = rule_of(model, cut.rule)?;
    let message = format!(
        "part of what this {} rule of {} allows is denied by other policies",
        rule.direction,
        policy_name(model, cut.rule),
    );
    let finding = Finding::new(Code::ALLOW_PARTLY_CUT_BY_DENY, message)
        .at(rule.origin.clone(), "opens less than it says")
        .about(object_name(policy))
        .witness(super::witness(&cut.witness));
    let finding = with_rules(model, finding, &cut.cut_by, "part is denied by");
    Some(finding.help("nothing to do if the deny is meant to win; else narrow it"))
}
