//! # PC208 named-port-twice-in-pod
//!
//! One pod defines the port name more than once.
//!
//! ## What is wrong
//! Two containers of one pod give the same name to different ports (within one container the API server refuses it).
//! A rule with that name means both, or only one of them: it depends on the engine.
//!
//! ## What engines do
//!
//! | | |
//! |---|---|
//! | Kubernetes' text | leaves it open; here all numbers with the rule's protocol count |
//! | Cilium 1.20 | the last definition stands, of whatever protocol; the others do not exist |
//! | Cilium up to 1.19 | the same |
//!
//! Where a deny rule uses the name, Cilium leaves the other numbers open, and this is an error.
//!
//! ## Example
//! ```yaml
//! containers:
//!   - name: server
//!     ports: [{name: metrics, containerPort: 9090}]
//!   - name: exporter
//!     ports: [{name: metrics, containerPort: 9100}]
//! ```
//!
//! ## How to fix it
//! Give each port of a pod a name of its own, and list the names in the rule.

use super::cilium_names;
use super::named_port_hazards::Hazards;
use super::named_port_report::{numbers, pod, with_witness, witness};
use super::named_port_sites::{Site, sites};
use super::object_name;
use crate::diagnostic::named_ports::NamedPorts;
use crate::diagnostic::{Code, Engines, Finding, Severity};
use ir::cluster::{ContainerPort, ContainerRole};
use std::collections::BTreeSet;

/// Finds pods with such names that a rule uses.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let twice = |ports: &[&ContainerPort]| {
        let counting = ports.iter().filter(|port| port.role != ContainerRole::Init);
        let numbers: BTreeSet<_> = counting.map(|port| (port.protocol, port.number)).collect();
        numbers.len() > 1
    };
    sites(hazards, |judged, ports| {
        let used = ports
            .iter()
            .any(|port| judged.one.protocol.contains(port.protocol));
        used && twice(ports)
    })
    .iter()
    .filter_map(|site| finding(hazards, site))
    .collect()
}

fn finding(hazards: &Hazards<'_>, site: &Site<'_, '_>) -> Option<Finding> {
    let judged = site.shown()?;
    let one = &judged.one;
    let endpoint = site.reached.endpoint;
    let ports: Vec<_> = site
        .ports
        .iter()
        .filter(|port| port.role != ContainerRole::Init)
        .collect();
    let all = numbers(ports.iter().map(|port| (port.protocol, port.number)));
    let kept = cilium_names::own(endpoint)
        .get(&one.name.to_ascii_lowercase())
        .copied();
    let lost = numbers(
        ports
            .iter()
            .filter(|port| Some(port.number) != kept.map(|kept| kept.number))
            .map(|port| (port.protocol, port.number)),
    );
    let message = if judged.denies() && kept.is_some() {
        format!(
            "Cilium leaves {lost} open on {endpoint}: the pod calls {all} `{}`, and the last one stands",
            one.name
        )
    } else {
        format!(
            "{endpoint} calls {all} `{}`, and Cilium knows the last one only",
            one.name
        )
    };
    let mut finding = Finding::new(Code::NAMED_PORT_TWICE_IN_POD, message).about(object_name(one.policy));
    let mut table = NamedPorts::default();
    for (index, port) in ports.iter().enumerate() {
        let text = format!("{}/{} in `{}`", port.number, port.protocol, port.container);
        finding = if index + 1 == ports.len() {
            finding.at(port.origin.clone(), text)
        } else {
            finding.because(port.origin.clone(), text)
        };
        table.add(endpoint, site.reached.pods.len(), port);
    }
    finding = finding.because(one.port.origin.clone(), "used here");
    if site.is_denied() {
        finding.severity = Severity::Error;
    }
    let cilium = match kept {
        Some(kept) => format!(
            "`{}` is {}/{} on {endpoint}, the last definition; the others do not exist",
            one.name, kept.number, kept.protocol
        ),
        None => format!(
            "`{}` does not exist on {endpoint}: sidecars do not count",
            one.name
        ),
    };
    let engines = Engines {
        kubernetes: format!("`{}` is {all} on {endpoint}", one.name),
        cilium_1_20: cilium.clone(),
        cilium_1_19: cilium,
    };
    let wanted = !judged.denies();
    let flows = ports
        .iter()
        .map(|port| (pod(site.reached.id), port.protocol, port.number));
    let flow = witness(hazards, judged, flows, |tried| {
        tried.decided_here && tried.judgement.allowed() == wanted
    });
    let help = "give each port of the pod a name of its own, and list the names in the rule";
    Some(with_witness(
        finding.named_ports(table).engines(engines).help(help),
        flow,
    ))
}
