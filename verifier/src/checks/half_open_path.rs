//! A path is half open: a rule of one workload names another one and lets flows through, and the other side lets none
//! through that the rule matches (for every pod of both in the input, `unsat(the rule matches ∧ the other side allows)`;
//! for some, `sat(the rule matches ∧ its side allows)`).
//!
//! Most rules reach more than the other side accepts, and should: a path has two locks. What is told is a peer that is
//! named for nothing. So the peer entry must name pods by their labels (not everybody, not a namespace, not
//! addresses); of the workloads that it matches none may accept anything of the rule from any of its subjects; and the
//! other side's *policies* say so (a pod without policies accepts everything). This check is about the workloads of
//! the input, the only ones of which both sides are known.
//!
//! Where both sides name each other, and disagree about the ports, it is told once, at the egress rule.

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::{Cluster, Endpoint, EndpointId};
use ir::evaluator;
use ir::flow::{Because, Decision, Flow, Party};
use ir::label_index::LabelIndex;
use ir::model::Model;
use ir::peer::{Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Policy, Rule, RuleId, Subject};
use ir::port::Protocol;
use ir::selector::{Attribute, Operator, Selector};
use rayon::prelude::*;

use crate::algebra::pod::Mentioned;
use crate::answer::{Report, Undecided};
use crate::error::VerifierError;
use crate::oracle::between::{Between, Pod};
use crate::oracle::{Cut, Oracle};
use crate::question::is_certain;
use crate::slice::decides;

/// A peer that is named for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfOpen {
    /// The rule that lets the flows through.
    pub rule: RuleId,
    /// Which of its peers.
    pub peer: usize,
    /// A pod of each workload that the peer matches, and that accepts none of it.
    pub closed: Vec<EndpointId>,
    /// A flow that the rule lets through and the other side does not.
    pub flow: Flow,
    /// What denies it there.
    pub because: Because,
    /// A rule of the other side that names this one, for as little.
    pub counterpart: Option<RuleId>,
}

/// At most this many pairs of workloads are tried for one peer; with more, nothing is said.
const MOST_PAIRS: usize = 1024;

/// Finds every peer that is named for nothing.
pub(crate) fn find(oracle: &Oracle<'_>, told: &BTreeSet<RuleId>) -> Result<Report<HalfOpen>, VerifierError> {
    let model = oracle.model;
    let asked: Vec<_> = model
        .policy_ids()
        .flat_map(|(id, policy)| model.rule_ids(id).map(move |(id, rule)| (id, policy, rule)))
        .filter(|(id, policy, rule)| {
            decides(policy, rule.direction)
                && rule.action == Action::Allow
                && is_certain(model, *id)
                && !told.contains(id)
        })
        .flat_map(|(id, policy, rule)| named_peers(rule).map(move |peer| (id, policy, rule, peer)))
        .collect();
    let pods = Pods::of(
        &model.cluster,
        asked
            .iter()
            .flat_map(|(_, policy, _, (_, _, selector))| std::iter::once(*selector).chain(subject(policy))),
    );
    let mentioned = oracle.algebra().words().everything();
    let answers: Vec<_> = asked
        .par_iter()
        .map(|(id, policy, _, (number, peer, selector))| {
            let pair = Ends {
                oracle,
                mentioned: &mentioned,
                rule: *id,
                subjects: subject(policy).map_or(vec![], |selector| pods.workloads(selector)),
                peers: pods.workloads(selector),
            };
            pair.half_open(*number, peer)
        })
        .collect::<Result<_, VerifierError>>()?;
    let mut report = Report {
        found: vec![],
        undecided: vec![],
    };
    for ((rule, ..), answer) in asked.into_iter().zip(answers) {
        match answer {
            Ok(found) => report.found.extend(found),
            Err(reason) => report.undecided.push(Undecided { rule, reason }),
        }
    }
    report.found = told_once(model, report.found);
    Ok(report)
}

/// The peers that name pods by labels of their own.
fn named_peers(rule: &Rule) -> impl Iterator<Item = (usize, &Peer, &Selector)> {
    let peers = match &rule.peers {
        Peers::Any => &[][..],
        Peers::OneOf(peers) => peers,
    };
    peers
        .iter()
        .enumerate()
        .filter_map(|(number, peer)| match &peer.matches {
            PeerMatch::Endpoints(selector) => {
                let names = selector.requirements().iter().any(|requirement| {
                    matches!(
                        (&requirement.attribute, &requirement.operator),
                        (Attribute::Label(_), Operator::In(_))
                    )
                });
                names.then_some((number, peer, selector))
            }
            _ => None,
        })
}

fn subject(policy: &Policy) -> Option<&Selector> {
    match &policy.subject {
        Subject::Endpoints(selector) => Some(selector),
        Subject::Nodes(_) => None,
    }
}

/// The pods of the cluster, by what selectors ask.
struct Pods<'m> {
    cluster: &'m Cluster,
    index: LabelIndex,
    by_profile: BTreeMap<u32, Vec<EndpointId>>,
}

impl<'m> Pods<'m> {
    fn of<'s>(cluster: &'m Cluster, selectors: impl Iterator<Item = &'s Selector>) -> Self {
        let index = LabelIndex::new(cluster, selectors);
        let mut by_profile: BTreeMap<u32, Vec<EndpointId>> = BTreeMap::new();
        for (id, _) in cluster.endpoint_ids() {
            if let Some(profile) = index.profile(id) {
                by_profile.entry(profile).or_default().push(id);
            }
        }
        Self {
            cluster,
            index,
            by_profile,
        }
    }

    /// The first pod of each workload that the selector matches.
    fn workloads(&self, selector: &Selector) -> Vec<(EndpointId, &'m Endpoint)> {
        let mut ids: Vec<EndpointId> = self
            .index
            .select(selector)
            .into_iter()
            .filter_map(|profile| self.by_profile.get(&profile))
            .flatten()
            .copied()
            .collect();
        ids.sort_unstable();
        let mut seen = BTreeSet::new();
        ids.into_iter()
            .filter_map(|id| Some((id, self.cluster.endpoint(id)?)))
            .filter(|(_, pod)| seen.insert((&pod.namespace, &pod.workload)))
            .collect()
    }
}

/// What stands at both ends of one peer entry.
struct Ends<'a> {
    oracle: &'a Oracle<'a>,
    mentioned: &'a Mentioned,
    rule: RuleId,
    subjects: Vec<(EndpointId, &'a Endpoint)>,
    peers: Vec<(EndpointId, &'a Endpoint)>,
}

impl Ends<'_> {
    fn half_open(&self, number: usize, peer: &Peer) -> Result<Cut<Option<HalfOpen>>, VerifierError> {
        if self.subjects.len() * self.peers.len() > MOST_PAIRS {
            return Ok(Ok(None));
        }
        let mut refused: Option<(Flow, Because)> = None;
        for (peer_id, peer_pod) in &self.peers {
            let mut tried = false;
            for (subject_id, subject_pod) in &self.subjects {
                if (&subject_pod.namespace, &subject_pod.workload)
                    == (&peer_pod.namespace, &peer_pod.workload)
                {
                    continue;
                }
                tried = true;
                let (subject, peer_pod) = ((*subject_id, *subject_pod), (*peer_id, *peer_pod));
                match self.pair(subject, peer_pod, peer)? {
                    Ok(Between::Closed {
                        protocol,
                        port,
                        is_v6,
                    }) => {
                        let flow = self.flow((subject, peer_pod), (protocol, port), is_v6);
                        if refused.is_none()
                            && let Some(because) = self.replay(flow)?
                        {
                            refused = Some((flow, because));
                        }
                    }
                    Ok(Between::Open) => return Ok(Ok(None)),
                    Ok(Between::Silent) => {}
                    Err(reason) => return Ok(Err(reason)),
                }
            }
            if !tried {
                return Ok(Ok(None));
            }
        }
        Ok(Ok(refused.map(|(flow, because)| HalfOpen {
            rule: self.rule,
            peer: number,
            closed: self.peers.iter().map(|(id, _)| *id).collect(),
            flow,
            because,
            counterpart: None,
        })))
    }

    /// What becomes of the flows between two pods that the rule matches by this peer.
    fn pair(&self, subject: Pod<'_>, peer: Pod<'_>, entry: &Peer) -> Result<Cut<Between>, VerifierError> {
        let Some(rule) = self.oracle.model.rule(self.rule) else {
            return Ok(Ok(Between::Silent));
        };
        let only = Rule {
            peers: Peers::OneOf(vec![entry.clone()]),
            ..rule.clone()
        };
        self.oracle
            .between(self.mentioned, (self.rule, &only), subject, peer)
    }

    fn flow(
        &self,
        (subject, peer): (Pod<'_>, Pod<'_>),
        (protocol, port): (Protocol, u16),
        is_v6: bool,
    ) -> Flow {
        let direction = self.oracle.model.rule(self.rule).map(|rule| rule.direction);
        let (source, destination) = match direction {
            Some(Direction::Ingress) => (peer, subject),
            Some(Direction::Egress) | None => (subject, peer),
        };
        let party = |(id, pod): Pod<'_>| Party::Endpoint {
            id,
            address: pod
                .addresses
                .iter()
                .copied()
                .find(|address| address.is_ipv6() == is_v6),
        };
        Flow {
            source: party(source),
            destination: party(destination),
            protocol,
            port,
        }
    }

    /// The evaluator's word: why the other side denies the flow; `None` where it does not, for want of an address.
    fn replay(&self, flow: Flow) -> Result<Option<Because>, VerifierError> {
        let model = self.oracle.model;
        let judgement = evaluator::evaluate(model, &flow);
        let egress_rule = model
            .rule(self.rule)
            .is_some_and(|rule| rule.direction == Direction::Egress);
        let (own, other): (Decision, Decision) = if egress_rule {
            (judgement.egress, judgement.ingress)
        } else {
            (judgement.ingress, judgement.egress)
        };
        let known = [flow.source, flow.destination]
            .iter()
            .all(|party| party.address().is_some());
        if own.allowed && !other.allowed {
            return Ok(Some(other.because));
        }
        if known {
            return Err(VerifierError::Replay {
                rule: self.rule,
                flow: format!("{flow:?}"),
                what: "one side does not allow it, or the other one does",
            });
        }
        Ok(None)
    }
}

/// Joins findings of both sides about one pair of workloads.
fn told_once(model: &Model, found: Vec<HalfOpen>) -> Vec<HalfOpen> {
    let ends = |half: &HalfOpen| {
        let workload = |party| match party {
            Party::Endpoint { id, .. } => model
                .cluster
                .endpoint(id)
                .map(|pod| (pod.namespace.clone(), pod.workload.clone())),
            Party::Node { .. } | Party::SomeNode | Party::Outside(_) => None,
        };
        (workload(half.flow.source), workload(half.flow.destination))
    };
    let is_egress = |half: &HalfOpen| {
        model
            .rule(half.rule)
            .is_some_and(|rule| rule.direction == Direction::Egress)
    };
    let (mut kept, ingress): (Vec<_>, Vec<_>) = found.into_iter().partition(is_egress);
    for half in ingress {
        let same = kept
            .iter_mut()
            .find(|egress| is_egress(egress) && ends(egress) == ends(&half));
        match same {
            Some(egress) => {
                egress.counterpart.get_or_insert(half.rule);
            }
            None => kept.push(half),
        }
    }
    kept.sort_by_key(|half| (half.rule, half.peer));
    kept
}
