//! # PC217 named-port-across-namespaces
//!
//! In a cluster-wide policy, the port name's number differs across namespaces.
//!
//! ## What is wrong
//! Inside each namespace the name means one thing, but the policy covers several, and they do not agree. Its author
//! wrote one word and opened (or closed) another port in each team's namespace.
//!
//! ## What engines do
//!
//! | | an egress rule | an ingress rule |
//! |---|---|---|
//! | Kubernetes' text | each pod's own number | the pod's own number |
//! | Cilium 1.20 | the same | the same |
//! | Cilium up to 1.19 | the entry is skipped: what it allows stays closed | the same |
//!
//! Cilium 1.20 takes a pod's port names into its identity, when the pod is made. Pods with equal labels that ran before
//! the upgrade and differ in a name's number are not told apart until they are made anew; for them the entry is skipped
//! as before (cilium/cilium#45760).
//!
//! In an egress rule that denies it is PC203; at ingress it is a note.
//!
//! ## Example
//! ```yaml
//! kind: CiliumClusterwideNetworkPolicy
//! spec:
//!   endpointSelector: {}
//!   egress:
//!     - toEndpoints: [{matchLabels: {role: metrics}}]
//!       toPorts: [{ports: [{port: metrics}]}]     # 9090 in one namespace, 8081 in the next
//! ```
//!
//! ## How to fix it
//! Agree on one number for the name, or write one rule for each namespace, with its number.

use super::named_port_hazards::{Case, Hazards, Judged};
use super::named_port_report::{
    at_use, egress_engines, numbers, table, with_engines, with_places, with_witness,
};
use super::pc201_named_port_many_numbers::shows_itself;
use crate::diagnostic::{Code, Finding, Severity};
use ir::policy::Direction;
use std::collections::BTreeMap;

/// Finds such rules.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let uses = hazards.uses.iter();
    uses.filter(|judged| judged.case == Case::AcrossNamespaces)
        .map(|judged| finding(hazards, judged))
        .collect()
}

fn finding(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Finding {
    /// Namespaces that are named in the message.
    const NAMED: usize = 4;
    let mut by_namespace = BTreeMap::new();
    for reached in judged.defining() {
        by_namespace
            .entry(reached.endpoint.namespace.as_str())
            .or_insert_with(|| numbers(reached.numbers()));
    }
    let more = match by_namespace.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and so on in {more} more"),
    };
    let listed: Vec<_> = by_namespace
        .iter()
        .take(NAMED)
        .map(|(namespace, numbers)| format!("{numbers} in `{namespace}`"))
        .collect();
    let message = format!(
        "`{}` differs across the namespaces of this cluster-wide policy: {}{more}",
        judged.one.name,
        listed.join(", ")
    );
    let label = format!("`{}` stands for each pod's own number", judged.one.name);
    let mut finding = with_places(
        at_use(judged, Code::NAMED_PORT_ACROSS_NAMESPACES, message, label),
        judged,
    );
    if judged.one.rule.direction == Direction::Ingress {
        finding.severity = Severity::Note;
    }
    let help = "agree on one number for the name, or write one rule for each namespace, with its number";
    with_witness(
        with_engines(
            finding.named_ports(table(judged)),
            egress_engines(hazards, judged),
        )
        .help(help),
        shows_itself(hazards, judged),
    )
}
