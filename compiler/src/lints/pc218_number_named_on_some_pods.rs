//! # PC218 number-named-on-some-pods
//!
//! One of the reached pods publishes this number under a name and another does not.
//!
//! ## What is wrong
//! The rule gives a number, for pods that a label picks. On one of them it is a port with a name. Another does not list
//! the number at all and has the name on another one: then the name is what both have in common, and the number misses
//! the second pod. Or both list the number, and only one of them names it: then the number is what both have in common,
//! and the name would miss one.
//!
//! It is a note: the rule does what it says.
//!
//! ## What engines do
//! All of them the same.
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{podSelector: {matchLabels: {app: catalog}}}]
//!     ports: [{port: 8080}]        # `http` on catalog-java; on catalog-nginx `http` is 80
//! ```
//!
//! ## How to fix it
//! Write what all of the pods have in common: the name where the number differs, the number where only some name it.

use super::named_port_hazards::{Hazards, covers, is_named};
use super::named_port_report::{decided_by, flow, pod, pods, shown, with_witness};
use super::named_ports::{self, NumberUse, Reached};
use super::object_name;
use super::picked::{Picked, picked_by};
use crate::diagnostic::named_ports::NamedPorts;
use crate::diagnostic::{Code, Finding, Witness};
use ir::cluster::{ContainerPort, ContainerRole};
use std::collections::BTreeSet;

/// Finds such rules.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let named: BTreeSet<u16> = hazards
        .model
        .cluster
        .endpoints()
        .iter()
        .flat_map(|pod| &pod.ports)
        .filter(|port| port.name.is_some() && port.role != ContainerRole::Init)
        .map(|port| port.number)
        .collect();
    named_ports::number_uses(hazards.model, hazards.selected, |number| named.contains(&number))
        .iter()
        .filter_map(|one| finding(hazards, one))
        .collect()
}

/// How the second pod differs from the first.
enum Other<'m> {
    /// It has the name, on another number.
    NameElsewhere(&'m ContainerPort),
    /// It has the number, without a name.
    NumberUnnamed(&'m ContainerPort),
}

fn finding(hazards: &Hazards<'_>, one: &NumberUse<'_>) -> Option<Finding> {
    let (first, named, second, other) = pair(hazards, one)?;
    let name = named.name.as_deref()?;
    let there = pods(second.endpoint, second.pods.len());
    let (port, message, help) = match other {
        Other::NameElsewhere(port) => (
            port,
            format!(
                "{} is `{name}` on {}, and on {there} `{name}` is {}",
                one.number, first.endpoint, port.number
            ),
            format!("write `{name}` if the same service is meant on both"),
        ),
        Other::NumberUnnamed(port) => (
            port,
            format!(
                "{} is `{name}` on {} and has no name on {there}",
                one.number, first.endpoint
            ),
            format!(
                "keep the number, or name the port `{name}` there too: the name alone would miss {there}"
            ),
        ),
    };
    let finding = Finding::new(Code::NUMBER_NAMED_ON_SOME_PODS, message)
        .at(one.port.origin.clone(), "a number")
        .because(named.origin.clone(), format!("`{name}` on {}", first.endpoint))
        .because(port.origin.clone(), format!("on {}", second.endpoint))
        .about(object_name(one.policy));
    let mut table = NamedPorts::default();
    table.add(first.endpoint, first.pods.len(), named);
    table.add(second.endpoint, second.pods.len(), port);
    let flow = decided(hazards, one, first, named);
    Some(with_witness(finding.named_ports(table).help(help), flow))
}

/// A pod that names the number, and one behind the same labels that does not.
fn pair<'h, 'm>(
    hazards: &Hazards<'_>,
    one: &'h NumberUse<'m>,
) -> Option<(&'h Reached<'m>, &'m ContainerPort, &'h Reached<'m>, Other<'m>)> {
    let counts =
        |port: &&'m ContainerPort| port.role != ContainerRole::Init && one.protocol.contains(port.protocol);
    let by_label = |reached: &Reached<'_>| {
        let (policy, rule) = (one.policy, one.rule);
        picked_by(
            hazards.model,
            policy,
            rule.direction,
            &rule.peers,
            reached.endpoint,
        ) == Some(Picked::ByLabel)
    };
    let is_named_number = |port: &&'m ContainerPort| port.number == one.number && port.name.is_some();
    let (first, named) = one
        .reached
        .iter()
        .filter(|reached| by_label(reached))
        .find_map(|reached| {
            let port = reached
                .endpoint
                .ports
                .iter()
                .filter(counts)
                .find(is_named_number)?;
            Some((reached, port))
        })?;
    let name = named.name.as_deref()?;
    one.reached
        .iter()
        .filter(|reached| by_label(reached))
        .find_map(|reached| {
            let ports: Vec<_> = reached.endpoint.ports.iter().filter(counts).collect();
            if ports.iter().any(is_named_number) {
                return None;
            }
            let other = match ports.iter().find(|port| port.number == one.number) {
                Some(port) => Other::NumberUnnamed(port),
                // A rule that lists several numbers lists them for different pods.
                None if ports.iter().any(|port| covers(&one.rule.ports, port)) => return None,
                None => Other::NameElsewhere(ports.iter().find(|port| is_named(port, name))?),
            };
            Some((first, named, reached, other))
        })
}

/// A flow to the number on the first pod that the rule decides.
fn decided(
    hazards: &Hazards<'_>,
    one: &NumberUse<'_>,
    first: &Reached<'_>,
    named: &ContainerPort,
) -> Option<Witness> {
    let model = hazards.model;
    one.sources
        .iter()
        .filter(|source| *source != first.id)
        .take(8)
        .find_map(|source| {
            let flow = flow(model, pod(source), pod(first.id), named.protocol, named.number)?;
            let judgement = hazards.judge.evaluate(&flow);
            decided_by(&judgement, one.rule.direction, one.rule_id).then(|| shown(model, &flow))
        })
}
