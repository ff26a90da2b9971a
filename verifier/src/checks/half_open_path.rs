//! A path is half open: a rule of one workload names another one and lets flows through, and the other side lets none
//! of them through (for every pod of both in the input, `unsat(the rule matches ∧ its side allows ∧ the other allows)`).
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

use crate::algebra::GaveUp;
use crate::algebra::cube::{Addresses, Cube, Fact};
use crate::algebra::pod::{Mentioned, Role};
use crate::algebra::values::Attributes;
use crate::answer::{Report, Undecided};
use crate::error::VerifierError;
use crate::oracle::Oracle;
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
            Err(GaveUp) => report.undecided.push(Undecided {
                rule,
                reason: "whether the other side accepts it meets too many rules".to_owned(),
            }),
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
    fn half_open(
        &self,
        number: usize,
        peer: &Peer,
    ) -> Result<Result<Option<HalfOpen>, GaveUp>, VerifierError> {
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
                match self.pair((*subject_id, subject_pod), (*peer_id, peer_pod), peer) {
                    Ok(Pair::Closed(flow)) => {
                        if refused.is_none()
                            && let Some(because) = self.replay(flow)?
                        {
                            refused = Some((flow, because));
                        }
                    }
                    Ok(Pair::Open) => return Ok(Ok(None)),
                    Ok(Pair::Silent) => {}
                    Err(GaveUp) => return Ok(Err(GaveUp)),
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

    /// What becomes of the flows between two pods that the rule's own side lets through by this peer.
    fn pair(
        &self,
        (subject_id, subject): (EndpointId, &Endpoint),
        (peer_id, peer): (EndpointId, &Endpoint),
        entry: &Peer,
    ) -> Result<Pair, GaveUp> {
        let (oracle, algebra) = (self.oracle, self.oracle.algebra());
        let (words, cluster) = (algebra.words(), &oracle.model.cluster);
        let steps = oracle.patient_steps();
        let (Some(policy), Some(rule)) = (
            oracle.model.policy(self.rule.policy),
            oracle.model.rule(self.rule),
        ) else {
            return Ok(Pair::Silent);
        };
        let both = |subject: &Endpoint, peer: &Endpoint| {
            let subjects = words.as_pod(cluster, subject, Role::Subject, self.mentioned);
            let peers = words.as_pod(cluster, peer, Role::Peer, self.mentioned);
            let pairs: Vec<Cube> = subjects
                .iter()
                .flat_map(|subject| peers.iter().filter_map(|peer| subject.and(peer, words)))
                .map(|cube| Cube {
                    classes: crate::algebra::cube::Bits::POD,
                    ..cube
                })
                .collect();
            pairs
        };
        let only = Rule {
            peers: Peers::OneOf(vec![entry.clone()]),
            ..rule.clone()
        };
        let here = both(subject, peer);
        let through: Vec<Cube> = words
            .region(policy, &only)
            .iter()
            .flat_map(|region| here.iter().filter_map(|pair| region.and(pair, words)))
            .collect();
        let Some(some) = algebra.allowed(&through, rule.direction, steps)? else {
            return Ok(Pair::Silent);
        };
        let there = both(peer, subject);
        let mirrored: Vec<Cube> = through
            .iter()
            .map(mirror)
            .flat_map(|cube| there.iter().filter_map(move |pair| cube.and(pair, words)))
            .collect();
        if algebra
            .allowed(&mirrored, rule.direction.opposite(), steps)?
            .is_some()
        {
            return Ok(Pair::Open);
        }
        let ports = some.possible_ports();
        let (protocol, port) = ports
            .lowest()
            .map_or((Protocol::Tcp, 1), crate::algebra::cube::PortKey::parts);
        // Port 0 is reserved (IANA).
        let port = if port == 0
            && protocol.has_ports()
            && ports.contains(crate::algebra::cube::PortKey::of(protocol, 1))
        {
            1
        } else {
            port
        };
        let (source, destination) = match rule.direction {
            Direction::Ingress => ((peer_id, peer), (subject_id, subject)),
            Direction::Egress => ((subject_id, subject), (peer_id, peer)),
        };
        let family = some.addresses.v4.is_empty();
        let party = |(id, pod): (EndpointId, &Endpoint)| Party::Endpoint {
            id,
            address: pod
                .addresses
                .iter()
                .copied()
                .find(|address| address.is_ipv6() == family),
        };
        Ok(Pair::Closed(Flow {
            source: party(source),
            destination: party(destination),
            protocol,
            port,
        }))
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

enum Pair {
    /// The other side denies all of it, this flow among them.
    Closed(Flow),
    /// Something gets through.
    Open,
    /// The rule lets nothing through between the two.
    Silent,
}

/// The same flows seen from the other side: of what is settled, the ports are the same ones, and everything else is
/// said by the pods.
fn mirror(cube: &Cube) -> Cube {
    Cube {
        subject: Attributes::default(),
        peer: Attributes::default(),
        addresses: Addresses::all(),
        facts: cube
            .facts
            .iter()
            .filter_map(|(fact, value)| {
                let fact = match fact {
                    Fact::SubjectName(name) => Fact::PeerName(*name),
                    Fact::PeerName(name) => Fact::SubjectName(*name),
                    Fact::Resolved(_) | Fact::ApiServer => return None,
                };
                Some((fact, *value))
            })
            .collect(),
        ..cube.clone()
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
