//! # PC203 named-port-ambiguous-deny
//!
//! A deny rule's port name is ambiguous; an engine that skips it leaves the traffic open.
//!
//! ## What is wrong
//! The name of an egress deny rule means different numbers: on pods that the rule reaches (PC201), or on a pod
//! anywhere else in the cluster (PC202). For an allow rule that fails closed. A deny rule that is skipped fails
//! *open*: what it forbids passes, and nothing says so.
//!
//! ## What engines do
//!
//! | | |
//! |---|---|
//! | Kubernetes' text | has no deny rules; by its reading of names, each pod's own number is denied |
//! | Cilium 1.20 | denies each pod's own number |
//! | Cilium up to 1.19 | skips the entry: none of the numbers is denied |
//!
//! Cilium 1.20 takes a pod's port names into its identity, when the pod is made. Pods with equal labels that ran before
//! the upgrade and differ in a name's number are not told apart until they are made anew; for them the entry is skipped
//! as before (cilium/cilium#45760).
//!
//! ## Example
//! ```yaml
//! egressDeny:
//!   - toEndpoints: [{matchLabels: {app: database}}]
//!     toPorts: [{ports: [{port: admin, protocol: TCP}]}]     # 8001 on the old pods, 9001 on the new ones
//! ```
//!
//! ## How to fix it
//! Write the numbers in deny rules, all of them: denying a number too many is harmless where no pod listens on it.

use super::named_port_hazards::{Case, Hazards, Judged};
use super::named_port_report::{
    at_use, egress_engines, numbers, skipped_part, table, with_engines, with_places, with_witness,
};
use super::named_ports::Reached;
use super::pc201_named_port_many_numbers::{listed_numbers, shows_itself};
use super::pc202_named_port_other_number_elsewhere::{here_and_elsewhere, with_others};
use crate::diagnostic::{Code, Finding};
use ir::port::Ports;

/// Finds deny rules with such a name.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let uses = hazards.uses.iter();
    uses.filter(|judged| judged.case == Case::AmbiguousDeny)
        .map(|judged| finding(hazards, judged))
        .collect()
}

fn finding(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Finding {
    let one = &judged.one;
    let meanings = judged.meanings();
    let differ_here = meanings.len() > 1;
    let means = if differ_here {
        listed_numbers(meanings.keys())
    } else {
        here_and_elsewhere(hazards, judged)
    };
    let is_whole = matches!(&one.rule.ports, Ports::OneOf(ports) if ports.len() == 1);
    let message = format!(
        "what this rule denies{} is open on Cilium up to 1.19, which skips {}: `{}` means {means}",
        if is_whole {
            String::new()
        } else {
            format!(" by `{}`", one.name)
        },
        if is_whole { "it" } else { skipped_part(judged) },
        one.name,
    );
    let finding = at_use(
        judged,
        Code::NAMED_PORT_AMBIGUOUS_DENY,
        message,
        "the name is ambiguous in the cluster",
    );
    let finding = with_places(finding, judged);
    let finding = if differ_here {
        finding.named_ports(table(judged))
    } else {
        with_others(finding, table(judged), hazards, judged)
    };
    let help = format!(
        "deny the numbers: {}",
        numbers(judged.defining().flat_map(Reached::numbers))
    );
    with_witness(
        with_engines(finding, egress_engines(hazards, judged)).help(help),
        shows_itself(hazards, judged),
    )
}
