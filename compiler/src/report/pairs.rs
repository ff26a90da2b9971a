//! Why each pair of workloads may or may not talk.
//!
//! A pair's explanation is read from the verdict tables: the source's egress towards the destination's identity, and
//! the destination's ingress from the source's. Most pairs share theirs with many others, so each is kept once.

use crate::cite::{PolicyRef, RuleRef};
use crate::connectivity::members::Members;
use crate::connectivity::{Connection, Peer, PortSet};
use crate::resolve::{self, Resolved};
use ir::cluster::{Cluster, EndpointId, Family};
use ir::flow::{Because, Party};
use ir::model::Model;
use ir::policy::Direction;
use ir::table::VerdictTable;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// All pairs.
pub(super) struct Pairs {
    /// The workloads, in the order of connections.
    pub(super) ends: Vec<End>,
    /// What is open from each to each: rows of sources, columns of destinations.
    pub(super) inside: Vec<Vec<Pair>>,
    /// From each workload to addresses outside.
    pub(super) leaving: Vec<Pair>,
    /// From addresses outside to each workload.
    pub(super) entering: Vec<Pair>,
    /// What [`Pair::explanation`] counts.
    pub(super) explanations: Vec<Explanation>,
    /// What [`Explanation::Inside`] counts.
    pub(super) sides: Vec<Side>,
}

/// A workload, or one of its pods where they differ.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// What the connections call it.
    pub(super) peer: Peer,
    /// A pod of it.
    pod: EndpointId,
}

/// One ordered pair.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    /// The open ports; empty where nothing is.
    pub(super) ports: PortSet,
    /// The place of its explanation.
    pub(super) explanation: usize,
}

/// Why something is open or closed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Explanation {
    /// Between workloads.
    Inside {
        /// The open ports.
        ports: PortSet,
        /// The places of both sides, source first.
        sides: [usize; 2],
    },
    /// A pod and itself.
    Itself,
    /// Towards or from addresses outside: each group of blocks with its ports.
    Outside(Vec<(Peer, PortSet)>),
}

impl Explanation {
    /// Whether it is of workloads between which nothing is open.
    pub(super) fn is_closed_inside(&self) -> bool {
        matches!(self, Self::Inside { ports, .. } if ports.is_empty())
    }
}

/// One side of a pair: the verdicts, by the addresses that they hold for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Side {
    /// Whose rules these are.
    pub(super) direction: Direction,
    /// Each with the family of addresses, where the two families differ.
    pub(super) by_family: Vec<(Option<Family>, Vec<Verdict>)>,
}

/// The ports that one set of reasons decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Verdict {
    /// The ports.
    pub(super) ports: PortSet,
    /// Whether they are open on this side.
    pub(super) allowed: bool,
    /// Why.
    pub(super) because: Reason,
}

/// Why, with what there is to read about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// These rules say so.
    Rules(Vec<RuleRef>),
    /// No rule allows it, and these policies deny by default.
    DefaultDeny(Vec<PolicyRef>),
    /// No policy restricts it.
    Unrestricted,
    /// A node, or a pod on its network, has no policy of its own.
    NotAnEndpoint,
    /// The node of a pod reaches it, whatever policy says.
    OwnHost,
}

impl Pairs {
    pub(super) fn of(resolved: &Resolved<'_>, connections: &[Connection], members: &Members) -> Self {
        let ends = ends(&resolved.model.cluster, connections);
        let place: BTreeMap<&Peer, usize> = ends.iter().map(|end| &end.peer).zip(0..).collect();
        let (mut open, mut leaving, mut entering) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for connection in connections {
            let ports = PortSet::clone(&connection.ports);
            match (
                place.get(&*connection.source),
                place.get(&*connection.destination),
            ) {
                (Some(source), Some(destination)) => {
                    open.insert((*source, *destination), ports);
                }
                (Some(source), None) => {
                    let blocks: &mut Vec<_> = leaving.entry(*source).or_default();
                    blocks.push((Peer::clone(&connection.destination), ports));
                }
                (None, Some(destination)) => {
                    let blocks: &mut Vec<_> = entering.entry(*destination).or_default();
                    blocks.push((Peer::clone(&connection.source), ports));
                }
                (None, None) => {}
            }
        }
        let mut known: Known<Explanation> = Known::default();
        let mut known_sides: Known<Side> = Known::default();
        let inside = (0..)
            .zip(&ends)
            .map(|(row, source)| {
                (0..)
                    .zip(&ends)
                    .map(|(column, destination)| {
                        let ports: PortSet = open.remove(&(row, column)).unwrap_or_default();
                        let explanation = known.place(
                            if row == column && ports.is_empty() && !members.are_several(&source.peer) {
                                Explanation::Itself
                            } else {
                                Explanation::Inside {
                                    ports: ports.clone(),
                                    sides: sides(resolved, source.pod, destination.pod)
                                        .map(|side| known_sides.place(side)),
                                }
                            },
                        );
                        Pair { ports, explanation }
                    })
                    .collect()
            })
            .collect();
        let mut outside = |mut of: BTreeMap<usize, Vec<(Peer, PortSet)>>| -> Vec<Pair> {
            (0..ends.len())
                .map(|end| {
                    let blocks = of.remove(&end).unwrap_or_default();
                    let ports = blocks.iter().fold(PortSet::NONE, |all, (_, ports)| all.or(ports));
                    let explanation = known.place(Explanation::Outside(blocks));
                    Pair { ports, explanation }
                })
                .collect()
        };
        Self {
            leaving: outside(leaving),
            entering: outside(entering),
            inside,
            explanations: known.list,
            sides: known_sides.list,
            ends,
        }
    }
}

/// Things that many share, each once.
struct Known<T> {
    list: Vec<T>,
    places: BTreeMap<T, usize>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            places: BTreeMap::new(),
        }
    }
}

impl<T: Clone + Ord> Known<T> {
    fn place(&mut self, thing: T) -> usize {
        if let Some(place) = self.places.get(&thing) {
            return *place;
        }
        let place = self.list.len();
        self.list.push(thing.clone());
        self.places.insert(thing, place);
        place
    }
}

/// Every workload: as connections tell it, and those that have none.
fn ends(cluster: &Cluster, connections: &[Connection]) -> Vec<End> {
    let told: BTreeSet<&Peer> = connections
        .iter()
        .flat_map(|connection| [&*connection.source, &*connection.destination])
        .filter(|peer| matches!(peer, Peer::Workload { .. }))
        .collect();
    let mut ends: BTreeMap<Peer, EndpointId> = BTreeMap::new();
    for (id, pod) in cluster.endpoint_ids() {
        let peer = |kind: &str, name: &str| Peer::Workload {
            namespace: pod.namespace.clone(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            host_network: pod.host_network,
        };
        let (alone, workload) = (
            peer("Pod", &pod.name),
            peer(&pod.workload.kind, &pod.workload.name),
        );
        let peer = if told.contains(&alone) { alone } else { workload };
        ends.entry(peer).or_insert(id);
    }
    ends.into_iter().map(|(peer, pod)| End { peer, pod }).collect()
}

fn sides(resolved: &Resolved<'_>, source: EndpointId, destination: EndpointId) -> [Side; 2] {
    let cluster = &resolved.model.cluster;
    let pairs = resolve::address_pairs(cluster, source, destination);
    let ends = [
        (Direction::Egress, source, destination),
        (Direction::Ingress, destination, source),
    ];
    ends.map(|(direction, own, other)| {
        let mut by_family: Vec<(Option<Family>, Vec<Verdict>)> = pairs
            .iter()
            .map(|(from, to)| {
                let address = if direction == Direction::Egress { to } else { from };
                let verdicts = verdicts(resolved, own, direction, other, *address);
                (address.map(Family::of), verdicts)
            })
            .collect();
        let alike = by_family
            .iter()
            .all(|(_, one)| by_family.first().is_some_and(|(_, first)| one == first));
        if alike {
            by_family.truncate(1);
            for (family, _) in &mut by_family {
                *family = None;
            }
        }
        Side { direction, by_family }
    })
}

fn verdicts(
    resolved: &Resolved<'_>,
    own: EndpointId,
    direction: Direction,
    other: EndpointId,
    address: Option<IpAddr>,
) -> Vec<Verdict> {
    let model = resolved.model;
    let everything = |allowed, because| {
        vec![Verdict {
            ports: PortSet::everything(),
            allowed,
            because,
        }]
    };
    if model.cluster.endpoint(own).is_none_or(|pod| pod.host_network) {
        return everything(true, Reason::NotAnEndpoint);
    }
    let party: Party = resolve::as_party(&model.cluster, other, address);
    let (Some(tables), Some(identity)) = (resolved.tables(own), resolved.identities.of_party(party)) else {
        return Vec::new();
    };
    let table: &VerdictTable = tables.of(direction);
    let mut verdicts: Vec<Verdict> = Vec::new();
    for row in table
        .rows
        .iter()
        .filter(|row| row.protocol.has_ports() && row.last > 0)
    {
        let Some(decision) = table.decide(row.protocol, row.first.max(1), identity) else {
            continue;
        };
        let ports = PortSet::range(row.protocol, row.first.max(1), row.last);
        let because = reason(model, &decision.because);
        let same =
            |verdict: &&mut Verdict| (verdict.allowed, &verdict.because) == (decision.allowed, &because);
        match verdicts.iter_mut().find(same) {
            Some(verdict) => verdict.ports = verdict.ports.or(&ports),
            None => verdicts.push(Verdict {
                ports,
                allowed: decision.allowed,
                because,
            }),
        }
    }
    // What is open first; it is what most readers look for.
    verdicts.sort_by_key(|verdict| !verdict.allowed);
    verdicts
}

fn reason(model: &Model, because: &Because) -> Reason {
    match because {
        Because::Rules(rules) => Reason::Rules(
            rules
                .iter()
                .filter_map(|rule| RuleRef::by_id(model, *rule))
                .collect(),
        ),
        Because::DefaultDeny(policies) => Reason::DefaultDeny(
            policies
                .iter()
                .filter_map(|policy| PolicyRef::by_id(model, *policy))
                .collect(),
        ),
        Because::OwnHost => Reason::OwnHost,
        Because::NotAnEndpoint => Reason::NotAnEndpoint,
        Because::Loopback | Because::Unrestricted => Reason::Unrestricted,
    }
}
