//! One flow: the verdict, and why, with the lines that decide.
//!
//! The verdict is the reference evaluator's, and so are the rules that decide. Beside them stand the policies in force,
//! the rules that match and do not decide, and where nothing allows the flow, the rules that come nearest to it with
//! what would have to be otherwise ([`near`]).

#[cfg(test)]
mod generated;
pub mod human;
pub mod json;
pub mod near;
mod party;
pub mod service;
#[cfg(test)]
mod tests;

use crate::cite::{PolicyRef, Reason, RuleRef};
pub use near::{Misses, Near};
pub use party::{PartySpec, PortSpec};
pub use service::Services;

use crate::resolve;
use ir::cluster::EndpointId;
use ir::evaluator;
use ir::flow::{Because, Decision, Flow, Party};
use ir::model::Model;
use ir::policy::{Action, Direction, RuleId, Subject, Tier};
use ir::port::Protocol;
use near::Question;
use service::Translation;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use thiserror::Error;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Who opens the flow.
    pub from: PartySpec,
    /// Who receives it.
    pub to: PartySpec,
    /// The destination port; a Service brings its own.
    pub port: Option<PortSpec>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The text is not of any known form.
    #[error("`{0}` is neither namespace/name, nor an address, nor namespace{{label=value}}")]
    Party(String),
    /// The text is not of the form of a Service.
    #[error("`svc:{0}` is no Service's port: write svc:namespace/name:port")]
    Service(String),
    /// A Service opens no flows.
    #[error("a Service opens no flows: ask about the pods that do")]
    FromService,
    /// There are a port and a Service, or neither.
    #[error("{0}")]
    WhichPort(&'static str),
    /// There is no such Service.
    #[error("there is no Service `{name}`{}", did_you_mean(.near))]
    UnknownService {
        /// What was asked for.
        name: String,
        /// Names that are near it.
        near: Vec<String>,
    },
    /// The Service has no such port, or several and none was said.
    #[error("{}; {ports}", which_port(.service, .asked.as_deref()))]
    ServicePort {
        /// `namespace/name`.
        service: String,
        /// What was asked for.
        asked: Option<String>,
        /// What there is, as a clause.
        ports: String,
    },
    /// Nobody stands behind the Service.
    #[error("nobody stands behind the Service `{name}`, so a connection to it is refused at once: {reason}")]
    NoBackends {
        /// `namespace/name`.
        name: String,
        /// Why, as a clause.
        reason: String,
    },
    /// The port is not of any known form.
    #[error("`{0}` is not a port: write 8080/TCP, 53/UDP, a port's name, or icmp/8")]
    Port(String),
    /// Nobody has this name.
    #[error("there is no workload or pod `{name}`{}", did_you_mean(.near))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that are near it.
        near: Vec<String>,
    },
    /// The destination does not define the port's name.
    #[error("no destination defines a port `{name}`; {defined}")]
    UnknownPort {
        /// The name.
        name: String,
        /// What they do define, as a sentence.
        defined: String,
    },
}

fn did_you_mean(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", names.join(" or "))
    }
}

fn which_port(service: &str, asked: Option<&str>) -> String {
    match asked {
        Some(asked) => format!("the Service `{service}` has no port `{asked}`"),
        None => format!("say which port of the Service `{service}` is meant"),
    }
}

/// The answer for every flow that the question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The Service that was asked about, with where its port leads.
    pub service: Option<Translation>,
    /// One for each pair of ends that are judged differently; never empty.
    pub verdicts: Vec<Verdict>,
}

impl Answer {
    /// Whether every one of the flows is allowed.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.allowed)
    }
}

/// The answer for one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who opens it.
    pub from: End,
    /// Who receives it.
    pub to: End,
    /// The protocol.
    pub protocol: Protocol,
    /// The port, or the ICMP type.
    pub port: u16,
    /// Whether both sides allow it.
    pub allowed: bool,
    /// The source's side.
    pub egress: Side,
    /// The destination's side.
    pub ingress: Side,
}

/// One end of a flow, for the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// `namespace/name` of a pod, `node NAME`, or an address.
    pub name: String,
    /// A pod's or node's address in this flow, where it is known.
    pub address: Option<IpAddr>,
}

/// `shop/web (10.0.0.1)`.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{} ({address})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// One side's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Whether this side lets the flow through.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// The policies in force.
    pub in_force: Vec<PolicyRef>,
    /// The rules that decide.
    pub rules: Vec<RuleRef>,
    /// Rules that match as well, and decide nothing beside the others.
    pub overruled: Vec<RuleRef>,
    /// Where no rule allows it: the allow rules in force that come nearest, the nearest first.
    pub nearest: Vec<Near>,
    /// Allow rules in force that are further away than those.
    pub further: usize,
}

impl Side {
    /// What sides that are alike have in common: all but the names in words.
    fn told_by(&self) -> impl fmt::Debug {
        let nearest: Vec<_> = self
            .nearest
            .iter()
            .map(|near| {
                let changes = near.changes.iter().map(|change| (change.about, &change.origin));
                (&near.rule, changes.collect::<Vec<_>>())
            })
            .collect();
        (
            self.allowed,
            self.reason,
            &self.in_force,
            &self.rules,
            &self.overruled,
            nearest,
            self.further,
        )
    }
}

/// Answers a question about a model, and the Services of its input.
///
/// # Errors
/// When an end or a port does not exist.
pub fn query(model: &Model, services: &Services, query: &Query) -> Result<Answer, QueryError> {
    let (model, from, to) = party::resolve(model, &query.from, &query.to)?;
    let mut undefined = BTreeSet::new();
    let (service, flows) = match (&query.to, &query.port) {
        (PartySpec::Service(spec), None) => {
            let (translation, backends) = services.translate(&model.cluster, spec)?;
            (Some(translation), backends)
        }
        (PartySpec::Service(_), Some(_)) => {
            let why = "a Service's port stands behind its name (svc:namespace/name:port), and no other is asked about";
            return Err(QueryError::WhichPort(why));
        }
        (_, None) => return Err(QueryError::WhichPort("say which port is meant")),
        (_, Some(port)) => {
            let numbers = |to: &Party| -> Vec<_> {
                let numbers = port.numbers(&model.cluster, *to, &mut undefined);
                numbers
                    .into_iter()
                    .map(|(protocol, port)| (*to, protocol, port))
                    .collect()
            };
            (None, to.iter().flat_map(numbers).collect())
        }
    };
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut seen = BTreeSet::new();
    for source in &from {
        for (destination, protocol, port) in &flows {
            if from.len() > 1 && flows.len() > 1 && source == destination {
                // A workload asked about itself means its pods among each other.
                continue;
            }
            for (source, destination) in ends(&model, *source, *destination) {
                let flow = Flow {
                    source,
                    destination,
                    protocol: *protocol,
                    port: *port,
                };
                let verdict = judge(&model, &flow);
                // Pods and address families that are judged alike are told once.
                let same = format!(
                    "{:?}",
                    (
                        party::workload_of(&model, source),
                        party::workload_of(&model, destination),
                        protocol,
                        port,
                        verdict.egress.told_by(),
                        verdict.ingress.told_by()
                    )
                );
                if seen.insert(same) {
                    verdicts.push(verdict);
                }
            }
        }
    }
    if verdicts.is_empty() {
        return Err(match &query.port {
            Some(port) => port.undefined(undefined),
            None => QueryError::WhichPort("the Service leads to nobody but the source itself"),
        });
    }
    Ok(Answer { service, verdicts })
}

/// The pairs of parties of two ends, over the addresses that they have.
fn ends(model: &Model, source: Party, destination: Party) -> Vec<(Party, Party)> {
    let cluster = &model.cluster;
    let at = |id: EndpointId, address| resolve::as_party(cluster, id, address);
    match (source, destination) {
        (Party::Endpoint { id: from, .. }, Party::Endpoint { id: to, .. }) => {
            resolve::address_pairs(cluster, from, to)
                .into_iter()
                .map(|(source, destination)| (at(from, source), at(to, destination)))
                .collect()
        }
        (Party::Endpoint { id, .. }, other) => vec![(at(id, address_towards(model, id, other)), other)],
        (other, Party::Endpoint { id, .. }) => vec![(other, at(id, address_towards(model, id, other)))],
        (source, destination) => vec![(source, destination)],
    }
}

fn address_towards(model: &Model, id: EndpointId, other: Party) -> Option<IpAddr> {
    model.cluster.endpoint(id)?.address(other.family()?)
}

/// The verdict on one flow, with its reasons.
pub(crate) fn judge(model: &Model, flow: &Flow) -> Verdict {
    let judgement = evaluator::evaluate(model, flow);
    Verdict {
        from: party::show(model, flow.source),
        to: party::show(model, flow.destination),
        protocol: flow.protocol,
        port: flow.port,
        allowed: judgement.allowed(),
        egress: side(model, flow, Direction::Egress, &judgement.egress),
        ingress: side(model, flow, Direction::Ingress, &judgement.ingress),
    }
}

fn side(model: &Model, flow: &Flow, direction: Direction, decision: &Decision) -> Side {
    let reason = Reason::of(&decision.because);
    let rules = match &decision.because {
        Because::Rules(rules) => rules.as_slice(),
        _ => &[],
    };
    let mut side = Side {
        allowed: decision.allowed,
        reason,
        in_force: Vec::new(),
        rules: rules.iter().filter_map(|id| RuleRef::by_id(model, *id)).collect(),
        overruled: Vec::new(),
        nearest: Vec::new(),
        further: 0,
    };
    let Some(question) = Question::of(model, flow, direction) else {
        return side;
    };
    let mut nearest = Vec::new();
    for (id, policy) in model.policy_ids() {
        let selected = match &policy.subject {
            Subject::Endpoints(selector) => {
                selector.matches(|a| model.cluster.attribute(question.subject, a))
            }
            Subject::Nodes(_) => false,
        };
        if !policy.applies.has(direction) || !selected {
            continue;
        }
        side.in_force.push(PolicyRef::of(policy));
        if matches!(reason, Reason::Loopback | Reason::OwnHost) {
            continue;
        }
        for (id, rule) in model.rule_ids(id).filter(|(_, rule)| rule.direction == direction) {
            let changes = question.changes(rule);
            let Some(cited) = RuleRef::by_id(model, id) else {
                continue;
            };
            if changes.is_empty() {
                if !rules.contains(&id) {
                    side.overruled.push(cited);
                }
            } else if rule.action == Action::Allow && rule.rank.tier != Tier::Baseline {
                nearest.push((Near { rule: cited, changes }, id));
            }
        }
    }
    if reason == Reason::DefaultDeny {
        nearest.sort_by_key(|(near, id): &(Near, RuleId)| (near.distance(), *id));
        side.further = nearest.len().saturating_sub(NEAREST);
        nearest.truncate(NEAREST);
        side.nearest = nearest.into_iter().map(|(near, _)| near).collect();
    }
    side
}

/// How many of the nearest rules are told.
const NEAREST: usize = 8;
