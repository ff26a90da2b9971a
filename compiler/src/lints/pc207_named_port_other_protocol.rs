//! # PC207 named-port-other-protocol
//!
//! The port name is defined with another protocol than the rule's.
//!
//! ## What is wrong
//! A name counts only together with its protocol. A NetworkPolicy port without `protocol` is TCP, and so is a container
//! port without one: a rule for `dns` that does not say UDP does not match a pod's `dns` on 53/UDP. The rule matches
//! nothing on any pod that it reaches: an allow opens nothing, a deny closes nothing.
//!
//! ## What engines do
//!
//! | | |
//! |---|---|
//! | Kubernetes' text | the rule matches nothing |
//! | Cilium 1.20 | the same |
//! | Cilium up to 1.19 | the same; at egress another pod's number behind the name and the rule's protocol is used, where there is one |
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{podSelector: {matchLabels: {k8s-app: kube-dns}}}]
//!     ports: [{port: dns}]         # the pods define `dns` as 53/UDP
//! ```
//!
//! ## How to fix it
//! Write the protocol: `{port: dns, protocol: UDP}`. For both, write two entries.

use super::named_port_hazards::{Case, Hazards, Judged, is_named};
use super::named_port_report::{at_use, egress_engines, pod, with_engines, with_witness, witness};
use crate::diagnostic::named_ports::NamedPorts;
use crate::diagnostic::{Code, Finding};
use crate::lints::cilium_names::and;
use ir::cluster::ContainerRole;
use std::collections::BTreeSet;

/// Finds rules with such a name.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let uses = hazards.uses.iter();
    uses.filter(|judged| judged.case == Case::OtherProtocol)
        .map(|judged| finding(hazards, judged))
        .collect()
}

fn finding(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Finding {
    let one = &judged.one;
    let mut table = NamedPorts::default();
    let mut protocols = BTreeSet::new();
    let mut places = Vec::new();
    let mut flows = Vec::new();
    for reached in one.reached.iter() {
        for port in &reached.endpoint.ports {
            if port.role == ContainerRole::Init || !is_named(port, one.name) {
                continue;
            }
            table.add(reached.endpoint, reached.pods.len(), port);
            flows.push((pod(reached.id), port.protocol, port.number));
            if protocols.insert(port.protocol) {
                places.push((port, reached.endpoint));
            }
        }
    }
    let defined = and(protocols.iter().map(ToString::to_string));
    let message = if judged.denies() {
        format!(
            "this rule denies nothing: `{}` is defined with {defined}, and the rule says {}",
            one.name, one.protocol
        )
    } else {
        format!(
            "`{}` is defined with {defined}, and the rule says {}: it allows nothing",
            one.name, one.protocol
        )
    };
    let label = format!("{} here", one.protocol);
    let mut finding = at_use(judged, Code::NAMED_PORT_OTHER_PROTOCOL, message, label);
    for (port, pod) in places {
        let text = format!("{}/{} on {pod}", port.number, port.protocol);
        finding = finding.because(port.origin.clone(), text);
    }
    let help = format!(
        "write the protocol of the port: {}",
        and(protocols.iter().map(|protocol| format!("`protocol: {protocol}`")))
    );
    let denies = judged.denies();
    let flow = witness(hazards, judged, flows, |tried| {
        tried.judgement.allowed() == denies
    });
    let finding = finding.named_ports(table).help(help);
    with_witness(with_engines(finding, egress_engines(hazards, judged)), flow)
}
