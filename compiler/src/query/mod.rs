//! One flow: the verdict, and why, with the lines that decide.
//!
//! The verdict is the reference evaluator's. So is the reason, and so is the search for the nearest rule: a rule whose
//! peers would match on some port is one that matches once its ports are taken away, and the evaluator is asked just
//! that.

pub mod human;
pub mod json;
mod party;
#[cfg(test)]
mod tests;

pub use party::{PartySpec, PortSpec};

use crate::resolve;
use ir::cluster::EndpointId;
use ir::evaluator;
use ir::flow::{Because, Decision, Flow, Party};
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::Peers;
use ir::policy::{Action, Direction, Policy, PolicyId, Rank, Rule, RuleId, Subject};
use ir::port::{Ports, Protocol};
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
    /// The destination port.
    pub port: PortSpec,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The text is not of any known form.
    #[error("`{0}` is neither namespace/name, nor an address, nor namespace{{label=value}}")]
    Party(String),
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

/// The answer for every flow that the question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
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
    /// Where no rule matches: those that match all but the ports, or all but the peer.
    pub nearest: Vec<(Misses, RuleRef)>,
}

/// Why a side decides as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has no policy of its own: an address outside, a node, a host-network pod.
    NoPolicyOfItsOwn,
    /// A pod reaches itself.
    Loopback,
    /// The node's own host reaches its pods.
    OwnHost,
    /// No policy in force asks for default deny.
    Unrestricted,
    /// Rules match.
    Rules,
    /// No rule matches, and a policy in force denies what no rule allows.
    DefaultDeny,
}

/// What a rule would have to say differently to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misses {
    /// It matches the peer, on other ports.
    Port,
    /// It matches the port, for other peers.
    Peer,
}

/// A policy, for the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRef {
    /// Its kind.
    pub kind: String,
    /// Its namespace, if it has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub origin: Origin,
}

/// A rule, for the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRef {
    /// Its policy.
    pub policy: PolicyRef,
    /// What it does.
    pub action: Action,
    /// Where it is written.
    pub origin: Origin,
}

/// Answers a question about a model.
///
/// # Errors
/// When an end or a port does not exist.
pub fn query(model: &Model, query: &Query) -> Result<Answer, QueryError> {
    let (model, from, to) = party::resolve(model, &query.from, &query.to)?;
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut undefined = BTreeSet::new();
    for source in &from {
        for destination in &to {
            if from.len() > 1 && to.len() > 1 && source == destination {
                // A workload asked about itself means its pods among each other.
                continue;
            }
            let ports = query.port.numbers(&model.cluster, *destination, &mut undefined);
            for (source, destination) in ends(&model, *source, *destination) {
                for (protocol, port) in &ports {
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
                            &verdict.egress,
                            &verdict.ingress
                        )
                    );
                    if seen.insert(same) {
                        verdicts.push(verdict);
                    }
                }
            }
        }
    }
    if verdicts.is_empty() {
        return Err(query.port.undefined(undefined));
    }
    Ok(Answer { verdicts })
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

fn judge(model: &Model, flow: &Flow) -> Verdict {
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
    let subject = match direction {
        Direction::Egress => flow.source,
        Direction::Ingress => flow.destination,
    };
    let (reason, rules) = match &decision.because {
        Because::NotAnEndpoint => (Reason::NoPolicyOfItsOwn, &[][..]),
        Because::Loopback => (Reason::Loopback, &[][..]),
        Because::OwnHost => (Reason::OwnHost, &[][..]),
        Because::Unrestricted => (Reason::Unrestricted, &[][..]),
        Because::Rules(rules) => (Reason::Rules, rules.as_slice()),
        Because::DefaultDeny(_) => (Reason::DefaultDeny, &[][..]),
    };
    Side {
        allowed: decision.allowed,
        reason,
        in_force: in_force(model, subject, direction),
        rules: rules.iter().filter_map(|id| rule_ref(model, *id)).collect(),
        nearest: match reason {
            Reason::DefaultDeny => nearest(model, flow, direction),
            _ => Vec::new(),
        },
    }
}

fn in_force(model: &Model, subject: Party, direction: Direction) -> Vec<PolicyRef> {
    let Party::Endpoint { id, .. } = subject else {
        return Vec::new();
    };
    let Some(endpoint) = model
        .cluster
        .endpoint(id)
        .filter(|endpoint| !endpoint.host_network)
    else {
        return Vec::new();
    };
    model
        .policies()
        .iter()
        .filter(|policy| policy.applies.has(direction))
        .filter(|policy| match &policy.subject {
            Subject::Endpoints(selector) => selector.matches(|a| model.cluster.attribute(endpoint, a)),
            Subject::Nodes(_) => false,
        })
        .map(policy_ref)
        .collect()
}

/// The allow rules in force that would match with other ports, and those that would match with other peers.
fn nearest(model: &Model, flow: &Flow, direction: Direction) -> Vec<(Misses, RuleRef)> {
    let matching = |change: &dyn Fn(&Rule) -> Rule| -> Vec<RuleId> {
        let policies = model.policies().iter().map(|policy| Policy {
            rules: policy.rules.iter().map(change).collect(),
            ..policy.clone()
        });
        // Positions stay as they are, so ids mean the same rules.
        let changed = Model::new(model.cluster.clone(), policies);
        let judgement = evaluator::evaluate(&changed, flow);
        let decision = match direction {
            Direction::Egress => judgement.egress,
            Direction::Ingress => judgement.ingress,
        };
        match decision.because {
            Because::Rules(rules) => rules,
            _ => Vec::new(),
        }
    };
    let never = |rule: &Rule| Rule {
        peers: Peers::OneOf(Vec::new()),
        ..rule.clone()
    };
    let only_allows = |rule: &Rule, changed: Rule| {
        if rule.action == Action::Allow {
            Rule {
                rank: Rank::NAMESPACED,
                ..changed
            }
        } else {
            never(rule)
        }
    };
    let any_port = matching(&|rule| {
        let ports = Ports::Any;
        only_allows(
            rule,
            Rule {
                ports,
                ..rule.clone()
            },
        )
    });
    let any_peer = matching(&|rule| {
        let peers = Peers::Any;
        only_allows(
            rule,
            Rule {
                peers,
                ..rule.clone()
            },
        )
    });
    let misses = |misses: Misses, ids: Vec<RuleId>| {
        ids.into_iter()
            .filter_map(move |id| Some((misses, rule_ref(model, id)?)))
    };
    misses(Misses::Port, any_port)
        .chain(misses(Misses::Peer, any_peer))
        .collect()
}

fn rule_ref(model: &Model, id: RuleId) -> Option<RuleRef> {
    let rule = model.rule(id)?;
    Some(RuleRef {
        policy: policy_by_id(model, id.policy)?,
        action: rule.action,
        origin: rule.origin.clone(),
    })
}

fn policy_by_id(model: &Model, id: PolicyId) -> Option<PolicyRef> {
    model.policy(id).map(policy_ref)
}

fn policy_ref(policy: &Policy) -> PolicyRef {
    PolicyRef {
        kind: policy.kind.to_string(),
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
        origin: policy.origin.clone(),
    }
}
