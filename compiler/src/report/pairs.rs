//! Why each pair of workloads may or may not talk.
//!
//! A pair's explanation is read from the verdict tables: the source's egress towards the destination's identity, and
//! the destination's ingress from the source's. Most pairs share theirs with many others, so each is kept once.

use super::MOST_IN_MATRIX;
use super::graph::heading;
use super::sides::{Side, Sides};
use crate::connectivity::members::Members;
use crate::connectivity::{Connection, Peer, PortSet};
use crate::resolve::Resolved;
use indexmap::IndexSet;
use ir::cluster::{Cluster, EndpointId};
use ir::policy::Direction;
use std::collections::{BTreeMap, BTreeSet};

/// All pairs; of more workloads than [`MOST_IN_MATRIX`] only who they are.
#[derive(Default)]
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
    /// What explanations count.
    pub(super) sides: Vec<Side>,
}

/// A workload, or one of its pods where they differ.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// What the connections call it.
    pub(super) peer: Peer,
    /// Its name; for addresses outside what they are.
    pub(super) name: String,
    /// Its kind, where another of the namespace has the same name.
    pub(super) kind: Option<String>,
    /// A pod of it.
    pod: EndpointId,
}

impl End {
    /// `shop/web`, or `shop/web (Deployment)`.
    pub(super) fn full_name(&self) -> String {
        let kind = self.kind.as_ref().map(|kind| format!(" ({kind})"));
        let kind = kind.unwrap_or_default();
        match &self.peer {
            Peer::Workload { namespace, .. } => format!("{namespace}/{}{kind}", self.name),
            Peer::Outside(_) => self.name.clone(),
        }
    }
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Towards or from addresses outside, which have no policy of their own.
    Outside {
        /// What is open for one of them at least.
        ports: PortSet,
        /// The place of the workload's side.
        side: usize,
    },
}

impl Explanation {
    /// Whether nothing is open, for reasons that its sides say.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Inside { ports, .. } | Self::Outside { ports, .. } => ports.is_empty(),
            Self::Itself => false,
        }
    }

    /// The places of its sides.
    pub(super) fn sides(&self) -> &[usize] {
        match self {
            Self::Inside { sides, .. } => sides,
            Self::Outside { side, .. } => std::slice::from_ref(side),
            Self::Itself => &[],
        }
    }
}

impl Pairs {
    pub(super) fn of(resolved: &Resolved<'_>, connections: &[Connection], members: &Members) -> Self {
        let ends = ends(&resolved.model.cluster, connections);
        if ends.len() > MOST_IN_MATRIX {
            return Self {
                ends,
                ..Self::default()
            };
        }
        let place: BTreeMap<&Peer, usize> = ends.iter().map(|end| &end.peer).zip(0..).collect();
        let (mut open, mut leaving, mut entering) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let add = |all: &mut PortSet, ports: &PortSet| *all = all.or(ports);
        for connection in connections {
            let ports = PortSet::clone(&connection.ports);
            match (
                place.get(&*connection.source),
                place.get(&*connection.destination),
            ) {
                (Some(source), Some(destination)) => {
                    open.insert((*source, *destination), ports);
                }
                (Some(source), None) => add(leaving.entry(*source).or_default(), &ports),
                (None, Some(destination)) => add(entering.entry(*destination).or_default(), &ports),
                (None, None) => {}
            }
        }
        let mut known: IndexSet<Explanation> = IndexSet::new();
        let mut sides = Sides::of(resolved);
        let inside = (0..)
            .zip(&ends)
            .map(|(row, source)| {
                (0..)
                    .zip(&ends)
                    .map(|(column, destination)| {
                        let ports: PortSet = open.remove(&(row, column)).unwrap_or_default();
                        let (explanation, _) = known.insert_full(
                            if row == column && ports.is_empty() && !members.are_several(&source.peer) {
                                Explanation::Itself
                            } else {
                                Explanation::Inside {
                                    ports: ports.clone(),
                                    sides: sides.of_pair(source.pod, destination.pod),
                                }
                            },
                        );
                        Pair { ports, explanation }
                    })
                    .collect()
            })
            .collect();
        let mut outside = |mut of: BTreeMap<usize, PortSet>, direction| -> Vec<Pair> {
            (0..)
                .zip(&ends)
                .map(|(place, end)| {
                    let ports: PortSet = of.remove(&place).unwrap_or_default();
                    let (explanation, _) = known.insert_full(Explanation::Outside {
                        ports: ports.clone(),
                        side: sides.of_outside(end.pod, direction),
                    });
                    Pair { ports, explanation }
                })
                .collect()
        };
        Self {
            leaving: outside(leaving, Direction::Egress),
            entering: outside(entering, Direction::Ingress),
            inside,
            explanations: known.into_iter().collect(),
            sides: sides.into_list(),
            ends,
        }
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
    let mut count: BTreeMap<(String, String), usize> = BTreeMap::new();
    for peer in ends.keys() {
        *count.entry((heading(peer), name(peer))).or_default() += 1;
    }
    ends.into_iter()
        .map(|(peer, pod)| {
            let name = name(&peer);
            let is_one_of_several = count
                .get(&(heading(&peer), name.clone()))
                .is_some_and(|count| *count > 1);
            let kind = match &peer {
                Peer::Workload { kind, .. } if is_one_of_several => Some(kind.clone()),
                _ => None,
            };
            End {
                peer,
                name,
                kind,
                pod,
            }
        })
        .collect()
}

fn name(peer: &Peer) -> String {
    match peer {
        Peer::Workload { name, .. } => name.clone(),
        Peer::Outside(_) => peer.to_string(),
    }
}
