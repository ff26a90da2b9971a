//! What a change of policies opens or closes: for every pod that could exist, the flows that the new policies allow
//! and the old ones do not, and the other way round.
//!
//! Policies that both sides have, wherever they are written, are one; those that differ say which flows can differ.
//! What they do is found by the algebra ([`exact`]). Where it gives up, the solver does it:
//!
//! 1. Only policies that have a say in those flows are encoded, the old and the new over one symbolic flow.
//! 2. A flow that differs is found, the smallest; both evaluators confirm it.
//! 3. It is widened to an [`Area`]: thing by thing (ports, then labels, then namespaces, …), each value is taken in for
//!    which *all* flows still differ. Every step is a yes-or-no question, so areas do not depend on the solver.
//! 4. What is left outside the areas found is searched on, until nothing differs (that is a proof) or the bound is
//!    reached (that is said).
//!
//! Pods, and what is known of namespaces, are those of both sides together: a pod that only one side has is one that
//! could exist. Where the labels of a namespace differ between the sides, each side is judged by its own (`relabelled`).

mod area;
pub(crate) mod exact;
#[cfg(test)]
pub(crate) mod exactness;
pub(crate) mod example;
mod kept;
mod relabelled;
#[cfg(test)]
mod tests;
pub(crate) mod wording;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use ir::cluster::{Cluster, EndpointId};
use ir::flow::Judgement;
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{Peer, PeerMatch, Peers};
use ir::policy::{Beyond, Direction, Directions, Policy, PolicyId, Rule, RuleId, Subject};
use ir::port::{Port, Ports};
use ir::selector::Labels;

pub use self::area::{Area, End, Exception};
use self::exact::Exact;
use crate::algebra::versions::Versions;
use crate::algebra::{Algebra, GaveUp, Owner};
use crate::answers::{Described, Text};
use crate::encode::assignment::WholeAssignment;
use crate::encode::pieces::{Dimension, everything};
use crate::encode::vocabulary::Vocabulary;
use crate::encode::whole::Allows;
use crate::encode::{Encoder, Formula, Found as Possible, in_own_context};
use crate::error::VerifierError;
use crate::guarantee::check::slice;
use crate::options::Options;
use crate::region::{Clause, Ends, Region, Who};
use crate::replay::judge;
use crate::witness::Witness;

/// What differs between two sets of policies.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Flows that only the new policies allow.
    pub opened: Side,
    /// Flows that only the old policies allow.
    pub closed: Side,
    /// Namespaces that have other labels in the new input; each side is judged by its own.
    pub relabelled: Vec<String>,
}

/// The flows of one kind.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Descriptions of them, each true of all of its flows.
    pub areas: Vec<Area>,
    /// Whether these are all.
    pub complete: bool,
    /// Why they may not be, where the solver gave up.
    pub unknown: Option<String>,
}

impl Side {
    /// Whether it is proved that there is none.
    #[must_use]
    pub fn is_proved_empty(&self) -> bool {
        self.areas.is_empty() && self.complete
    }
}

/// Compares two models for every pod that could exist, describing at most `most` areas of each kind.
///
/// # Errors
/// A mistake in this crate; see [`VerifierError`].
pub fn compare(
    old: &Model,
    new: &Model,
    most: usize,
    options: &Options,
) -> Result<Comparison, VerifierError> {
    let both = Both::of(old, new);
    let versions = both.versions();
    let algebra = Algebra::of_whole_flows(&both.model);
    let exact = Exact::of(&both.model, &algebra, most);
    match exact.sides(&versions, |witness| both.judged(witness, old, new))? {
        Ok([opened, closed]) => Ok(Comparison {
            opened,
            closed,
            relabelled: both.labels_before.keys().cloned().collect(),
        }),
        Err(GaveUp) => compare_by_the_solver(old, new, most, options),
    }
}

/// [`compare`], without the algebra.
///
/// # Errors
/// As [`compare`].
pub(crate) fn compare_by_the_solver(
    old: &Model,
    new: &Model,
    most: usize,
    options: &Options,
) -> Result<Comparison, VerifierError> {
    let both = Both::of(old, new);
    let relabelled: Vec<String> = both.labels_before.keys().cloned().collect();
    let Some(region) = both.region() else {
        let nothing = || Side {
            complete: true,
            ..Side::default()
        };
        return Ok(Comparison {
            opened: nothing(),
            closed: nothing(),
            relabelled,
        });
    };
    let (policies, rules) = slice(&both.model, &region, &Direction::BOTH);
    let vocabulary = Vocabulary::of(
        policies.iter().filter_map(|id| both.model.policy(*id)),
        rules.iter().filter_map(|id| both.model.rule(*id)),
    );
    let replay = Replay {
        both: &both,
        vocabulary: &vocabulary,
        old,
        new,
    };
    let [opened, closed] = options.answers.to(
        || {
            let there = |of: &BTreeSet<PolicyId>| -> Vec<bool> {
                policies.iter().map(|id| of.contains(id)).collect()
            };
            Text::of("change", options)
                .with("most", &most)
                .with("old", &there(&both.old))
                .with("new", &there(&both.new))
                .with_policies(&both.model, &policies, |rule| rules.contains(&rule))
                .with_cluster(&Described::default(), &both.model.cluster)
                .done()
        },
        |text| kept::read(text, &replay),
        || {
            in_own_context(|| {
                let encoder = Encoder::of_whole_flows(&both.model, &policies, &rules, &[], &[], options)?;
                let verdict = |of: &BTreeSet<PolicyId>| {
                    encoder.allowed(&Direction::BOTH, |id| of.contains(&id), Allows::All)
                };
                let (before, after) = (verdict(&both.old), verdict(&both.new));
                let search = Search {
                    both: &both,
                    encoder: &encoder,
                    most,
                    replay: &replay,
                };
                Ok::<_, VerifierError>([
                    search.areas(&after.and(&before.negated()), true)?,
                    search.areas(&before.and(&after.negated()), false)?,
                ])
            })
        },
        |sides| kept::write(sides, &replay),
    )?;
    Ok(Comparison {
        opened: opened.told(),
        closed: closed.told(),
        relabelled,
    })
}

/// Areas of one kind, each with the values of its witness.
#[derive(Default)]
struct Found {
    areas: Vec<(WholeAssignment, Area)>,
    complete: bool,
    unknown: Option<String>,
}

impl Found {
    fn told(self) -> Side {
        Side {
            areas: self.areas.into_iter().map(|(_, area)| area).collect(),
            complete: self.complete,
            unknown: self.unknown,
        }
    }
}

/// What confirms a witness.
struct Replay<'a> {
    both: &'a Both,
    vocabulary: &'a Vocabulary,
    old: &'a Model,
    new: &'a Model,
}

impl Replay<'_> {
    /// The flow that the values stand for, with what the old policies and the new ones say of it: it is `opened`, or
    /// else closed.
    fn confirmed(
        &self,
        values: &WholeAssignment,
        opened: bool,
    ) -> Result<(Witness, [Judgement; 2]), VerifierError> {
        let mut witness = Witness::of_whole_flow(&self.both.model, self.vocabulary, values);
        let judgements = self.both.judged(&witness, self.old, self.new);
        let [before, after] = &judgements;
        if (before.allowed(), after.allowed()) != (!opened, opened) {
            return Err(VerifierError::ReplayFlow {
                flow: witness.to_string(),
                what: "its verdict does not change as the solver says",
            });
        }
        witness.allowed = opened;
        Ok((witness, judgements))
    }
}

/// Both sets of policies in one model.
struct Both {
    model: Model,
    old: BTreeSet<PolicyId>,
    new: BTreeSet<PolicyId>,
    /// The old labels of namespaces that have other ones now.
    labels_before: BTreeMap<String, Labels>,
}

impl Both {
    fn of(old: &Model, new: &Model) -> Self {
        let mut namespaces = old.cluster.namespaces().clone();
        let mut labels_before = BTreeMap::new();
        let mut labels_after = BTreeMap::new();
        for (name, labels) in new.cluster.namespaces() {
            // Without a Namespace object nothing but the name is known of its labels.
            let known = |labels: &Labels| labels.len() > 1;
            match namespaces.get(name) {
                Some(before) if known(before) && known(labels) && before != labels => {
                    labels_before.insert(name.clone(), before.clone());
                    labels_after.insert(name.clone(), labels.clone());
                    namespaces.insert(name.clone(), labels.clone());
                }
                Some(before) if known(before) => {}
                Some(_) | None => {
                    namespaces.insert(name.clone(), labels.clone());
                }
            }
        }
        let mut pods = new.cluster.endpoints().to_vec();
        let there: BTreeSet<(&str, &str)> = new
            .cluster
            .endpoints()
            .iter()
            .map(|pod| (pod.namespace.as_str(), pod.name.as_str()))
            .collect();
        let gone = old.cluster.endpoints().iter();
        pods.extend(
            gone.filter(|pod| !there.contains(&(pod.namespace.as_str(), pod.name.as_str())))
                .cloned(),
        );
        let nodes = new.cluster.nodes().to_vec();

        let old = relabelled::answered(old.policies(), &labels_before);
        let new = relabelled::answered(new.policies(), &labels_after);
        // Equal policies are one. Of equal ones on one side, each finds its own on the other.
        let mut left: BTreeMap<Bare, Vec<usize>> = BTreeMap::new();
        for (index, policy) in old.iter().enumerate() {
            left.entry(bare(policy)).or_default().push(index);
        }
        let mut policies = vec![];
        for policy in new {
            let stays = left.get_mut(&bare(&policy)).and_then(Vec::pop).is_some();
            policies.push((policy, stays, true));
        }
        let gone: BTreeSet<usize> = left.into_values().flatten().collect();
        policies.extend(
            old.into_iter()
                .enumerate()
                .filter(|(index, _)| gone.contains(index))
                .map(|(_, policy)| (policy, true, false)),
        );
        // The order in which a model has them, so that positions stand for the same policies.
        policies.sort_by(|(a, ..), (b, ..)| {
            (a.kind, &a.namespace, &a.name, &a.origin).cmp(&(b.kind, &b.namespace, &b.name, &b.origin))
        });
        let ids = |of: fn(&(Policy, bool, bool)) -> bool| {
            (0..)
                .map(PolicyId)
                .zip(&policies)
                .filter(|(_, policy)| of(policy))
                .map(|(id, _)| id)
                .collect()
        };
        let (before, after) = (ids(|policy| policy.1), ids(|policy| policy.2));
        Self {
            model: Model::new(
                Cluster::new(namespaces, pods, nodes),
                policies.into_iter().map(|(policy, ..)| policy),
            ),
            old: before,
            new: after,
            labels_before,
        }
    }

    /// Which of the policies go and come, and what of them is in both of their versions.
    fn versions(&self) -> Versions {
        let mut versions = Versions {
            gone: self.old.difference(&self.new).copied().collect(),
            come: self.new.difference(&self.old).copied().collect(),
            ..Versions::default()
        };
        for (gone, before) in self.policies(&versions.gone) {
            let mut later = self.policies(&versions.come);
            let Some((come, _)) = later.find(|(_, after)| same_frame(before, after)) else {
                continue;
            };
            versions.doubled.insert(Owner::DefaultDeny(gone));
            versions.kept.insert(Owner::DefaultDeny(come));
            let mut left: Vec<(RuleId, Rule)> = self
                .model
                .rule_ids(gone)
                .map(|(id, rule)| (id, bare_rule(rule)))
                .collect();
            for (id, rule) in self.model.rule_ids(come) {
                let rule = bare_rule(rule);
                if let Some(at) = left.iter().position(|(_, other)| *other == rule) {
                    let (twin, _) = left.swap_remove(at);
                    versions.doubled.insert(Owner::Rule(twin));
                    versions.kept.insert(Owner::Rule(id));
                }
            }
        }
        versions
    }

    fn policies(&self, ids: &BTreeSet<PolicyId>) -> impl Iterator<Item = (PolicyId, &Policy)> {
        ids.iter().filter_map(|id| Some((*id, self.model.policy(*id)?)))
    }

    /// What the old policies and the new ones say of a flow, each by their own labels of namespaces.
    fn judged(&self, witness: &Witness, old: &Model, new: &Model) -> [Judgement; 2] {
        let then = relabelled::before(witness, &self.labels_before);
        [(&then, old), (witness, new)].map(|(witness, model)| judge(witness, model.policies(), |_| true))
    }

    /// The flows whose verdict can differ; `None` when no policy does.
    fn region(&self) -> Option<Region> {
        let only = |one: &BTreeSet<PolicyId>, other: &BTreeSet<PolicyId>| -> Vec<&Policy> {
            one.difference(other)
                .filter_map(|id| self.model.policy(*id))
                .collect()
        };
        let (gone, come) = (only(&self.old, &self.new), only(&self.new, &self.old));
        if gone.is_empty() && come.is_empty() {
            return None;
        }
        let mut any_of = vec![];
        for (policies, others) in [(&gone, &come), (&come, &gone)] {
            for policy in policies {
                let twin = others.iter().find(|other| same_frame(policy, other));
                any_of.extend(differing(policy, twin.copied()));
            }
        }
        Some(Region {
            any_of,
            except: vec![],
            existing: false,
        })
    }
}

type Bare = Policy;

/// A policy without its places: what it says.
pub(crate) fn bare(policy: &Policy) -> Bare {
    Policy {
        kind: policy.kind,
        namespace: policy.namespace.clone(),
        name: policy.name.clone(),
        subject: policy.subject.clone(),
        applies: policy.applies,
        default_deny: policy.default_deny,
        rules: policy.rules.iter().map(bare_rule).collect(),
        origin: nowhere(),
    }
}

fn bare_rule(rule: &Rule) -> Rule {
    Rule {
        peers: match &rule.peers {
            Peers::Any => Peers::Any,
            Peers::OneOf(peers) => {
                let bare = |peer: &Peer| Peer {
                    matches: peer.matches.clone(),
                    origin: nowhere(),
                };
                Peers::OneOf(peers.iter().map(bare).collect())
            }
        },
        ports: match &rule.ports {
            Ports::Any => Ports::Any,
            Ports::OneOf(ports) => {
                let bare = |port: &Port| Port {
                    matches: port.matches.clone(),
                    origin: nowhere(),
                };
                Ports::OneOf(ports.iter().map(bare).collect())
            }
        },
        beyond: rule
            .beyond
            .iter()
            .map(|demand| Beyond {
                kind: demand.kind,
                origin: nowhere(),
            })
            .collect(),
        origin: nowhere(),
        ..rule.clone()
    }
}

fn nowhere() -> Origin {
    Origin::synthetic("")
}

/// Whether two versions of a policy differ in nothing but their rules.
fn same_frame(a: &Policy, b: &Policy) -> bool {
    (
        a.kind,
        &a.namespace,
        &a.name,
        &a.subject,
        a.applies,
        a.default_deny,
    ) == (
        b.kind,
        &b.namespace,
        &b.name,
        &b.subject,
        b.applies,
        b.default_deny,
    )
}

/// The flows about which `policy` says something that its other version does not.
fn differing(policy: &Policy, twin: Option<&Policy>) -> Vec<Clause> {
    let Subject::Endpoints(subject) = &policy.subject else {
        return vec![];
    };
    let subject = || Ends::OneOf(vec![Who::Matching(PeerMatch::Endpoints(subject.clone()))]);
    let clause = |direction, peers: Ends, ports: Option<Vec<_>>| match direction {
        Direction::Ingress => Clause {
            from: peers,
            to: subject(),
            ports,
        },
        Direction::Egress => Clause {
            from: subject(),
            to: peers,
            ports,
        },
    };
    let Some(twin) = twin else {
        // All flows of its subjects, as it may deny what no rule allows.
        let Directions { ingress, egress } = policy.applies;
        return [(Direction::Ingress, ingress), (Direction::Egress, egress)]
            .into_iter()
            .filter(|(_, applies)| *applies)
            .map(|(direction, _)| clause(direction, Ends::Anyone, None))
            .collect();
    };
    let there: BTreeSet<Rule> = twin.rules.iter().map(bare_rule).collect();
    policy
        .rules
        .iter()
        .filter(|rule| policy.applies.has(rule.direction) && !there.contains(&bare_rule(rule)))
        .map(|rule| {
            let peers = match &rule.peers {
                Peers::Any => Ends::Anyone,
                Peers::OneOf(peers) => Ends::OneOf(
                    peers
                        .iter()
                        .map(|peer| Who::Matching(peer.matches.clone()))
                        .collect(),
                ),
            };
            let ports = match &rule.ports {
                Ports::Any => None,
                Ports::OneOf(ports) => Some(ports.iter().map(|port| port.matches.clone()).collect()),
            };
            clause(rule.direction, peers, ports)
        })
        .collect()
}

struct Search<'a> {
    both: &'a Both,
    encoder: &'a Encoder<'a>,
    most: usize,
    replay: &'a Replay<'a>,
}

impl Search<'_> {
    fn areas(&self, differs: &Formula, opened: bool) -> Result<Found, VerifierError> {
        let encoder = self.encoder;
        let pods: Vec<EndpointId> = self
            .both
            .model
            .cluster
            .endpoint_ids()
            .filter(|(_, pod)| !pod.host_network)
            .map(|(id, _)| id)
            .collect();
        let mut side = Found::default();
        let mut left = differs.clone();
        loop {
            if side.areas.len() >= self.most {
                match encoder.possible(&left) {
                    Possible::None => side.complete = true,
                    Possible::Some => {}
                    Possible::Unknown(reason) => side.unknown = Some(reason),
                }
                return Ok(side);
            }
            let values = match encoder.smallest_whole(&encoder.question(&left), [&pods, &pods])? {
                Ok(Some(values)) => values,
                Ok(None) => {
                    side.complete = true;
                    return Ok(side);
                }
                Err(reason) => {
                    side.unknown = Some(reason);
                    return Ok(side);
                }
            };
            let (witness, judgements) = self.replay.confirmed(&values, opened)?;
            let dimensions = encoder.dimensions(&values);
            let classes = (values.source.class, values.destination.class);
            let within = encoder.ends_are(classes.0, classes.1);
            let taken = widen(
                &dimensions,
                |taken| {
                    let outside = within.and(&formula(&dimensions, taken)).and(&differs.negated());
                    encoder.possible(&outside) == Possible::None
                },
                |taken| encoder.possible(&within.and(&formula(&dimensions, taken))) != Possible::None,
            );
            left = left.and(&within.and(&formula(&dimensions, &taken)).negated());
            let area = Area::new(witness, judgements, classes, &dimensions, &taken);
            side.areas.push((values, area));
        }
    }
}

/// For each dimension the pieces that are taken in.
type Taken = Vec<BTreeSet<usize>>;

fn formula(dimensions: &[Dimension], taken: &[BTreeSet<usize>]) -> Formula {
    let of = |dimension: &Dimension, taken: &BTreeSet<usize>| {
        let pieces = dimension.pieces.iter().enumerate();
        let chosen = pieces
            .filter(|(index, _)| taken.contains(index))
            .map(|(_, (_, formula))| formula);
        if taken.len() == dimension.pieces.len() {
            everything()
        } else {
            Formula::any(chosen)
        }
    };
    dimensions
        .iter()
        .zip(taken)
        .fold(everything(), |all, (dimension, taken)| {
            all.and(&of(dimension, taken))
        })
}

/// At most this many pieces of a thing are looked at one by one.
const LOOKED_AT: usize = 64;

/// Takes in as many pieces as `fits` lets, dimension by dimension, starting from the witness's own, and leaves out
/// those that no flow is in (`possible`). The order is fixed.
fn widen(
    dimensions: &[Dimension],
    fits: impl Fn(&Taken) -> bool,
    possible: impl Fn(&Taken) -> bool,
) -> Taken {
    let mut taken: Taken = dimensions
        .iter()
        .map(|dimension| BTreeSet::from([dimension.own]))
        .collect();
    for (index, dimension) in dimensions.iter().enumerate() {
        let others: Vec<usize> = (0..dimension.pieces.len())
            .filter(|piece| *piece != dimension.own)
            .collect();
        take_in(&mut taken, index, &others, &fits);
        let Some(found) = taken.get(index).cloned() else {
            continue;
        };
        // What is left open altogether is not spoken of.
        if found.len() == dimension.pieces.len() || found.len() > LOOKED_AT {
            continue;
        }
        for piece in found.into_iter().filter(|piece| *piece != dimension.own) {
            let mut alone = taken.clone();
            if let Some(set) = alone.get_mut(index) {
                *set = BTreeSet::from([piece]);
            }
            if !possible(&alone)
                && let Some(set) = taken.get_mut(index)
            {
                set.remove(&piece);
            }
        }
    }
    taken
}

/// Takes in all of `pieces` if they fit, else each half by itself.
fn take_in(taken: &mut Taken, dimension: usize, pieces: &[usize], fits: &impl Fn(&Taken) -> bool) {
    if pieces.is_empty() {
        return;
    }
    let mut wider = taken.clone();
    if let Some(set) = wider.get_mut(dimension) {
        set.extend(pieces);
    }
    if fits(&wider) {
        *taken = wider;
    } else if pieces.len() > 1 {
        let (first, second) = pieces.split_at(pieces.len() / 2);
        take_in(taken, dimension, first, fits);
        take_in(taken, dimension, second, fits);
    }
}
