//! # PC215 named-port-and-number
//!
//! A numeric rule and a named rule of opposite verdicts meet on some pods only.
//!
//! ## What is wrong
//! One rule allows a number, another denies a name (or the reverse), for the same pods. Where a pod gives the name that
//! number, the deny wins. On other pods behind the same selector the name is another number, or not there, and the two
//! pass each other by: the number stays open though its name is denied, or the name is cut on some replicas alone.
//!
//! ## What engines do
//! Every engine that resolves the name for each pod does this; at egress Cilium up to 1.19 may skip the named rule
//! altogether (PC203).
//!
//! ## Example
//! ```yaml
//! ingress:
//!   - toPorts: [{ports: [{port: "8080", protocol: TCP}]}]
//! ingressDeny:
//!   - toPorts: [{ports: [{port: http, protocol: TCP}]}]      # 8080 on one pod, 80 on the other
//! ```
//!
//! ## How to fix it
//! Write both rules with numbers, or both with names.

use super::named_port_hazards::{Case, Hazards, Judged};
use super::named_port_report::{decided_by, flow, pod, pods, shown, sources, table};
use super::named_ports::Reached;
use super::object_name;
use crate::diagnostic::{Code, Finding, Severity, Witness};
use ir::flow::Party;
use ir::model::Model;
use ir::policy::{Action, Direction, Policy, Rule, RuleId, Tier};
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use std::collections::BTreeMap;

/// A port entry with numbers, of a rule of the namespaced tier.
struct Numeric<'m> {
    id: RuleId,
    policy: &'m Policy,
    rule: &'m Rule,
    port: &'m Port,
    protocol: ProtocolSet,
    first: u16,
    last: u16,
}

/// Finds the first numeric rule for each use that it meets on some pods only.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    let numeric = numeric(hazards.model);
    hazards
        .uses
        .iter()
        .filter(|judged| is_uneven(judged))
        .filter_map(|judged| {
            let opposite = match judged.one.rule.action {
                Action::Allow => Action::Deny,
                Action::Deny => Action::Allow,
                Action::Pass => return None,
            };
            let rules = numeric.get(&(judged.one.rule.direction, opposite))?;
            rules.iter().find_map(|other| meet(hazards, judged, other))
        })
        .collect()
}

/// Whether the name is not the same everywhere, and no worse finding says so.
fn is_uneven(judged: &Judged<'_>) -> bool {
    let told = matches!(
        judged.case,
        Case::AmbiguousDeny | Case::WithoutPods | Case::OtherProtocol | Case::InitOnly | Case::Undefined
    );
    let namespaced = judged.one.rule.rank.tier == Tier::Namespaced;
    let meanings = judged.meanings().len();
    let gap = judged.one.reached.iter().any(|reached| reached.ports.is_empty());
    !told && namespaced && (meanings > 1 || (meanings == 1 && gap))
}

/// Whether one of these findings is at the place of another.
#[must_use]
pub fn tells(findings: &[Finding], other: &Finding) -> bool {
    let place = |finding: &Finding| finding.primary().map(|label| label.origin.clone());
    findings.iter().any(|finding| place(finding) == place(other))
}

fn numeric(model: &Model) -> BTreeMap<(Direction, Action), Vec<Numeric<'_>>> {
    let mut numeric: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (policy_id, policy) in model.policy_ids() {
        for (id, rule) in model.rule_ids(policy_id) {
            let Ports::OneOf(ports) = &rule.ports else {
                continue;
            };
            for port in ports.iter().filter(|_| rule.rank.tier == Tier::Namespaced) {
                if let PortMatch::Numbers { protocol, first, last } = port.matches
                    // Every port of a protocol meets every name everywhere.
                    && (first, last) != (0, u16::MAX)
                {
                    let rules = numeric.entry((rule.direction, rule.action)).or_default();
                    rules.push(Numeric {
                        id,
                        policy,
                        rule,
                        port,
                        protocol,
                        first,
                        last,
                    });
                }
            }
        }
    }
    numeric
}

/// Pods and sources that are tried.
const TRIED: usize = 4;

fn meet(hazards: &Hazards<'_>, judged: &Judged<'_>, other: &Numeric<'_>) -> Option<Finding> {
    let covers = |(protocol, number): &(Protocol, u16)| {
        other.protocol.contains(*protocol) && (other.first..=other.last).contains(number)
    };
    let (meeting, passing): (Vec<&Reached<'_>>, Vec<&Reached<'_>>) = judged
        .one
        .reached
        .iter()
        .partition(|reached| reached.numbers().iter().any(covers));
    for here in meeting.iter().take(TRIED) {
        let (protocol, number) = here.numbers().into_iter().find(|number| covers(number))?;
        for there in passing.iter().take(TRIED) {
            for source in sources(hazards, judged).into_iter().take(TRIED) {
                if let Some(witness) =
                    shows(hazards, judged, other, source, (here, there), (protocol, number))
                {
                    return Some(finding(judged, other, here, there, number, witness));
                }
            }
        }
    }
    None
}

/// A flow that is decided the other way on the second pod, where on the first one the deny wins over the allow.
fn shows(
    hazards: &Hazards<'_>,
    judged: &Judged<'_>,
    other: &Numeric<'_>,
    source: Party,
    (here, there): (&Reached<'_>, &Reached<'_>),
    (protocol, number): (Protocol, u16),
) -> Option<Witness> {
    let model = hazards.model;
    let direction = judged.one.rule.direction;
    if matches!(source, Party::Endpoint { id, .. } if id == here.id || id == there.id) {
        return None;
    }
    let asked = |destination, number| {
        let flow = flow(model, source, pod(destination), protocol, number)?;
        Some((hazards.judge.evaluate(&flow), flow))
    };
    let (deny, allow) = if judged.denies() {
        (judged.one.rule_id, other.id)
    } else {
        (other.id, judged.one.rule_id)
    };
    let (first, _) = asked(here.id, number)?;
    if first.allowed() || !decided_by(&first, direction, deny) {
        return None;
    }
    // The number that is allowed on the second pod: the numeric allow's, or the name's own there.
    let open = if judged.denies() {
        number
    } else {
        there
            .numbers()
            .into_iter()
            .find(|(own, _)| *own == protocol)
            .map(|(_, number)| number)?
    };
    let (second, flow) = asked(there.id, open)?;
    (second.allowed() && decided_by(&second, direction, allow)).then(|| shown(model, &flow))
}

fn finding(
    judged: &Judged<'_>,
    other: &Numeric<'_>,
    here: &Reached<'_>,
    there: &Reached<'_>,
    number: u16,
    witness: Witness,
) -> Finding {
    let name = judged.one.name;
    let there = pods(there.endpoint, there.pods.len());
    let message = if judged.denies() {
        format!(
            "{number} stays open on {there}: this rule denies `{name}`, which is {number} on other pods only"
        )
    } else {
        format!(
            "`{name}` is cut on {} and open on {there}: another rule denies {number}, which it is on some pods only",
            here.endpoint
        )
    };
    let (own, theirs) = if judged.denies() {
        ("denies", "allows")
    } else {
        ("allows", "denies")
    };
    let mut finding = Finding::new(Code::NAMED_PORT_AND_NUMBER, message)
        .at(judged.one.port.origin.clone(), format!("{own} the name"))
        .because(other.port.origin.clone(), format!("{theirs} the number"))
        .about(object_name(judged.one.policy))
        .about(object_name(other.policy));
    if let Some(port) = here.ports.iter().find(|port| port.number == number) {
        finding = finding.because(
            port.origin.clone(),
            format!("`{name}` is {number} on {}", here.endpoint),
        );
    }
    if judged.denies() {
        finding.severity = Severity::Error;
    }
    debug_assert_eq!(judged.one.rule.direction, other.rule.direction);
    finding
        .named_ports(table(judged))
        .witness(witness)
        .help("write both rules with numbers, or both with names")
}
