//! One flow for each area: between pods of the input where that can be, and confirmed by the evaluator.
//!
//! An example of "anyone may reach it" is sought near at hand, in the namespace that the area is about, before
//! everywhere: everywhere is where every policy has a say.

use std::cell::Cell;
use std::collections::BTreeMap;

use ir::cluster::{Endpoint, EndpointId};
use ir::flow::{Because, Decision, Judgement, Party};
use ir::model::Model;
use ir::peer::{CidrScope, PeerMatch, Peers};
use ir::policy::{PolicyId, Rule, RuleId, Subject};
use ir::port::Protocol;

use super::exact::{Part, STEPS};
use crate::algebra::cube::{Bits, Cube};
use crate::algebra::difference::Present;
use crate::algebra::example::{Ask, Choice};
use crate::algebra::pod::{Mentioned, Role};
use crate::algebra::values::Values;
use crate::algebra::{Algebra, GaveUp, Words};
use crate::encode::Preferred;
use crate::encode::vocabulary::Vocabulary;
use crate::replay::judge;
use crate::slice::Neighbours;
use crate::witness::Witness;

/// At most this many namespaces, and pods of one, are looked at by themselves.
const NEAR: usize = 8;

/// A place to look for an example.
enum Near {
    /// With the subject in this namespace.
    Subject(String, Peer),
    /// With both ends in a namespace that no policy names.
    BothElsewhere,
    Everywhere,
}

/// Where the other end is.
enum Peer {
    /// It is like this pod of the input.
    Pod(EndpointId),
    /// It is in this namespace.
    In(String),
    /// It is in a namespace that no policy names.
    Elsewhere,
    /// It is no pod.
    NoPod,
}

/// Finds examples in one model.
pub(super) struct Examples<'m> {
    model: &'m Model,
    algebra: &'m Algebra<'m>,
    neighbours: Neighbours<'m>,
    /// The pods of each namespace that have a network of their own.
    pods: BTreeMap<&'m str, Vec<EndpointId>>,
    mentioned: Mentioned,
    /// Whether a rule speaks of addresses that pods can have.
    speaks_of_addresses: bool,
}

impl<'m> Examples<'m> {
    pub(super) fn of(model: &'m Model, algebra: &'m Algebra<'m>) -> Self {
        let mut pods: BTreeMap<&str, Vec<EndpointId>> = BTreeMap::new();
        for (id, pod) in model.cluster.endpoint_ids() {
            if !pod.host_network {
                pods.entry(&pod.namespace).or_default().push(id);
            }
        }
        Self {
            model,
            algebra,
            neighbours: Neighbours::of(model),
            pods,
            mentioned: Mentioned {
                names: vec![],
                ..algebra.words().everything()
            },
            speaks_of_addresses: model
                .policies()
                .iter()
                .flat_map(|policy| &policy.rules)
                .any(speaks_of_addresses),
        }
    }

    /// A flow of the part that the other end lets through, always the same one; `None` when there is none.
    pub(super) fn one(&self, part: &Part, there: Present<'_>) -> Result<Option<Witness>, GaveUp> {
        let words = self.algebra.words();
        // Many parts are seen to be empty by themselves.
        let any = part
            .flows
            .find(words, &Cell::new(STEPS), &|cube| Ok(Some(cube)))?;
        if any.is_none() {
            return Ok(None);
        }
        let ask = |within: &[Cube]| {
            let budget = Cell::new(STEPS);
            for cube in within {
                let Some(flows) = part.flows.and(cube, words) else {
                    continue;
                };
                let found = flows.find(words, &budget, &|cube| {
                    self.algebra
                        .find_let_through(&cube, part.direction, there, &budget)
                })?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            Ok(None)
        };
        for near in self.near(&part.flows.base, part.policy) {
            let near = self.cubes(&near);
            if let Some(found) = ask(&near)? {
                // There is one: where it cannot be told, nothing may be said of it.
                let told = self.tell(part, &pinned(&found, &near, words), &ask)?;
                return told.map(Some).ok_or(GaveUp);
            }
        }
        Ok(None)
    }

    /// Where to look, the best places first; the last is everywhere.
    fn near(&self, base: &Cube, policy: PolicyId) -> Vec<Near> {
        let words = self.algebra.words();
        let mut places = vec![];
        let subjects = match namespaces(base, Role::Subject, words) {
            Some(named) => named.into_iter().take(NEAR).collect(),
            None => self
                .pods
                .iter()
                .filter(|(_, pods)| pods.iter().any(|id| self.selected(policy, *id)))
                .map(|(namespace, _)| (*namespace).to_owned())
                .take(NEAR)
                .collect::<Vec<_>>(),
        };
        for subject in subjects {
            let peers: Vec<String> = match namespaces(base, Role::Peer, words) {
                Some(named) => named.into_iter().take(NEAR).collect(),
                None => std::iter::once(subject.clone())
                    .chain(self.pods.keys().map(|other| (*other).to_owned()))
                    .take(NEAR)
                    .collect(),
            };
            for peer in &peers {
                let pods = self.pods.get(peer.as_str()).into_iter().flatten();
                places.extend(pods.take(NEAR).map(|id| (subject.clone(), Peer::Pod(*id))));
            }
            places.extend(peers.into_iter().map(|peer| (subject.clone(), Peer::In(peer))));
            places.push((subject.clone(), Peer::Elsewhere));
            places.push((subject, Peer::NoPod));
        }
        let places = places
            .into_iter()
            .map(|(subject, peer)| Near::Subject(subject, peer));
        places.chain([Near::BothElsewhere, Near::Everywhere]).collect()
    }

    /// The cubes of a place.
    fn cubes(&self, near: &Near) -> Vec<Cube> {
        let words = self.algebra.words();
        let (subject, peer) = match near {
            Near::Subject(namespace, peer) => (in_namespace(Role::Subject, namespace, words), peer),
            Near::BothElsewhere => (elsewhere(Role::Subject, words), &Peer::Elsewhere),
            Near::Everywhere => return vec![Cube::all()],
        };
        let peers = match peer {
            Peer::Pod(id) => match self.model.cluster.endpoint(*id) {
                Some(pod) => {
                    let cluster = &self.model.cluster;
                    let mut cubes = words.as_pod(cluster, pod, Role::Peer, &self.mentioned);
                    for cube in &mut cubes {
                        cube.classes = Bits::POD;
                    }
                    cubes
                }
                None => vec![],
            },
            Peer::In(namespace) => vec![in_namespace(Role::Peer, namespace, words)],
            Peer::Elsewhere => vec![elsewhere(Role::Peer, words)],
            Peer::NoPod => vec![Cube {
                classes: Bits::OUTSIDE.or(Bits::NODE),
                ..Cube::all()
            }],
        };
        peers
            .iter()
            .filter_map(|peer| peer.and(&subject, words))
            .collect()
    }

    fn selected(&self, policy: PolicyId, id: EndpointId) -> bool {
        let cluster = &self.model.cluster;
        match (
            self.model.policy(policy).map(|policy| &policy.subject),
            cluster.endpoint(id),
        ) {
            (Some(Subject::Endpoints(selector)), Some(pod)) => {
                selector.matches(|attribute| cluster.attribute(pod, attribute))
            }
            _ => false,
        }
    }

    fn tell(&self, part: &Part, within: &[Cube], ask: Ask<'_>) -> Result<Option<Witness>, GaveUp> {
        let words = self.algebra.words();
        let here: Vec<Cube> = within
            .iter()
            .filter_map(|cube| part.flows.base.and(cube, words))
            .collect();
        let there: Vec<Cube> = here
            .iter()
            .filter_map(|cube| cube.at_the_other_end(words))
            .collect();
        let (mut rules, mut policies) = self.algebra.near(&here, part.direction);
        let (more_rules, more_policies) = self.algebra.near(&there, part.direction.opposite());
        rules.extend(more_rules);
        policies.extend(more_policies);
        policies.extend(rules.iter().map(|rule| rule.policy));
        policies.push(part.policy);
        policies.sort_unstable();
        policies.dedup();
        let own = words.mentioned_in(std::iter::once(&part.flows.base).chain(&part.flows.except));
        let rules = rules.iter().filter_map(|id| self.model.rule(*id));
        let mut vocabulary = Vocabulary::of(
            policies.iter().filter_map(|id| self.model.policy(*id)),
            rules.chain([&own]),
        );
        let pods_of = |role| -> Vec<EndpointId> {
            let named: Option<Vec<String>> = here
                .iter()
                .map(|cube| namespaces(cube, role, words))
                .collect::<Option<Vec<_>>>()
                .map(|named| named.concat());
            match named {
                Some(named) => {
                    let pods = named.iter().filter_map(|name| self.pods.get(name.as_str()));
                    pods.flatten().copied().collect()
                }
                None => vec![],
            }
        };
        let mut preferred = Preferred {
            subjects: pods_of(Role::Subject),
            peers: pods_of(Role::Peer),
        };
        preferred.subjects.retain(|id| self.selected(part.policy, *id));
        let choice = Choice {
            model: self.model,
            words,
            vocabulary: &vocabulary,
            direction: part.direction,
            preferred: &preferred,
            ask: &|cubes| {
                let cubes: Vec<Cube> = cubes
                    .iter()
                    .flat_map(|cube| within.iter().filter_map(|place| cube.and(place, words)))
                    .collect();
                ask(&cubes)
            },
        };
        let values = choice.make_whole()?;
        Ok(values.map(|values| {
            // Messages of one family's ICMP are between its addresses, also where nothing near says so: a pod without
            // an address would be in the blocks of both.
            let of_one_family = matches!(values.packet.protocol, Protocol::Icmp | Protocol::Icmpv6);
            vocabulary.addresses_matter |= of_one_family && self.speaks_of_addresses;
            Witness::of_whole_flow(self.model, &vocabulary, &values)
        }))
    }

    /// What those policies say of a flow that are `there`.
    ///
    /// Only those are asked that can select one of its ends: to all others it is nothing.
    pub(super) fn judge(&self, witness: &Witness, there: impl Fn(PolicyId) -> bool) -> Judgement {
        let ends = [witness.flow.source, witness.flow.destination];
        let mut asked: Vec<PolicyId> = ends
            .into_iter()
            .filter_map(|party| pod_of(witness, party))
            .flat_map(|pod| self.neighbours.selecting_in(&pod.namespace))
            .filter(|id| there(*id))
            .collect();
        asked.sort_unstable();
        asked.dedup();
        let policies = asked.iter().filter_map(|id| self.model.policy(*id));
        let judgement = judge(witness, policies, |_| true);
        let id = |position: PolicyId| asked.get(position.0 as usize).copied().unwrap_or(position);
        renumbered(judgement, id)
    }
}

fn speaks_of_addresses(rule: &Rule) -> bool {
    match &rule.peers {
        Peers::Any => false,
        Peers::OneOf(peers) => peers.iter().any(|peer| match &peer.matches {
            PeerMatch::Cidr(block) => block.scope == CidrScope::Everything,
            _ => false,
        }),
    }
}

/// A judgement with other ids of policies.
pub(crate) fn renumbered(judgement: Judgement, id: impl Fn(PolicyId) -> PolicyId) -> Judgement {
    let decision = |decision: Decision| Decision {
        allowed: decision.allowed,
        because: match decision.because {
            Because::Rules(rules) => Because::Rules(
                rules
                    .into_iter()
                    .map(|rule| RuleId {
                        policy: id(rule.policy),
                        ..rule
                    })
                    .collect(),
            ),
            Because::DefaultDeny(policies) => Because::DefaultDeny(policies.into_iter().map(&id).collect()),
            other => other,
        },
    };
    Judgement {
        egress: decision(judgement.egress),
        ingress: decision(judgement.ingress),
    }
}

fn pod_of(witness: &Witness, party: Party) -> Option<&Endpoint> {
    match party {
        Party::Endpoint { id, .. } => witness.cluster.endpoint(id),
        Party::Node { .. } | Party::SomeNode | Party::Outside(_) => None,
    }
}

/// The place where something was found, no wider than needed: in the namespaces of what was found, where it has one.
fn pinned(found: &Cube, near: &[Cube], words: &Words) -> Vec<Cube> {
    let mut pin = Cube::all();
    for role in [Role::Subject, Role::Peer] {
        if role == Role::Peer && found.possible_classes() != Bits::POD {
            continue;
        }
        // Not every one that is listed need have the labels that are asked for.
        let mut pins = namespaces(found, role, words)
            .into_iter()
            .flatten()
            .filter_map(|name| pin.and(&in_namespace(role, &name, words), words));
        if let Some(one) = pins.find(|one| found.and(one, words).is_some()) {
            pin = one;
        }
    }
    near.iter().filter_map(|cube| cube.and(&pin, words)).collect()
}

/// The namespaces that one end can be in, where these are few.
fn namespaces(cube: &Cube, role: Role, words: &Words) -> Option<Vec<String>> {
    let attributes = match role {
        Role::Subject => &cube.subject,
        Role::Peer => &cube.peer,
    };
    match attributes.get(words.namespace()) {
        Some(Values::Only(listed)) => {
            let texts = listed.iter().filter_map(|word| words.text(*word));
            Some(texts.map(str::to_owned).collect())
        }
        Some(Values::AllBut(_)) | None => None,
    }
}

fn in_namespace(role: Role, namespace: &str, words: &Words) -> Cube {
    let word = words.word(Some(namespace));
    // A namespace that no policy mentions is like any other such.
    let values = if words.text(word) == Some(namespace) {
        Values::Only(vec![word])
    } else {
        Values::AllBut(words.every_word())
    };
    restricted(role, values, words)
}

/// In one namespace that no policy names.
fn elsewhere(role: Role, words: &Words) -> Cube {
    restricted(role, Values::Only(vec![words.unmentioned()]), words)
}

fn restricted(role: Role, values: Values, words: &Words) -> Cube {
    let mut cube = Cube::all();
    match role {
        Role::Subject => cube.subject.restrict(words.namespace(), &values),
        Role::Peer => {
            cube.classes = Bits::POD;
            cube.peer.restrict(words.namespace(), &values);
        }
    }
    cube
}
