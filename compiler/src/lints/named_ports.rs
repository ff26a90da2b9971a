//! Which rules use which port names, on which pods, and what the names mean there.
//!
//! A name stands, for each destination by itself, for that destination's own numbers: at ingress the subject's, at
//! egress the peer's. So each use of a name is listed with the pods that the rule reaches as destinations, and what
//! each of them defines.
//!
//! A cluster has thousands of policies and many more pods: replicas of one workload that define the same ports are
//! listed as one, and what several rules reach is worked out once.

use crate::selected::{PodSet, Selected};
use ir::cluster::{ContainerPort, ContainerRole, Endpoint, EndpointId};
use ir::model::Model;
use ir::named_port;
use ir::origin::Origin;
use ir::peer::{CidrScope, Entity, PeerMatch, Peers};
use ir::policy::{Direction, Policy, Rule, RuleId, Subject};
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// One port entry of a rule that gives a name.
#[derive(Clone, Debug)]
pub struct NameUse<'m> {
    /// The rule's id.
    pub rule_id: RuleId,
    /// The rule's policy.
    pub policy: &'m Policy,
    /// The rule.
    pub rule: &'m Rule,
    /// The port entry.
    pub port: &'m Port,
    /// The name, as written.
    pub name: &'m str,
    /// The protocols asked for.
    pub protocol: ProtocolSet,
    /// The destinations that the rule reaches, in order. Uses that reach the same pods by the same name share them.
    pub reached: Arc<[Reached<'m>]>,
    /// The pods that may be sources of what it matches.
    pub sources: Arc<PodSet>,
}

/// Pods of one workload that a rule reaches as destinations, all with the same container ports.
#[derive(Clone, Debug)]
pub struct Reached<'m> {
    /// The first pod's id.
    pub id: EndpointId,
    /// The first pod.
    pub endpoint: &'m Endpoint,
    /// All of them, ascending.
    pub pods: Arc<[EndpointId]>,
    /// The first pod's container ports that the name stands for; empty where it defines none.
    pub ports: Vec<&'m ContainerPort>,
}

impl Reached<'_> {
    /// The numbers behind the name.
    #[must_use]
    pub fn numbers(&self) -> BTreeSet<(Protocol, u16)> {
        self.ports
            .iter()
            .map(|port| (port.protocol, port.number))
            .collect()
    }
}

/// One port entry of a rule that gives one number.
#[derive(Clone, Debug)]
pub struct NumberUse<'m> {
    /// The rule's id.
    pub rule_id: RuleId,
    /// The rule's policy.
    pub policy: &'m Policy,
    /// The rule.
    pub rule: &'m Rule,
    /// The port entry.
    pub port: &'m Port,
    /// The number.
    pub number: u16,
    /// The protocols asked for.
    pub protocol: ProtocolSet,
    /// The destinations that the rule reaches, in order, without ports.
    pub reached: Arc<[Reached<'m>]>,
    /// The pods that may be sources of what it matches.
    pub sources: Arc<PodSet>,
}

/// Every use of a single number that is `wanted`, in the order of rules and ports. `selected` is of the model's policies.
#[must_use]
pub fn number_uses<'m>(
    model: &'m Model,
    selected: &Selected,
    wanted: impl Fn(u16) -> bool,
) -> Vec<NumberUse<'m>> {
    let single = |port: &PortMatch| match port {
        PortMatch::Numbers { first, last, .. } if first == last && wanted(*first) => Some(*first),
        PortMatch::Numbers { .. } | PortMatch::Name { .. } | PortMatch::Icmp { .. } => None,
    };
    // No container port has an empty name, so that nothing is looked up by it.
    let written = written(model, |port| match port {
        PortMatch::Numbers { protocol, .. } if single(port).is_some() => Some(("", *protocol)),
        _ => None,
    });
    let named = resolved(model, selected, written);
    named
        .into_iter()
        .filter_map(|one| {
            Some(NumberUse {
                rule_id: one.rule_id,
                policy: one.policy,
                rule: one.rule,
                port: one.port,
                number: single(&one.port.matches)?,
                protocol: one.protocol,
                reached: one.reached,
                sources: one.sources,
            })
        })
        .collect()
}

/// Every use of a name, in the order of rules and ports. `selected` is of the model's policies.
#[must_use]
pub fn uses<'m>(model: &'m Model, selected: &Selected) -> Vec<NameUse<'m>> {
    let written = written(model, |port| match port {
        PortMatch::Name { protocol, name } => Some((name, *protocol)),
        PortMatch::Numbers { .. } | PortMatch::Icmp { .. } => None,
    });
    resolved(model, selected, written)
}

/// The ports of which nothing can be said: entries of rules that reach no pod as destination, and container ports of pods
/// that no rule reaches by a port.
#[must_use]
pub fn unmet(model: &Model) -> Vec<&Origin> {
    let selected = &Selected::by_policies(model);
    let names = uses(model, selected).into_iter();
    let names = names.map(|one| (one.port, one.reached));
    let numbers = number_uses(model, selected, |_| true).into_iter();
    let numbers = numbers.map(|one| (one.port, one.reached));
    let mut unmet = Vec::new();
    let mut met: HashSet<&Origin> = HashSet::new();
    let mut seen = HashSet::new();
    for (port, reached) in names.chain(numbers) {
        if reached.is_empty() {
            unmet.push(&port.origin);
        } else if seen.insert(Arc::as_ptr(&reached)) {
            let ports = reached.iter().flat_map(|reached| &reached.endpoint.ports);
            met.extend(ports.map(|port| &port.origin));
        }
    }
    let ports = model.cluster.endpoints().iter().flat_map(|pod| &pod.ports);
    unmet.extend(
        ports
            .map(|port| &port.origin)
            .filter(|origin| !met.contains(origin)),
    );
    unmet
}

fn resolved<'m>(model: &'m Model, selected: &Selected, written: Vec<Written<'m>>) -> Vec<NameUse<'m>> {
    let mut pods = Pods::new(model, selected);
    written
        .into_iter()
        .map(|one| {
            let subjects = pods.set(vec![Matches::Subject(&one.policy.subject)]);
            let peers = pods.set(match &one.rule.peers {
                Peers::Any => vec![Matches::Any],
                Peers::OneOf(list) => list.iter().map(|peer| Matches::Peer(&peer.matches)).collect(),
            });
            let (sources, destinations) = match one.rule.direction {
                Direction::Ingress => (peers, subjects),
                Direction::Egress => (subjects, peers),
            };
            NameUse {
                rule_id: one.rule_id,
                policy: one.policy,
                rule: one.rule,
                port: one.port,
                name: one.name,
                protocol: one.protocol,
                reached: pods.reached(destinations, one.name, one.protocol),
                sources: pods.pods(sources),
            }
        })
        .collect()
}

/// A port entry that gives a name, before anything is looked up.
struct Written<'m> {
    rule_id: RuleId,
    policy: &'m Policy,
    rule: &'m Rule,
    port: &'m Port,
    name: &'m str,
    protocol: ProtocolSet,
}

fn written<'m>(
    model: &'m Model,
    asked: impl Fn(&'m PortMatch) -> Option<(&'m str, ProtocolSet)>,
) -> Vec<Written<'m>> {
    let mut written = Vec::new();
    for (policy_id, policy) in model.policy_ids() {
        for (rule_id, rule) in model.rule_ids(policy_id) {
            let Ports::OneOf(ports) = &rule.ports else {
                continue;
            };
            for port in ports {
                if let Some((name, protocol)) = asked(&port.matches) {
                    written.push(Written {
                        rule_id,
                        policy,
                        rule,
                        port,
                        name,
                        protocol,
                    });
                }
            }
        }
    }
    written
}

/// What picks pods, without its place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Matches<'m> {
    Any,
    Subject(&'m Subject),
    Peer(&'m PeerMatch),
}

/// A set of pods that was asked for.
struct Asked<'m> {
    pods: Arc<PodSet>,
    /// Its pods by kind, once they were asked for as destinations.
    kinds: Option<Vec<Arc<[EndpointId]>>>,
    /// What a name means on them.
    reached: HashMap<(String, ProtocolSet), Arc<[Reached<'m>]>>,
}

/// Pods by what selects them. Policies ask for the same sets again and again: each is made once.
struct Pods<'m, 's> {
    model: &'m Model,
    selected: &'s Selected,
    /// By [`EndpointId`]: pods of one workload with the same container ports have the same number.
    kinds: Vec<u32>,
    known: HashMap<Vec<Matches<'m>>, usize>,
    asked: Vec<Asked<'m>>,
}

impl<'m, 's> Pods<'m, 's> {
    fn new(model: &'m Model, selected: &'s Selected) -> Self {
        Self {
            model,
            selected,
            kinds: kinds(model),
            known: HashMap::new(),
            asked: Vec::new(),
        }
    }

    /// The number of the set of pods that any of these picks.
    fn set(&mut self, matches: Vec<Matches<'m>>) -> usize {
        if let Some(known) = self.known.get(&matches) {
            return *known;
        }
        let mut union = RoaringBitmap::new();
        for one in &matches {
            union |= match one {
                Matches::Any => self.selected.all().0,
                Matches::Subject(Subject::Endpoints(selector)) => self.selected.pods(selector).0,
                Matches::Subject(Subject::Nodes(_)) => RoaringBitmap::new(),
                Matches::Peer(matches) => self.peer(matches),
            };
        }
        let number = self.asked.len();
        self.asked.push(Asked {
            pods: Arc::new(PodSet(union)),
            kinds: None,
            reached: HashMap::new(),
        });
        self.known.insert(matches, number);
        number
    }

    fn pods(&self, set: usize) -> Arc<PodSet> {
        self.asked
            .get(set)
            .map_or_else(Arc::default, |asked| Arc::clone(&asked.pods))
    }

    /// What a name means on the pods of a set.
    fn reached(&mut self, set: usize, name: &'m str, protocol: ProtocolSet) -> Arc<[Reached<'m>]> {
        let cluster = &self.model.cluster;
        let kind_of = &self.kinds;
        let Some(asked) = self.asked.get_mut(set) else {
            return Arc::default();
        };
        let pods = &asked.pods;
        let kinds = asked.kinds.get_or_insert_with(|| {
            let mut place_of: HashMap<u32, usize> = HashMap::new();
            let mut kinds: Vec<Vec<EndpointId>> = Vec::new();
            for id in pods.iter() {
                let kind = kind_of.get(id.0 as usize).copied().unwrap_or(u32::MAX);
                let place = *place_of.entry(kind).or_insert_with(|| {
                    kinds.push(Vec::new());
                    kinds.len() - 1
                });
                if let Some(pods) = kinds.get_mut(place) {
                    pods.push(id);
                }
            }
            kinds.into_iter().map(Arc::from).collect()
        });
        let reached = asked
            .reached
            .entry((name.to_ascii_lowercase(), protocol))
            .or_insert_with(|| {
                kinds
                    .iter()
                    .filter_map(|pods| {
                        let id = *pods.first()?;
                        let endpoint = cluster.endpoint(id)?;
                        Some(Reached {
                            id,
                            endpoint,
                            pods: Arc::clone(pods),
                            ports: named_port::definitions(endpoint, name, protocol).collect(),
                        })
                    })
                    .collect()
            });
        Arc::clone(reached)
    }

    fn peer(&self, matches: &PeerMatch) -> RoaringBitmap {
        match matches {
            PeerMatch::Endpoints(selector) => self.selected.pods(selector).0,
            PeerMatch::Entity(Entity::All | Entity::Cluster) => self.selected.all().0,
            PeerMatch::Cidr(block) if block.scope == CidrScope::Everything => self
                .model
                .cluster
                .endpoint_ids()
                .filter(|(_, endpoint)| !endpoint.host_network)
                .filter(|(_, endpoint)| {
                    endpoint.addresses.iter().any(|address| block.contains(*address))
                        || (endpoint.addresses.is_empty() && block.is_whole_family())
                })
                .map(|(id, _)| id.0)
                .collect(),
            PeerMatch::Cidr(_)
            | PeerMatch::Nodes(_)
            | PeerMatch::OtherNodes(_)
            | PeerMatch::Entity(_)
            | PeerMatch::Domain(_) => RoaringBitmap::new(),
        }
    }
}

/// For each pod, a number that it shares with the pods of its workload that have the same container ports.
fn kinds(model: &Model) -> Vec<u32> {
    fn ports(endpoint: &Endpoint) -> Vec<(&str, ContainerRole, Option<&str>, u16, Protocol)> {
        let ports = endpoint.ports.iter();
        ports
            .map(|port| {
                (
                    &*port.container,
                    port.role,
                    port.name.as_deref(),
                    port.number,
                    port.protocol,
                )
            })
            .collect()
    }
    let mut known = HashMap::new();
    let mut kinds = Vec::new();
    for endpoint in model.cluster.endpoints() {
        let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
        let kind = known.entry((&endpoint.namespace, &endpoint.workload, ports(endpoint)));
        kinds.push(*kind.or_insert(next));
    }
    kinds
}
