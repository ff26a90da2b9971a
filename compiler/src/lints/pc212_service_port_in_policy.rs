//! # PC212 service-port-in-policy
//!
//! The port is the Service's, where the container's is needed.
//!
//! ## What is wrong
//! A Service gives a port a name and a number of its own and leads it to another on the pods (`targetPort`). Policies
//! see traffic after that translation: they speak of the pod's port. A rule with the Service's name matches nothing,
//! and one with the Service's number opens (or closes) a port that nobody listens on, while the one in use is left as
//! it is.
//!
//! A number is reported only where no reached pod lists it among its container ports and no Service leads to it, and the
//! rule does not list the pods' own number as well. A headless Service translates nothing, and its numbers are not
//! looked at.
//!
//! ## What engines do
//!
//! | | |
//! |---|---|
//! | Kubernetes' text | the pod's port counts |
//! | Cilium 1.20 | the same |
//! | Cilium up to 1.19 | the same; at egress another pod's number behind the name is used, where there is one |
//!
//! ## Example
//! ```yaml
//! # Service: ports: [{name: web, port: 80, targetPort: 8080}]
//! ingress:
//!   - ports: [{port: 80}]          # the pods listen on 8080
//! ```
//!
//! ## How to fix it
//! Write what `targetPort` leads to: the number, or the container port's name.
//!
//! `check --fix --unsafe-fixes` writes where `targetPort` leads.

use super::named_port_hazards::{Case, Hazards, Judged, by_namespace};
use super::named_port_report::{
    at_use, decided_by, egress_engines, flow, pod, shown, table_of_all, vain_part, with_engines,
    with_witness, witness,
};
use super::named_ports::{self, NumberUse};
use super::object_name;
use super::pc204_named_port_undefined::opened_elsewhere;
use super::picked::{Picked, picked_by};
use crate::diagnostic::named_ports::NamedPorts;
use crate::diagnostic::{Applicability, Code, Finding, Fix, Severity, Witness};
use crate::services::{Service, ServicePort, Target};
use ir::cluster::{ContainerRole, Endpoint};
use ir::policy::{Action, Direction};
use ir::port::{PortMatch, Ports};
use std::collections::{BTreeMap, BTreeSet};

/// Finds rules with a Service's name or number.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for judged in &hazards.uses {
        if let Case::ServicePort(service, port) = &judged.case {
            findings.push(name(hazards, judged, service, port));
        }
    }
    let translated: BTreeSet<u16> = hazards
        .services
        .iter()
        .flat_map(|service| &service.ports)
        .filter(|port| port.target != Target::Number(port.number))
        .map(|port| port.number)
        .collect();
    if translated.is_empty() {
        return findings;
    }
    let by_namespace = by_namespace(hazards.services);
    for one in named_ports::number_uses(hazards.model, hazards.selected, |number| {
        translated.contains(&number)
    }) {
        findings.extend(number(hazards, &by_namespace, &one));
    }
    findings
}

/// A rule that uses a Service's name. It matches nothing.
fn name(hazards: &Hazards<'_>, judged: &Judged<'_>, service: &Service, port: &ServicePort) -> Finding {
    let one = &judged.one;
    let vain = vain_part(hazards, judged);
    let open = opened_elsewhere(hazards, judged, |_| true);
    let does = match (open, judged.denies()) {
        (Some((_, number)), _) => format!("Cilium up to 1.19 opens {number} on pods that do not call it so"),
        (None, true) => format!("{vain} denies nothing"),
        (None, false) => format!("{vain} allows nothing"),
    };
    let it = match hazards.is_vain_throughout(judged) || open.is_some() {
        true => format!("`{}`", one.name),
        false => "it".to_owned(),
    };
    let message = format!(
        "{does}: {it} is what the Service {}/{} calls the port, and no pod that this rule reaches does",
        service.namespace, service.name
    );
    let mut finding = at_use(judged, Code::SERVICE_PORT_IN_POLICY, message, "a Service's name")
        .because(port.origin.clone(), "the Service's port");
    if let Some((port, number)) = open {
        finding = finding.because(port.origin.clone(), format!("{number} is another port here"));
    }
    if judged.denies() || open.is_some() || hazards.is_vain_throughout(judged) {
        finding.severity = Severity::Error;
    }
    let behind = one
        .reached
        .iter()
        .filter(|reached| service.selects(reached.endpoint));
    let targets: Vec<_> = behind
        .flat_map(|reached| {
            port.targets(reached.endpoint)
                .map(move |target| (reached, target))
        })
        .collect();
    if let Some((_, target)) = targets.first() {
        finding = finding.because(target.origin.clone(), "the pod's port");
    }
    let denies = judged.denies();
    let flows: Vec<_> = targets
        .iter()
        .map(|(reached, target)| (pod(reached.id), target.protocol, target.number))
        .collect();
    let flow = witness(hazards, judged, flows, |tried| {
        tried.judgement.allowed() == denies
    });
    let instead = targets.first().and_then(|(_, target)| target.name.as_deref());
    if let Some(instead) = instead {
        finding = finding.fix(Fix::rewording(
            Applicability::Suggestion,
            one.port.origin.clone(),
            one.name,
            instead,
        ));
    }
    let help = match (targets.first(), &port.target) {
        (Some((_, target)), _) => match &target.name {
            Some(name) => format!(
                "write `{name}`, the name of the container's port, or {}, its number",
                target.number
            ),
            None => format!("write {}, the container's number", target.number),
        },
        (None, Target::Number(number)) => format!("write {number}, where the Service leads"),
        (None, Target::Name(name)) => format!(
            "give the pods' port the name `{name}`, where the Service leads and which they lack, and write it"
        ),
    };
    let finding = finding.named_ports(table_of_all(judged)).help(help);
    with_witness(with_engines(finding, egress_engines(hazards, judged)), flow)
}

/// A rule that uses a Service's number.
fn number(
    hazards: &Hazards<'_>,
    by_namespace: &BTreeMap<&str, Vec<&Service>>,
    one: &NumberUse<'_>,
) -> Option<Finding> {
    let (policy, rule) = (one.policy, one.rule);
    let lists = |pod: &Endpoint, number: u16| {
        pod.ports.iter().any(|port| {
            port.role != ContainerRole::Init && port.number == number && one.protocol.contains(port.protocol)
        })
    };
    if one
        .reached
        .iter()
        .any(|reached| lists(reached.endpoint, one.number))
    {
        return None;
    }
    let is_picked = |pod: &Endpoint| {
        match picked_by(hazards.model, policy, rule.direction, &rule.peers, pod) {
            Some(Picked::ByLabel) => true,
            // Whole namespaces are reached for many reasons.
            Some(Picked::WithNamespace) => rule.direction == Direction::Ingress,
            None => false,
        }
    };
    let (reached, service, port, target) = one
        .reached
        .iter()
        .filter(|reached| is_picked(reached.endpoint))
        .find_map(|reached| {
        let services = by_namespace.get(reached.endpoint.namespace.as_str())?;
        let of_pod = || {
            services
                .iter()
                .filter(|service| !service.is_headless && service.selects(reached.endpoint))
        };
        // Another one leads there.
        let mut ports = of_pod().flat_map(|service| &service.ports);
        if ports.any(|port| port.target == Target::Number(one.number) && one.protocol.contains(port.protocol))
        {
            return None;
        }
        of_pod().find_map(|service| {
            let port = service
                .ports
                .iter()
                .find(|port| port.number == one.number && one.protocol.contains(port.protocol))?;
            let target = match (&port.target, port.targets(reached.endpoint).next()) {
                (_, Some(target)) => target.number,
                (Target::Number(number), None) => *number,
                (Target::Name(_), None) => return None,
            };
            (target != one.number).then_some((reached, *service, port, target))
        })
    })?;
    if rule_has(one, reached.endpoint, target) {
        return None;
    }
    let denies = rule.action == Action::Deny;
    let message = if denies {
        format!(
            "{target} stays open: {} is the number of the Service {}/{}, and this rule denies nothing that its pods listen on",
            one.number, service.namespace, service.name
        )
    } else {
        format!(
            "{} is the number of the Service {}/{}: its pods listen on {target}",
            one.number, service.namespace, service.name
        )
    };
    let mut finding = Finding::new(Code::SERVICE_PORT_IN_POLICY, message)
        .at(one.port.origin.clone(), "a Service's number")
        .because(port.origin.clone(), format!("{} leads to {target}", one.number))
        .about(object_name(policy));
    if denies {
        finding.severity = Severity::Error;
    }
    let mut table = NamedPorts::default();
    if reached.endpoint.ports.is_empty() {
        table.add_without_port(reached.endpoint, reached.pods.len());
    }
    for port in &reached.endpoint.ports {
        table.add_instead(reached.endpoint, reached.pods.len(), port);
    }
    finding = finding.fix(Fix::rewording(
        Applicability::Suggestion,
        one.port.origin.clone(),
        one.number.to_string(),
        target.to_string(),
    ));
    let help = format!("write {target}: policies see the pod's port, after the Service was translated");
    let flow = meant(hazards, one, reached.id, port, target);
    Some(with_witness(finding.named_ports(table).help(help), flow))
}

/// Whether the rule covers the pods' own number in another entry.
fn rule_has(one: &NumberUse<'_>, pod: &Endpoint, target: u16) -> bool {
    let Ports::OneOf(ports) = &one.rule.ports else {
        return true;
    };
    ports.iter().any(|port| match &port.matches {
        PortMatch::Numbers { first, last, .. } => (*first..=*last).contains(&target),
        PortMatch::Name { protocol, name } => {
            ir::named_port::definitions(pod, name, *protocol).any(|port| port.number == target)
        }
        PortMatch::Icmp { .. } => false,
    })
}

/// The flow that was meant, to the number behind the Service: denied where the rule should allow it, and the reverse.
fn meant(
    hazards: &Hazards<'_>,
    one: &NumberUse<'_>,
    destination: ir::cluster::EndpointId,
    port: &ServicePort,
    target: u16,
) -> Option<Witness> {
    let model = hazards.model;
    let wanted = one.rule.action == Action::Deny;
    one.sources
        .iter()
        .filter(|source| *source != destination)
        .take(8)
        .find_map(|source| {
            let flow = flow(model, pod(source), pod(destination), port.protocol, target)?;
            let judgement = hazards.judge.evaluate(&flow);
            let not_here = !decided_by(&judgement, one.rule.direction, one.rule_id);
            (not_here && judgement.allowed() == wanted).then(|| shown(model, &flow))
        })
}
