//! # PC201 named-port-many-numbers
//!
//! One rule's port name means different numbers on pods that it reaches.
//!
//! ## What is wrong
//! A port name in a rule stands, for each destination pod by itself, for the number that this pod's own containers
//! give the name. Where pods behind one selector differ, the rule opens (or closes) another number on each of them.
//! Engines disagree about that:
//!
//! - Kubernetes' text, and Cilium from 1.20: each pod's own number, on that pod only.
//! - Cilium up to 1.19, in egress rules: the name is ambiguous, and the whole rule is skipped. What an allow rule
//!   should open stays closed; what a deny rule should close stays open.
//! - At ingress all of them use the subject's own number, so nothing fails; but the rule does not say which ports it
//!   opens, and one more Deployment behind the selector changes it without a change to the policy.
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{podSelector: {matchLabels: {app: catalog}}}]
//!     ports: [{port: http}]        # 8080 on catalog-java, 80 on catalog-nginx
//! ```
//!
//! ## How to fix it
//! Name the port the same number on all of the pods, or write the numbers: one rule for each, with a selector that
//! tells the pods apart.

use super::named_ports::{NameUse, Reached};
use super::{object_name, policy_name};
use crate::diagnostic::{Code, Finding, Severity, Witness};
use ir::cluster::{Endpoint, EndpointId, Family};
use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::origin::Origin;
use ir::policy::{Action, Direction};
use ir::port::Protocol;
use std::collections::{BTreeMap, BTreeSet};

/// How many pods are listed in the text of a finding.
const LISTED: usize = 12;

/// Finds rules with such a name.
#[must_use]
pub fn check(model: &Model, uses: &[NameUse<'_>]) -> Vec<Finding> {
    uses.iter().filter_map(|one| finding(model, one)).collect()
}

/// An engine that skips a deny rule opens what it should close; one that skips an allow rule closes what it should
/// open. At ingress every engine takes the subject's own number: nothing fails, and nothing says so either.
fn severity(one: &NameUse<'_>) -> Severity {
    match (one.rule.direction, one.rule.action) {
        (Direction::Ingress, _) => Severity::Note,
        (Direction::Egress, Action::Deny) => Severity::Error,
        (Direction::Egress, Action::Allow | Action::Pass) => Code::NAMED_PORT_MANY_NUMBERS.default_severity(),
    }
}

fn finding(model: &Model, one: &NameUse<'_>) -> Option<Finding> {
    let defining: Vec<&Reached<'_>> = one
        .reached
        .iter()
        .filter(|reached| !reached.ports.is_empty())
        .collect();
    let meanings: BTreeSet<BTreeSet<(Protocol, u16)>> =
        defining.iter().map(|reached| reached.numbers()).collect();
    if meanings.len() < 2 {
        return None;
    }
    let message = format!(
        "`{}` means {} in this {} rule: {}",
        one.name,
        listed_numbers(&meanings),
        one.rule.direction,
        consequence(one),
    );
    let mut finding = Finding::new(Code::NAMED_PORT_MANY_NUMBERS, message)
        .at(
            one.port.origin.clone(),
            format!("`{}` stands for each pod's own number", one.name),
        )
        .about(object_name(one.policy));
    finding.severity = severity(one);
    for place in places(&defining) {
        let pods = and_more(place.first, place.pods);
        finding = finding.because(place.origin.clone(), format!("{} on {pods}", place.number));
    }
    if let Some(witness) = witness(model, one, &defining) {
        finding = finding.witness(witness);
    }
    Some(finding.help(help(model, one, &defining)))
}

/// Where a number is written.
struct Place<'a> {
    origin: &'a Origin,
    number: u16,
    /// The first pod that has the number from here, and how many do.
    first: &'a Endpoint,
    pods: usize,
}

/// `shop/web-0 and 2 more`.
fn and_more(first: &Endpoint, pods: usize) -> String {
    match pods.saturating_sub(1) {
        0 => first.to_string(),
        more => format!("{first} and {more} more"),
    }
}

/// For each number and file the first place, with the pods that have the number from that file: enough to see every
/// meaning in every file concerned, and no more however many pods there are.
fn places<'a>(defining: &[&Reached<'a>]) -> Vec<Place<'a>> {
    let mut places: BTreeMap<(u16, &str), Place<'a>> = BTreeMap::new();
    for reached in defining {
        for (index, port) in reached.ports.iter().enumerate() {
            let place = places
                .entry((port.number, &port.origin.file))
                .or_insert_with(|| Place {
                    origin: &port.origin,
                    number: port.number,
                    first: reached.endpoint,
                    pods: 0,
                });
            place.origin = place.origin.min(&port.origin);
            // A pod may define the number twice.
            let mut before = reached.ports.iter().take(index);
            if before.all(|other| other.number != port.number) {
                place.pods += reached.pods.len();
            }
        }
    }
    let mut places: Vec<_> = places.into_values().collect();
    places.sort_by_key(|place| place.origin);
    places
}

/// `8080 and 80`, in the order of numbers.
fn listed_numbers(meanings: &BTreeSet<BTreeSet<(Protocol, u16)>>) -> String {
    let numbers: BTreeSet<u16> = meanings.iter().flatten().map(|(_, number)| *number).collect();
    let numbers: Vec<_> = numbers.into_iter().map(|number| number.to_string()).collect();
    match numbers.split_last() {
        Some((last, rest)) if !rest.is_empty() => {
            format!("{} on some pods and {last} on others", rest.join(", "))
        }
        // The same number behind different protocols.
        _ => format!("{} with different protocols", numbers.join("")),
    }
}

fn consequence(one: &NameUse<'_>) -> &'static str {
    match (one.rule.direction, one.rule.action) {
        (Direction::Egress, Action::Deny) => "Cilium up to 1.19 skips the rule, and what it denies is open",
        (Direction::Egress, _) => "Cilium up to 1.19 skips the rule, and what it allows is closed",
        (Direction::Ingress, _) => "which port is meant depends on the pod",
    }
}

fn help(model: &Model, one: &NameUse<'_>, defining: &[&Reached<'_>]) -> String {
    let mut lines = table(defining);
    lines.push(String::new());
    let verb = match one.rule.action {
        Action::Deny => "denies",
        Action::Allow | Action::Pass => "allows",
    };
    let per_pod = format!("{verb} each pod's own number, on that pod only");
    match (one.rule.direction, one.rule.action) {
        (Direction::Ingress, _) => lines.push(format!("Kubernetes, Cilium: {per_pod}")),
        (Direction::Egress, Action::Deny) => {
            lines.push("Cilium ≤ 1.19: skips the rule; none of these numbers is denied".to_owned());
            lines.push(format!("Kubernetes, Cilium 1.20: {per_pod}"));
        }
        (Direction::Egress, _) => {
            lines.push(format!("Kubernetes, Cilium 1.20: {per_pod}"));
            lines.push("Cilium ≤ 1.19: skips the rule; none of these numbers is allowed".to_owned());
        }
    }
    lines.push(String::new());
    let verb = match one.rule.direction {
        Direction::Ingress => "selects",
        Direction::Egress => "reaches",
    };
    lines.push(format!(
        "give `{}` one number on all pods that {} {verb}, or write numbers with selectors that tell the pods apart",
        one.name,
        policy_name(model, one.rule_id),
    ));
    lines.join("\n")
}

/// One line for each pod (or for all replicas that are alike): pod, container, name, number and protocol, place.
fn table(defining: &[&Reached<'_>]) -> Vec<String> {
    let ports = defining
        .iter()
        .flat_map(|reached| reached.ports.iter().map(move |port| (reached, port)));
    let left_out = ports.clone().count().saturating_sub(LISTED);
    let rows: Vec<[String; 5]> = ports
        .take(LISTED)
        .map(|(reached, port)| {
            [
                and_more(reached.endpoint, reached.pods.len()),
                port.container.clone(),
                port.name.clone().unwrap_or_default(),
                format!("{}/{}", port.number, port.protocol),
                port.origin.to_string(),
            ]
        })
        .collect();
    let mut lines = aligned(&rows);
    if left_out > 0 {
        lines.push(format!("and {left_out} more"));
    }
    lines
}

fn aligned(rows: &[[String; 5]]) -> Vec<String> {
    let mut widths = [0; 5];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(unicode_width::UnicodeWidthStr::width(cell.as_str()));
        }
    }
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                let gap = width.saturating_sub(unicode_width::UnicodeWidthStr::width(cell.as_str()));
                line.push_str(cell);
                line.push_str(&" ".repeat(gap + 2));
            }
            line.trim_end().to_owned()
        })
        .collect()
}

/// A flow that the rule decides on one of its numbers: for an allow one that is let through, for a deny one that is
/// not. The engines that skip the rule say the opposite.
fn witness(model: &Model, one: &NameUse<'_>, defining: &[&Reached<'_>]) -> Option<Witness> {
    /// Sources that are tried for each meaning; the first that fits is nearly always the first.
    const TRIED: usize = 8;
    let cluster = &model.cluster;
    let wanted = one.rule.action != Action::Deny;
    // One destination for each meaning: the first.
    let mut first_of = BTreeMap::new();
    for reached in defining {
        first_of.entry(reached.numbers()).or_insert(*reached);
    }
    for (numbers, destination) in first_of {
        let sources = one.sources.iter().filter(|id| *id != destination.id);
        for source in sources.take(TRIED) {
            for (protocol, port) in &numbers {
                let flow = flow(model, source, destination.id, *protocol, *port)?;
                let judgement = evaluator::evaluate(model, &flow);
                let side = match one.rule.direction {
                    Direction::Ingress => &judgement.ingress,
                    Direction::Egress => &judgement.egress,
                };
                let decided_here =
                    matches!(&side.because, ir::flow::Because::Rules(rules) if rules.contains(&one.rule_id));
                if decided_here && judgement.allowed() == wanted {
                    return Some(Witness {
                        from: cluster.endpoint(source)?.to_string(),
                        to: destination.endpoint.to_string(),
                        protocol: protocol.to_string(),
                        port: Some(*port),
                    });
                }
            }
        }
    }
    None
}

fn flow(
    model: &Model,
    source: EndpointId,
    destination: EndpointId,
    protocol: Protocol,
    port: u16,
) -> Option<Flow> {
    let cluster = &model.cluster;
    let (from, to) = (cluster.endpoint(source)?, cluster.endpoint(destination)?);
    let family = Family::BOTH
        .into_iter()
        .find(|family| from.address(*family).is_some() && to.address(*family).is_some());
    let party = |id, address| Party::Endpoint { id, address };
    Some(Flow {
        source: party(source, family.and_then(|family| from.address(family))),
        destination: party(destination, family.and_then(|family| to.address(family))),
        protocol,
        port,
    })
}
