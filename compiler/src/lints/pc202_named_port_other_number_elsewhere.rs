//! # PC202 named-port-other-number-elsewhere
//!
//! The port name means another number on a pod that the rule does not reach.
//!
//! ## What is wrong
//! The rule itself is clear: on every pod that it reaches the name means one number. But somebody else's pod, perhaps
//! in another team's namespace, gives the same name to another number, and Cilium up to 1.19 keeps one number for a
//! name in the whole cluster. Two make it ambiguous, and every egress rule with this name stops working: the day the
//! other pod is deployed, traffic that this policy allows is cut.
//!
//! ## What engines do
//!
//! | | |
//! |---|---|
//! | Kubernetes' text | the reached pods' own number; others do not matter |
//! | Cilium 1.20 | the same |
//! | Cilium up to 1.19 | the name is ambiguous in the cluster: the entry is skipped, what it allows stays closed |
//!
//! In an egress rule that denies it is PC203. At ingress every engine looks at the selected pod alone.
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{podSelector: {matchLabels: {app: catalog}}}]
//!     ports: [{port: http}]        # 8080 on catalog; but `http` of the ledger's pods is 8081
//! ```
//!
//! ## How to fix it
//! Write the number in the egress rule, or give the port a name of its own (`catalog-http`). From Cilium 1.20 on there
//! is nothing to fix.

use super::named_port_hazards::{Case, Hazards, Judged, other_numbers};
use super::named_port_report::{
    at_use, egress_engines, numbers, skipped_part, table, with_engines, with_places, with_witness,
};
use super::named_ports::Reached;
use super::pc201_named_port_many_numbers::shows_itself;
use crate::diagnostic::named_ports::NamedPorts;
use crate::diagnostic::{Code, Finding};
use crate::lints::cilium_names;
use std::collections::BTreeMap;

/// Finds rules with such a name.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let uses = hazards.uses.iter();
    uses.filter(|judged| judged.case == Case::Elsewhere)
        .map(|judged| finding(hazards, judged))
        .collect()
}

fn finding(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Finding {
    let one = &judged.one;
    let message = format!(
        "`{}` means {}: Cilium up to 1.19 skips {}, and what it allows is closed",
        one.name,
        here_and_elsewhere(hazards, judged),
        skipped_part(judged),
    );
    let label = "the name is ambiguous in the cluster";
    let finding = with_places(
        at_use(judged, Code::NAMED_PORT_OTHER_NUMBER_ELSEWHERE, message, label),
        judged,
    );
    let help = format!(
        "write the number, {}, or give the port a name that no other pod uses",
        numbers(judged.defining().flat_map(Reached::numbers)),
    );
    let finding = with_others(finding, table(judged), hazards, judged).help(help);
    with_witness(
        with_engines(finding, egress_engines(hazards, judged)),
        shows_itself(hazards, judged),
    )
}

/// `8080 here, but 80 on pods that the rule does not reach`.
pub(super) fn here_and_elsewhere(hazards: &Hazards<'_>, judged: &Judged<'_>) -> String {
    let own = numbers(judged.defining().flat_map(Reached::numbers));
    let others = other_numbers(&hazards.names, judged).map(|(protocol, number, _)| (protocol, number));
    let others = numbers(others);
    if others.is_empty() {
        // A pod defines the name twice, and Cilium knows another of the two than elsewhere.
        return format!("{own}, and Cilium knows one of these on some pods and another on others");
    }
    format!("{own} here, but {others} on pods that the rule does not reach")
}

/// Adds the pods that are not reached and give the name other numbers: the first of each number, as labels and rows.
pub(super) fn with_others(
    mut finding: Finding,
    mut table: NamedPorts,
    hazards: &Hazards<'_>,
    judged: &Judged<'_>,
) -> Finding {
    let mut pods = BTreeMap::new();
    for (protocol, number, id) in other_numbers(&hazards.names, judged) {
        pods.insert((protocol, number), id);
    }
    for ((protocol, number), id) in pods {
        let Some(pod) = hazards.model.cluster.endpoint(id) else {
            continue;
        };
        let own = cilium_names::own(pod);
        if let Some(port) = own.get(&judged.one.name.to_ascii_lowercase()) {
            finding = finding.because(
                port.origin.clone(),
                format!("{number}/{protocol} on {pod}, which is not reached"),
            );
            table.add(pod, 1, port);
        }
    }
    finding.named_ports(table)
}
