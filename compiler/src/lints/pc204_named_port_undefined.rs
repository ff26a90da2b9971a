//! # PC204 named-port-undefined
//!
//! No pod that the rule reaches defines the port name: the rule allows nothing.
//!
//! ## What is wrong
//! The rule reaches pods, and none of their containers has a port with this name. It may be misspelt, or the name may
//! be what the Service or the application calls the port. The rule opens nothing, and what it should let through is
//! denied by whatever else is in force.
//!
//! Where the rule has other ports beside such names, it is a warning.
//!
//! A name counts as undefined only where every pod that could define it is in the input: nothing is said where the
//! rule reaches namespaces of which no pod was given.
//!
//! ## What engines do
//!
//! | | |
//! |---|---|
//! | Kubernetes' text | nothing is allowed |
//! | Cilium 1.20 | nothing is allowed |
//! | Cilium up to 1.19 | at egress, where one pod anywhere in the cluster defines the name, its number is opened on the pods that the rule reaches, whatever listens there |
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{podSelector: {matchLabels: {app: catalog}}}]
//!     ports: [{port: htpp}]        # the pods call it `http`
//! ```
//!
//! ## How to fix it
//! Use the name that the pods' `containers[].ports[]` define, or name their port.
//!
//! `check --fix --unsafe-fixes` writes the only near name that the reached pods define.

use super::cilium_names::{self, Meaning, transport};
use super::named_port_hazards::{Case, Hazards, Judged, is_named};
use super::named_port_report::{
    at_use, egress_engines, nearest, pod, pods, table_of_all, with_engines, with_witness, witness,
};
use crate::de::suggest;
use crate::diagnostic::{Applicability, Code, Finding, Fix, Severity};
use ir::cluster::{ContainerPort, ContainerRole};
use ir::flow::Party;
use ir::policy::Direction;
use ir::port::Protocol;
use std::collections::BTreeSet;

/// Finds allow rules with such a name.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let uses = hazards.uses.iter();
    uses.filter(|judged| judged.case == Case::Undefined && !judged.denies())
        .map(|judged| finding(hazards, judged))
        .collect()
}

fn finding<'m>(hazards: &Hazards<'m>, judged: &Judged<'m>) -> Finding {
    let name = judged.one.name;
    let open = opened_elsewhere(hazards, judged, |_| true);
    let message = match &open {
        Some((_, number)) => format!(
            "Cilium up to 1.19 opens {number} on pods that do not call it `{name}`: no pod that this rule reaches defines the name",
        ),
        None => format!("no pod that this rule reaches defines `{name}`, so it allows nothing"),
    };
    let finding = undefined(hazards, judged, Code::NAMED_PORT_UNDEFINED, message);
    let mut finding = with_witness(
        finding,
        witness(hazards, judged, guesses(hazards, judged), |tried| {
            !tried.judgement.allowed()
        }),
    );
    if !hazards.is_vain_throughout(judged) && open.is_none() {
        finding.severity = Severity::Warning;
    }
    finding
}

/// What PC204 and PC205 have in common: the place, the pods, the nearest name.
pub(super) fn undefined<'m>(
    hazards: &Hazards<'m>,
    judged: &Judged<'m>,
    code: Code,
    message: String,
) -> Finding {
    let near = nearest(judged);
    let label = match near {
        Some((near, _)) => format!("did you mean `{near}`?"),
        None => "no such name there".to_owned(),
    };
    let mut finding = at_use(judged, code, message, label);
    if let Some(first) = judged.one.reached.first() {
        let count = judged.one.reached.iter().map(|reached| reached.pods.len()).sum();
        let text = format!("reached: {}", pods(first.endpoint, count));
        finding = finding.because(first.endpoint.origin.clone(), text);
    }
    let help = match near {
        Some((near, origin)) => {
            finding = finding.because(origin.clone(), format!("`{near}` is defined here"));
            if let Some(fix) = renaming(judged) {
                finding = finding.fix(fix);
            }
            format!(
                "write `{near}`, or give the pods' port the name `{}`",
                judged.one.name
            )
        }
        None => format!(
            "use a name or number that the pods define, or give their port the name `{}`",
            judged.one.name
        ),
    };
    finding = finding.named_ports(table_of_all(judged)).help(help);
    with_engines(finding, egress_engines(hazards, judged))
}

/// Writing the one name of the reached pods that this one can stand for. It decides what traffic passes, so a person
/// looks at it.
fn renaming(judged: &Judged<'_>) -> Option<Fix> {
    let one = &judged.one;
    let names: BTreeSet<&str> = one
        .reached
        .iter()
        .flat_map(|reached| &reached.endpoint.ports)
        .filter(|port| port.role != ContainerRole::Init && one.protocol.contains(port.protocol))
        .filter_map(|port| port.name.as_deref())
        .collect();
    let names: Vec<_> = names.into_iter().collect();
    let (near, _) = suggest::sole(one.name, &names)?;
    Some(Fix::rewording(
        Applicability::Suggestion,
        one.port.origin.clone(),
        one.name,
        near,
    ))
}

/// Flows that the author may have had in mind: to the number behind the nearest name, else to what the pods have.
pub(super) fn guesses<'m>(hazards: &Hazards<'m>, judged: &Judged<'m>) -> Vec<(Party, Protocol, u16)> {
    let near = nearest(judged).map(|(near, _)| near);
    let fits = |port: &&ContainerPort| {
        port.role != ContainerRole::Init && judged.one.protocol.contains(port.protocol)
    };
    let opened = opened_elsewhere(hazards, judged, |_| true).map(|(_, number)| number);
    let mut guesses = Vec::new();
    for reached in judged.one.reached.iter() {
        for port in reached.endpoint.ports.iter().filter(fits) {
            let is_meant = near.is_some_and(|near| is_named(port, near)) || opened == Some(port.number);
            guesses.push((!is_meant, reached.id, port.protocol, port.number));
        }
    }
    guesses.sort_unstable();
    guesses
        .into_iter()
        .map(|(_, id, protocol, number)| (pod(id), protocol, number))
        .collect()
}

/// The number that Cilium up to 1.19 opens on a reached pod which has it as a port of another name: the first such port
/// that is `wanted`, and the number.
pub(super) fn opened_elsewhere<'m>(
    hazards: &Hazards<'m>,
    judged: &Judged<'m>,
    wanted: impl Fn(&ContainerPort) -> bool,
) -> Option<(&'m ContainerPort, u16)> {
    let one = &judged.one;
    if one.rule.direction != Direction::Egress || judged.denies() || !cilium_names::enforces(one.policy.kind)
    {
        return None;
    }
    transport(one.protocol).find_map(|protocol| {
        let Meaning::One(number) = hazards.names.meaning(one.name, protocol) else {
            return None;
        };
        let mut others = one
            .reached
            .iter()
            .filter(|reached| reached.ports.is_empty())
            .flat_map(|reached| &reached.endpoint.ports);
        let port = others.find(|port| {
            port.role != ContainerRole::Init
                && port.protocol == protocol
                && port.number == number
                && wanted(port)
        })?;
        Some((port, number))
    })
}
