//! # PC307 default-deny-disagreement
//!
//! The policy switches default deny off, and for each of its pods another policy switches it on.
//!
//! ## What is wrong
//! `enableDefaultDeny: {ingress: false}` says that what the policy does not speak of shall pass. One policy in force that
//! denies by default is enough to overrule it, and here there is one for every pod that could exist. The setting has no
//! effect, and flows that its author takes to be open are closed.
//!
//! A broad policy that isolates nobody, beside policies that isolate some of its pods, is not reported: that is what the
//! setting is for.
//!
//! ## Example
//! ```yaml
//! kind: CiliumNetworkPolicy
//! metadata: {name: api-metrics, namespace: shop}
//! spec:
//!   endpointSelector: {matchLabels: {app: api}}
//!   enableDefaultDeny: {ingress: false}
//!   ingress: [{fromEndpoints: [{matchLabels: {app: prometheus}}]}]
//! ---
//! kind: NetworkPolicy
//! metadata: {name: default, namespace: shop}
//! spec: {podSelector: {}, policyTypes: [Ingress]}   # app=api, too
//! ```
//!
//! ## How to fix it
//! Remove the setting, or let the other policies leave these pods out.

use super::conflicts::with_policy;
use super::object_name;
use crate::diagnostic::{Code, Finding};
use ir::model::Model;
use verifier::Disagreement;

pub(super) fn finding(model: &Model, disagreement: &Disagreement) -> Option<Finding> {
    let policy = model.policy(disagreement.policy)?;
    let direction = disagreement.direction;
    let message = format!(
        "`{}` switches default deny off for {direction}, and every pod that it selects is denied by default all the same",
        policy.name
    );
    let mut finding = Finding::new(Code::DEFAULT_DENY_DISAGREEMENT, message)
        .at(policy.origin.clone(), "its `enableDefaultDeny` has no effect")
        .about(object_name(policy))
        .witness(super::witness(&disagreement.witness));
    for other in disagreement.isolated_by.iter().filter_map(|id| model.policy(*id)) {
        finding = finding.because(
            other.origin.clone(),
            format!("this {} `{}` denies by default", other.kind, other.name),
        );
        finding = with_policy(finding, other);
    }
    Some(finding.help("remove the setting, or let the other policies leave these pods out"))
}
