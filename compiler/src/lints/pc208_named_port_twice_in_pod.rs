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
//! | Cilium 1.20 | the last definition of the main containers stands, of whatever protocol; the others do not exist |
//! | Cilium up to 1.19 | the same |
//!
//! Where a deny rule uses the name, Cilium leaves the other numbers open, and this is an error; so is a name that one
//! container gives twice. Nothing is said where all that a rule means by the name is what Cilium knows: a rule for TCP
//! does not care for a second definition with UDP, unless that one is the last.
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

use super::cilium_names::kept;
use super::named_port_hazards::Hazards;
use super::named_port_report::{numbers, pod, with_witness, witness};
use super::named_port_sites::{Site, sites};
use super::object_name;
use crate::diagnostic::named_ports::NamedPorts;
use crate::diagnostic::{Code, Engines, Finding, Severity};
use ir::cluster::{ContainerPort, ContainerRole};
use ir::port::{Protocol, ProtocolSet};
use std::collections::BTreeSet;

/// Finds pods with such names that a rule uses.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    // Where no main container defines it, PC209 says that Cilium knows none.
    sites(hazards, |judged, ports| {
        kept(ports).is_some() && lost(judged.one.protocol, ports).next().is_some()
    })
    .iter()
    .filter_map(|site| finding(hazards, site))
    .collect()
}

/// The numbers that a rule with these protocols means, and Cilium does not know.
fn lost<'p>(
    protocols: ProtocolSet,
    ports: &'p [&ContainerPort],
) -> impl Iterator<Item = (Protocol, u16)> + 'p {
    let kept = kept(ports).map(|kept| (kept.protocol, kept.number));
    ports
        .iter()
        .filter(move |port| port.role != ContainerRole::Init && protocols.contains(port.protocol))
        .map(|port| (port.protocol, port.number))
        .filter(move |number| Some(*number) != kept)
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
    let kept = kept(&site.ports)?;
    let lost: BTreeSet<_> = lost(one.protocol, &site.ports).collect();
    let in_sidecars = ports
        .iter()
        .filter(|port| lost.contains(&(port.protocol, port.number)))
        .all(|port| port.role == ContainerRole::Sidecar);
    let why = match in_sidecars {
        true => "sidecars do not count",
        false => "the last one stands",
    };
    let message = match refused(&ports) {
        Some(container) => format!(
            "two ports of `{container}` in {endpoint} are called `{}`, and the API server refuses that",
            one.name
        ),
        None if judged.denies() => format!(
            "Cilium leaves {} open on {endpoint}: the pod calls {all} `{}`, and {why}",
            numbers(lost.iter().copied()),
            one.name
        ),
        None => format!(
            "{endpoint} calls {all} `{}`, and Cilium knows {} only: {why}",
            one.name,
            numbers_beside(&lost, kept),
        ),
    };
    let mut finding = Finding::new(Code::NAMED_PORT_TWICE_IN_POD, message).about(object_name(one.policy));
    let mut table = NamedPorts::default();
    for port in &ports {
        let text = format!("{}/{} in `{}`", port.number, port.protocol, port.container);
        finding = if port.origin == kept.origin {
            finding.at(port.origin.clone(), text)
        } else {
            finding.because(port.origin.clone(), text)
        };
        table.add(endpoint, site.reached.pods.len(), port);
    }
    finding = finding.because(one.port.origin.clone(), "used here");
    if site.is_denied() || refused(&ports).is_some() {
        finding.severity = Severity::Error;
    }
    let refused =
        refused(&ports).map(|_| format!("{endpoint} is refused: names are unique within a container"));
    let cilium = refused.clone().unwrap_or_else(|| {
        format!(
            "`{}` is {}/{} on {endpoint}: {why}; nothing else has the name",
            one.name, kept.number, kept.protocol
        )
    });
    let engines = Engines {
        kubernetes: refused.unwrap_or_else(|| format!("`{}` is {all} on {endpoint}", one.name)),
        cilium_1_20: cilium.clone(),
        cilium_1_19: cilium,
    };
    let wanted = !judged.denies();
    let flows = lost
        .iter()
        .map(|(protocol, number)| (pod(site.reached.id), *protocol, *number));
    let flow = witness(hazards, judged, flows, |tried| {
        tried.decided_here && tried.judgement.allowed() == wanted
    });
    let help = "give each port of the pod a name of its own, and list the names in the rule";
    Some(with_witness(
        finding.named_ports(table).engines(engines).help(help),
        flow,
    ))
}

/// A container that gives the name twice.
fn refused<'m>(ports: &[&&'m ContainerPort]) -> Option<&'m str> {
    let mut containers = BTreeSet::new();
    let mut names = ports.iter().map(|port| &*port.container);
    names.find(|container| !containers.insert(*container))
}

/// The number that Cilium knows, with its protocol where those that it does not know have another.
fn numbers_beside(lost: &BTreeSet<(Protocol, u16)>, kept: &ContainerPort) -> String {
    let is_alike = lost.iter().all(|(protocol, _)| *protocol == kept.protocol);
    match is_alike {
        true => kept.number.to_string(),
        false => format!("{}/{}", kept.number, kept.protocol),
    }
}
