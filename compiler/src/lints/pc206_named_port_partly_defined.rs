//! # PC206 named-port-partly-defined
//!
//! Only some of the pods that the rule reaches define the port name.
//!
//! ## What is wrong
//! A selector picks several pods, and the name is a port of some of them only. On the others the rule matches nothing:
//! an allow leaves them closed, a deny leaves them open. Often a container of one workload was given the port and
//! not the name, or another name.
//!
//! Pods that were picked by their labels make it a warning; those that were taken in with a whole namespace, a note.
//! Rules for everybody (no peers, `all`, a block of addresses) are meant for whoever has the name, and nothing is said
//! of the pods that do not;
//! nor of a pod that another port of the same rule is for.
//!
//! ## What engines do
//!
//! | | the pods without the name |
//! |---|---|
//! | Kubernetes' text | the rule does not match them |
//! | Cilium 1.20 | the same |
//! | Cilium up to 1.19 | at egress the number that other pods have behind the name is allowed (or denied) on them too |
//!
//! Where that number is another port of such a pod, Cilium up to 1.19 opens the wrong port, and this is an error; also
//! in a rule for everybody, where the other port has a name.
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{podSelector: {matchLabels: {app: catalog}}}]
//!     ports: [{port: http}]        # catalog-java has `http`, catalog-nginx has 80 without a name
//! ```
//!
//! ## How to fix it
//! Name the port on the other pods as well, or narrow the selector to the pods that have it.

use super::named_port_hazards::{Hazards, Judged};
use super::named_port_report::{
    at_use, egress_engines, pod, pods, table, with_engines, with_witness, witness,
};
use super::named_ports::Reached;
use super::pc204_named_port_undefined::opened_elsewhere;
use super::picked::{Picked, picked};
use crate::diagnostic::{Code, Finding, Severity};
use ir::cluster::{ContainerPort, ContainerRole};
use ir::policy::Direction;
use std::collections::HashMap;
use std::sync::Arc;

/// Finds rules with such a name.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    // Uses that reach the same pods by the same name share them, and rules for everybody reach many.
    let mut known: HashMap<_, bool> = HashMap::new();
    let mut findings = Vec::new();
    for judged in &hazards.uses {
        let one = &judged.one;
        if !judged.missed.is_empty() {
            findings.extend(finding(hazards, judged));
        } else if judged.defining().next().is_some() && one.rule.direction == Direction::Egress {
            let key = (Arc::as_ptr(&one.reached), one.rule.action, one.policy.kind);
            let is_open = || opened_elsewhere(hazards, judged, is_named_port).is_some();
            if *known.entry(key).or_insert_with(is_open) {
                findings.extend(opened(hazards, judged));
            }
        }
    }
    findings
}

fn is_named_port(port: &ContainerPort) -> bool {
    port.name.is_some()
}

/// A rule that is for whoever has the name, where Cilium up to 1.19 opens another port with its number.
fn opened(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Option<Finding> {
    let one = &judged.one;
    let (port, number) = opened_elsewhere(hazards, judged, is_named_port)?;
    let other = port.name.as_deref()?;
    let reached = one.reached.iter().find(|reached| {
        let mut ports = reached.endpoint.ports.iter();
        ports.any(|own| std::ptr::eq(own, port))
    })?;
    let message = format!(
        "Cilium up to 1.19 opens {number} on pods that do not call it `{}`: on {} it is `{other}`",
        one.name, reached.endpoint
    );
    let label = "for whoever has the name";
    let mut finding = at_use(judged, Code::NAMED_PORT_PARTLY_DEFINED, message, label)
        .because(port.origin.clone(), format!("{number} is another port here"));
    finding.severity = Severity::Error;
    let mut rows = table(judged);
    rows.add(reached.endpoint, reached.pods.len(), port);
    let flow = witness(
        hazards,
        judged,
        [(pod(reached.id), port.protocol, number)],
        |tried| !tried.judgement.allowed(),
    );
    let help = format!(
        "write rules for the pods that have `{}`, or give one of the two ports another number",
        one.name
    );
    let finding = with_engines(
        finding.named_ports(rows).help(help),
        egress_engines(hazards, judged),
    );
    Some(with_witness(finding, flow))
}

fn finding(hazards: &Hazards<'_>, judged: &Judged<'_>) -> Option<Finding> {
    let one = &judged.one;
    let missed: Vec<&Reached<'_>> = judged
        .missed
        .iter()
        .filter_map(|index| one.reached.get(*index))
        .collect();
    let first = missed.first()?;
    let count =
        |reached: &[&Reached<'_>]| -> usize { reached.iter().map(|reached| reached.pods.len()).sum() };
    let defining: Vec<_> = judged.defining().collect();
    let open = opened_elsewhere(hazards, judged, |_| true);
    let partly = format!(
        "{} of the {} pods that this rule picks {} `{}`",
        count(&defining),
        count(&defining) + count(&missed),
        if count(&defining) == 1 {
            "defines"
        } else {
            "define"
        },
        one.name,
    );
    let message = match (&open, judged.denies()) {
        (Some((_, number)), _) => format!(
            "Cilium up to 1.19 opens {number} on pods that do not call it `{}`: only {partly}",
            one.name
        ),
        (None, true) => format!("some pods are left open by this deny rule: only {partly}"),
        (None, false) => format!("only {partly}"),
    };
    let label = format!("means nothing on {}", pods(first.endpoint, count(&missed)));
    let mut finding = at_use(judged, Code::NAMED_PORT_PARTLY_DEFINED, message, label);
    for reached in missed.iter().take(3) {
        let text = match other_protocol(reached, one.name) {
            Some(port) => format!("defines it with {}", port.protocol),
            // With the rule's protocol, or it would be another's.
            None if is_written(reached, one.name) => {
                format!(
                    "{} defines it on an init container, which has ended",
                    reached.endpoint
                )
            }
            None => format!("{} does not define it", reached.endpoint),
        };
        finding = finding.because(reached.endpoint.origin.clone(), text);
    }
    if let Some(reached) = defining.first()
        && let Some(port) = reached.ports.first()
    {
        let text = format!("{} on {}", port.number, reached.endpoint);
        finding = finding.because(port.origin.clone(), text);
    }
    if let Some((port, number)) = open {
        finding = finding.because(port.origin.clone(), format!("{number} is another port here"));
    }
    let by_label = missed.iter().flat_map(|reached| reached.pods.iter()).any(|id| {
        let pod = hazards.model.cluster.endpoint(*id);
        pod.is_some_and(|pod| picked(hazards.model, judged, pod) == Some(Picked::ByLabel))
    });
    finding.severity = match (open, by_label) {
        (Some(_), _) => Severity::Error,
        (None, true) if judged.denies() => Severity::Error,
        (None, true) => Code::NAMED_PORT_PARTLY_DEFINED.default_severity(),
        (None, false) => Severity::Note,
    };
    let help = format!(
        "name the port `{}` on these pods too, or narrow the selector to the pods that have it",
        one.name
    );
    let denies = judged.denies();
    // The number that the others have behind the name, else what the pod has.
    let numbers: Vec<_> = defining
        .iter()
        .flat_map(|reached| reached.numbers())
        .take(2)
        .collect();
    let destinations: Vec<_> = missed
        .iter()
        .flat_map(|reached| {
            let own = reached
                .endpoint
                .ports
                .iter()
                .filter(|port| port.role != ContainerRole::Init && one.protocol.contains(port.protocol));
            let own = own.map(|port| (port.protocol, port.number));
            let id = reached.id;
            own.chain(numbers.iter().copied())
                .map(move |(protocol, number)| (pod(id), protocol, number))
        })
        .collect();
    let flow = witness(hazards, judged, destinations, |tried| {
        tried.judgement.allowed() == denies
    });
    let finding = finding.named_ports(table(judged)).help(help);
    Some(with_witness(
        with_engines(finding, egress_engines(hazards, judged)),
        flow,
    ))
}

fn other_protocol<'m>(reached: &Reached<'m>, name: &str) -> Option<&'m ContainerPort> {
    reached
        .endpoint
        .ports
        .iter()
        .find(|port| port.role != ContainerRole::Init && super::named_port_hazards::is_named(port, name))
}

fn is_written(reached: &Reached<'_>, name: &str) -> bool {
    let mut ports = reached.endpoint.ports.iter();
    ports.any(|port| super::named_port_hazards::is_named(port, name))
}
