//! # PC302 rule-redundant
//!
//! Other rules already decide every flow that the rule matches, for every pod that could exist.
//!
//! ## What is wrong
//! Nothing is open or closed because of this rule: without it every verdict stays the same. It may be left over from
//! a change, or it may be meant to say something that it does not. A reader who tightens one of the rules that cover
//! it will not see a difference, because this one still opens the same flows.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Ingress]
//!   ingress:
//!     - from: [{podSelector: {}}]
//!     - from: [{podSelector: {matchLabels: {app: web}}}]   # every pod is let in by the rule above
//! ```
//!
//! ## How to fix it
//! Remove the rule, or narrow the rules that cover it.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Ingress]
//!   ingress:
//!     - from: [{podSelector: {matchLabels: {app: web}}}]
//! ```

use super::conflicts::of_redundant;
use super::policy_name;
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use verifier::Redundancy;

pub(super) fn finding(model: &Model, redundancy: &Redundancy) -> Option<Finding> {
    let rule = model.rule(redundancy.rule)?;
    let message = format!(
        "this {} rule of {} changes nothing: other rules already {} everything that it matches",
        rule.direction,
        policy_name(model, redundancy.rule),
        rule.action.as_str(),
    );
    let texts = (message, "can be removed without any change", "covered by");
    let finding = of_redundant(model, redundancy, Code::RULE_REDUNDANT, texts)?;
    Some(finding.help("remove the rule, or narrow the ones that cover it"))
}
