//! # PC205 named-port-undefined-deny
//!
//! No pod that the rule reaches defines the port name: the rule denies nothing.
//!
//! ## What is wrong
//! A deny rule with a name that its pods do not define matches no flow. It reads like a closed door and there is none:
//! what it should deny is decided by the other rules, and passes where they allow it.
//!
//! A name counts as undefined only where every pod that could define it is in the input.
//!
//! ## What engines do
//!
//! | | |
//! |---|---|
//! | Kubernetes' text | has no deny rules; by its reading of names, nothing is denied |
//! | Cilium 1.20 | nothing is denied |
//! | Cilium up to 1.19 | at egress, where one pod anywhere in the cluster defines the name, its number is denied on the pods that the rule reaches |
//!
//! ## Example
//! ```yaml
//! ingressDeny:
//!   - fromEndpoints: [{}]
//!     toPorts: [{ports: [{port: admn, protocol: TCP}]}]     # the pods call it `admin`
//! ```
//!
//! ## How to fix it
//! Use the name that the pods' `containers[].ports[]` define; in deny rules better the number, which needs nobody's
//! cooperation.
//!
//! `check --fix --unsafe-fixes` writes the only near name that the reached pods define.

use super::named_port_hazards::{Case, Hazards};
use super::named_port_report::{vain_part, with_witness, witness};
use super::pc204_named_port_undefined::{guesses, undefined};
use crate::diagnostic::{Code, Finding};

/// Finds deny rules with such a name.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let uses = hazards.uses.iter();
    uses.filter(|judged| judged.case == Case::Undefined && judged.denies())
        .map(|judged| {
            let message = format!(
                "{} denies nothing: no pod that the rule reaches defines {}",
                vain_part(hazards, judged),
                if hazards.is_vain_throughout(judged) {
                    format!("`{}`", judged.one.name)
                } else {
                    "it".to_owned()
                }
            );
            let finding = undefined(hazards, judged, Code::NAMED_PORT_UNDEFINED_DENY, message);
            let open = witness(hazards, judged, guesses(hazards, judged), |tried| {
                tried.judgement.allowed()
            });
            with_witness(finding, open)
        })
        .collect()
}
