//! # PC209 named-port-on-init-container
//!
//! Only an init or sidecar container defines the port name, and engines differ on whether it counts.
//!
//! ## What is wrong
//! An init container has ended before its pod serves: its ports do not count, and a rule with their name matches
//! nothing there. One with `restartPolicy: Always` is a sidecar, runs beside the main containers, and does count by
//! Kubernetes' reading; Cilium looks at `spec.containers` alone and does not know its names. Moving a container from
//! `containers` to `initContainers`, which Kubernetes recommends for sidecars, can so cut (or open) its traffic.
//!
//! ## What engines do
//!
//! | | on a sidecar | on another init container |
//! |---|---|---|
//! | Kubernetes' text | counts | does not count |
//! | Cilium 1.20 | does not count | does not count |
//! | Cilium up to 1.19 | does not count; at egress another pod's number behind the name is used, where there is one | the same |
//!
//! It is an error where a rule has no other port and so allows nothing at all, or denies: then what it denies is open.
//!
//! ## Example
//! ```yaml
//! initContainers:
//!   - name: vault-agent
//!     restartPolicy: Always
//!     ports: [{name: metrics, containerPort: 8099}]
//! ```
//!
//! ## How to fix it
//! For a sidecar write the number in the rule. The port of another init container is closed once the pod serves: remove
//! the rule, or the name where the rule has other ports; or let the container run on, as a sidecar, with the number in
//! the rule. After the last rule of
//! a direction is gone, Cilium's policies do not restrict the direction, and a NetworkPolicy does only by `policyTypes`.

use super::cilium_names::{self, Meaning};
use super::conflicts::Removal;
use super::named_port_hazards::{Case, Hazards, Judged};
use super::named_port_report::{numbers, pod, with_witness, witness};
use super::named_port_sites::{Site, role, sites};
use super::object_name;
use crate::diagnostic::named_ports::NamedPorts;
use crate::diagnostic::{Code, Engines, Finding, Severity};
use ir::cluster::{ContainerPort, ContainerRole};
use ir::policy::Direction;
use ir::port::Ports;

/// Finds pods with such names that a rule uses.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    sites(hazards, |judged, ports| {
        let mut fitting = ports
            .iter()
            .filter(|port| judged.one.protocol.contains(port.protocol))
            .peekable();
        let sidecar = |role| role == ContainerRole::Sidecar;
        fitting.peek().is_some()
            && fitting.clone().all(|port| port.role != ContainerRole::Main)
            && (judged.case == Case::InitOnly || fitting.any(|port| sidecar(port.role)))
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
        .filter(|port| one.protocol.contains(port.protocol))
        .collect();
    let counts = ports.iter().any(|port| port.role == ContainerRole::Sidecar);
    let first = ports.first()?;
    let where_defined = format!(
        "only {}, `{}`, defines `{}` on {endpoint}",
        role(first.role),
        first.container,
        one.name
    );
    let throughout = hazards.is_vain_throughout(judged);
    // Up to 1.19 another pod's number stands for everybody's at egress.
    let of_others =
        |port: &&&ContainerPort| hazards.names.meaning(one.name, port.protocol) == Meaning::One(port.number);
    let is_egress = one.rule.direction == Direction::Egress && cilium_names::enforces(one.policy.kind);
    let since = match is_egress && ports.iter().all(of_others) {
        true => "Cilium 1.20",
        false => "Cilium",
    };
    let message = match (counts, judged.denies()) {
        (true, true) => format!("{since} leaves open what this name denies: {where_defined}"),
        (true, false) => format!("{where_defined}, and {since} does not count it"),
        (false, true) => format!("`{}` denies nothing: {where_defined}, and it has ended", one.name),
        (false, false) => format!(
            "{where_defined}, and it has ended before the pod serves: {} allows nothing",
            if throughout { "the rule" } else { "the name" }
        ),
    };
    let mut finding = Finding::new(Code::NAMED_PORT_ON_INIT_CONTAINER, message)
        .about(object_name(one.policy))
        .because(one.port.origin.clone(), "used here");
    let mut table = NamedPorts::default();
    for port in &ports {
        let text = format!("{}/{} in {}", port.number, port.protocol, role(port.role));
        finding = finding.at(port.origin.clone(), text);
        table.add(endpoint, site.reached.pods.len(), port);
    }
    let is_vain = || site.uses.iter().any(|judged| hazards.is_vain_throughout(judged));
    if site.is_denied() || (!counts && is_vain()) {
        finding.severity = Severity::Error;
    }
    let all = numbers(ports.iter().map(|port| (port.protocol, port.number)));
    let none = format!("`{}` does not exist on {endpoint}", one.name);
    let engines = Engines {
        kubernetes: if counts {
            format!("`{}` is {all} on {endpoint}", one.name)
        } else {
            none.clone()
        },
        cilium_1_20: none.clone(),
        cilium_1_19: match is_egress {
            true => hazards.names.egress(one.name, one.protocol, one.rule.action),
            false => none,
        },
    };
    let wanted = counts != judged.denies();
    let flows = ports
        .iter()
        .map(|port| (pod(site.reached.id), port.protocol, port.number));
    let flow = witness(hazards, judged, flows, |tried| {
        (tried.decided_here || !counts) && tried.judgement.allowed() == wanted
    });
    let help = match counts {
        true => format!("write the number: {all}"),
        false => format!(
            "let `{}` run beside it, as a sidecar (`restartPolicy: Always`), and write {all}, for Cilium does not know sidecars' names; or, for nobody listens there once the pod serves, {}",
            first.container,
            without_the_name(hazards, judged)
        ),
    };
    Some(with_witness(
        finding.named_ports(table).engines(engines).help(help),
        flow,
    ))
}

/// How the name leaves its rule.
fn without_the_name(hazards: &Hazards<'_>, judged: &Judged<'_>) -> String {
    let one = &judged.one;
    // A rule without ports would be about all of them.
    if matches!(&one.rule.ports, Ports::OneOf(ports) if ports.len() > 1) {
        return "take the name out of the rule".to_owned();
    }
    Removal::of_one(hazards.model).advice(one.rule_id, "remove the rule")
}
