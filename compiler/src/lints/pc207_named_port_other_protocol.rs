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
//! Write the protocol: `{port: dns, protocol: UDP}`. For both, write two entries. Where all pods that define the name agree
//! on the protocol, `check --fix --unsafe-fixes` writes it: it decides what is allowed, so it asks to be looked at.

use super::beside::{InFront, own_key, written_at};
use super::named_port_hazards::{Case, Hazards, Judged, is_named};
use super::named_port_report::{at_use, egress_engines, pod, with_engines, with_witness, witness};
use crate::diagnostic::named_ports::NamedPorts;
use crate::diagnostic::{Code, Finding, Fix, Severity};
use crate::lints::cilium_names::and;
use crate::load::Object;
use crate::route::Route;
use ir::cluster::ContainerRole;
use ir::origin::Origin;
use ir::port::Protocol;
use std::collections::BTreeSet;

/// Finds rules with such a name, which `objects` say.
#[must_use]
pub fn check(hazards: &Hazards<'_>, objects: &[Object]) -> Vec<Finding> {
    let uses = hazards.uses.iter();
    uses.filter(|judged| judged.case == Case::OtherProtocol)
        .map(|judged| finding(hazards, judged, objects))
        .collect()
}

fn finding(hazards: &Hazards<'_>, judged: &Judged<'_>, objects: &[Object]) -> Finding {
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
    let throughout = hazards.is_vain_throughout(judged);
    let why = format!("defined with {defined}, and the rule says {}", one.protocol);
    let message = match (judged.denies(), throughout) {
        (true, true) => format!("this rule denies nothing: `{}` is {why}", one.name),
        (true, false) => format!("`{}` denies nothing: it is {why}", one.name),
        (false, true) => format!("`{}` is {why}: it allows nothing", one.name),
        (false, false) => format!("`{}` allows nothing: it is {why}", one.name),
    };
    let label = format!("{} here", one.protocol);
    let mut finding = at_use(judged, Code::NAMED_PORT_OTHER_PROTOCOL, message, label);
    if !judged.denies() && !throughout {
        finding.severity = Severity::Warning;
    }
    for (port, pod) in places {
        let text = format!("{}/{} on {pod}", port.number, port.protocol);
        finding = finding.because(port.origin.clone(), text);
    }
    let help = format!(
        "write the protocol of the port: {}",
        and(protocols.iter().map(|protocol| format!("`protocol: {protocol}`")))
    );
    if let (Some(protocol), 1) = (protocols.first(), protocols.len()) {
        finding
            .fixes
            .extend(writing(*protocol, &one.port.origin, objects));
    }
    let denies = judged.denies();
    let flow = witness(hazards, judged, flows, |tried| {
        tried.judgement.allowed() == denies
    });
    let finding = finding.named_ports(table).help(help);
    with_witness(with_engines(finding, egress_engines(hazards, judged)), flow)
}

/// Writing the protocol beside the name.
fn writing(protocol: Protocol, name: &Origin, objects: &[Object]) -> Option<Fix> {
    let (object, port) = written_at(objects, name)?;
    let (_, entry) = port.steps().split_last()?;
    let written = Route::from_iter(entry.iter().cloned()).then("protocol");
    let fix = Fix::suggestion(format!("write `protocol: {protocol}`"));
    if object.has(&written) {
        own_key(object, &written)?;
        let place = &object.place;
        let was = place
            .document
            .scalar(place.document.find(place.node, &written)?.value)?;
        return Some(fix.reword(object.origin(&written), &*was.text, protocol.to_string()));
    }
    let place = InFront::of(object, &port)?;
    let entry = place.entry("protocol", &place.word(&protocol.to_string()));
    Some(fix.replace(place.at, entry))
}
