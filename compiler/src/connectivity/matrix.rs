//! Open ports between classes of pods, and between them and the outside.

use super::port_sets::{PortSets, SetId};
use super::views::{Outside, Views};
use super::{Apart, Peer, PortSet};
use crate::resolve::{self, Resolved};
use ir::cluster::{Endpoint, EndpointId, Family};
use ir::identity::IdentityId;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Pods between which nothing makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Class(usize);

/// Namespace, name and kind of a workload.
type WorkloadKey<'a> = (&'a str, &'a str, &'a str);

/// A peer with the class that it stands for.
pub(super) struct Row {
    pub(super) peer: Arc<Peer>,
    pub(super) replicated: bool,
    class: Class,
}

/// Everything that was read from the tables.
pub(super) struct Matrix {
    /// By endpoint.
    class_of: Vec<Class>,
    /// For each source class the destination classes that it reaches, ascending, and on which ports.
    inside: Vec<Vec<(Class, SetId)>>,
    /// Likewise for each destination class the source classes.
    inside_by_destination: Vec<Vec<(Class, SetId)>>,
    /// For each class, what it may reach, with the blocks.
    leaving: Vec<Arc<Outside>>,
    /// For each class, what may reach it.
    entering: Vec<Arc<Outside>>,
    sets: PortSets,
}

impl Matrix {
    pub(super) fn of(resolved: &Resolved<'_>) -> Self {
        let mut sets = PortSets::default();
        let views = Views::of(resolved, &mut sets);
        let (class_of, members) = classes(resolved, &views);
        let outside: Vec<Arc<Outside>> = views.outside(resolved, &sets);
        let outside = |view: fn(&Member) -> usize| {
            let of = |member| outside.get(view(member)).cloned().unwrap_or_default();
            members.iter().map(of).collect::<Vec<_>>()
        };
        let (leaving, entering) = (outside(|member| member.egress), outside(|member| member.ingress));
        let inside = inside(&views, &members, &mut sets);
        let mut inside_by_destination = vec![Vec::new(); members.len()];
        for (source, reached) in inside.iter().enumerate() {
            for (destination, ports) in reached {
                if let Some(sources) = inside_by_destination.get_mut(destination.0) {
                    sources.push((Class(source), *ports));
                }
            }
        }
        Self {
            class_of,
            inside,
            inside_by_destination,
            leaving,
            entering,
            sets,
        }
    }

    /// For each class, the places in `peers` that stand for it.
    pub(super) fn places(&self, peers: &[Row]) -> Vec<Vec<usize>> {
        let mut places = vec![Vec::new(); self.inside.len()];
        for (place, peer) in peers.iter().enumerate() {
            if let Some(of_class) = places.get_mut(peer.class.0) {
                of_class.push(place);
            }
        }
        places
    }

    /// The places of the peers that one of them reaches, ascending, and on which ports.
    pub(super) fn reached(&self, source: &Row, places: &[Vec<usize>]) -> Vec<(usize, &Arc<PortSet>)> {
        let classes = self.inside.get(source.class.0).into_iter().flatten();
        let mut reached: Vec<_> = classes
            .filter_map(|(class, ports)| Some((places.get(class.0)?, self.sets.get(*ports)?)))
            .flat_map(|(places, ports)| places.iter().map(move |place| (*place, ports)))
            .collect();
        reached.sort_by_key(|(place, _)| *place);
        reached
    }

    pub(super) fn leaving(&self, peer: &Row) -> &Outside {
        self.leaving.get(peer.class.0).map_or(&[], |outside| outside)
    }

    pub(super) fn entering(&self, peer: &Row) -> &Outside {
        self.entering.get(peer.class.0).map_or(&[], |outside| outside)
    }

    /// The pods of each workload, with their classes.
    fn workloads<'a>(
        &self,
        resolved: &'a Resolved<'_>,
    ) -> BTreeMap<WorkloadKey<'a>, Vec<(&'a Endpoint, Class)>> {
        let mut pods_of: BTreeMap<WorkloadKey<'_>, Vec<_>> = BTreeMap::new();
        for (endpoint, class) in resolved.model.cluster.endpoints().iter().zip(&self.class_of) {
            let workload = &endpoint.workload;
            pods_of
                .entry((&endpoint.namespace, &workload.name, &workload.kind))
                .or_default()
                .push((endpoint, *class));
        }
        pods_of
    }

    /// The workloads whose pods do not all have the same connections.
    pub(super) fn apart(&self, resolved: &Resolved<'_>) -> Apart {
        self.workloads(resolved)
            .into_iter()
            .filter(|(_, pods)| !self.are_one(pods))
            .map(|((namespace, name, kind), _)| (namespace.to_owned(), name.to_owned(), kind.to_owned()))
            .collect()
    }

    /// Whether pods all have the same connections.
    fn are_one(&self, pods: &[(&Endpoint, Class)]) -> bool {
        pods.first().is_some_and(|(first, class)| {
            pods.iter()
                .all(|(pod, other)| pod.host_network == first.host_network && self.are_alike(*class, *other))
        })
    }

    /// The peers, sorted: one for each workload whose pods all have the same connections, else, and for those told
    /// `apart`, one for each of its pods.
    pub(super) fn peers(&self, resolved: &Resolved<'_>, apart: &Apart) -> Vec<Row> {
        let mut rows = Vec::new();
        for ((namespace, name, kind), pods) in self.workloads(resolved) {
            let Some((first, class)) = pods.first() else {
                continue;
            };
            let named = (namespace.to_owned(), name.to_owned(), kind.to_owned());
            if !apart.contains(&named) && self.are_one(&pods) {
                let (namespace, name, kind) = named;
                rows.push(Row {
                    peer: Arc::new(Peer::Workload {
                        namespace,
                        name,
                        kind,
                        host_network: first.host_network,
                    }),
                    replicated: pods.len() > 1 || first.workload.replicated,
                    class: *class,
                });
                continue;
            }
            let alone = pods.len() == 1;
            for (pod, class) in pods {
                rows.push(Row {
                    peer: Arc::new(Peer::Workload {
                        namespace: namespace.to_owned(),
                        name: pod.name.clone(),
                        kind: "Pod".to_owned(),
                        host_network: pod.host_network,
                    }),
                    // The only pod stands for all of its workload.
                    replicated: alone && pod.workload.replicated,
                    class,
                });
            }
        }
        rows.sort_by(|a, b| a.peer.cmp(&b.peer));
        rows
    }

    /// Whether two classes have the same connections, to and from everybody.
    fn are_alike(&self, one: Class, other: Class) -> bool {
        one == other
            || (self.inside.get(one.0) == self.inside.get(other.0)
                && self.inside_by_destination.get(one.0) == self.inside_by_destination.get(other.0)
                && self.leaving.get(one.0) == self.leaving.get(other.0)
                && self.entering.get(one.0) == self.entering.get(other.0))
    }
}

/// What stands for an endpoint in the matrix: endpoints with equal members have the same connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Member {
    /// Its addresses' families (`None`: it has no address yet), with the identities behind them.
    identities: Vec<(Option<Family>, IdentityId)>,
    /// The views of its tables.
    ingress: usize,
    egress: usize,
}

/// The class of each endpoint, and what each class stands for, in the order of their first endpoints.
fn classes(resolved: &Resolved<'_>, views: &Views) -> (Vec<Class>, Vec<Member>) {
    let cluster = &resolved.model.cluster;
    let mut known: HashMap<Member, Class> = HashMap::new();
    let mut members = Vec::new();
    let mut class_of = Vec::new();
    for (id, endpoint) in cluster.endpoint_ids() {
        let (ingress, egress) = views.of_endpoint(id);
        let member = Member {
            identities: identities(resolved, id, endpoint),
            ingress,
            egress,
        };
        let next = Class(known.len());
        let class = *known.entry(member).or_insert_with_key(|member| {
            members.push(member.clone());
            next
        });
        class_of.push(class);
    }
    (class_of, members)
}

/// The identities of an endpoint by family, or that of its unknown address.
pub(super) fn identities(
    resolved: &Resolved<'_>,
    id: EndpointId,
    endpoint: &Endpoint,
) -> Vec<(Option<Family>, IdentityId)> {
    let cluster = &resolved.model.cluster;
    let identity = |address| {
        resolved
            .identities
            .of_party(resolve::as_party(cluster, id, address))
    };
    if endpoint.addresses.is_empty() {
        return identity(None)
            .map(|identity| (None, identity))
            .into_iter()
            .collect();
    }
    Family::BOTH
        .into_iter()
        .filter_map(|family| Some((Some(family), identity(Some(endpoint.address(family)?))?)))
        .collect()
}

/// For each source class the destination classes that it reaches, and on which ports: a port is open where both sides
/// let it through, over any pair of addresses of one family. An address that is not known may be of any.
///
/// The work grows with the pairs that the source's side lets through, not with all pairs.
fn inside(views: &Views, members: &[Member], sets: &mut PortSets) -> Vec<Vec<(Class, SetId)>> {
    let mut classes_of: HashMap<IdentityId, Vec<(Class, Option<Family>)>> = HashMap::new();
    for (class, member) in members.iter().enumerate() {
        for (family, identity) in &member.identities {
            classes_of
                .entry(*identity)
                .or_default()
                .push((Class(class), *family));
        }
    }
    let reached: Vec<Vec<(Class, SetId, SetId)>> = members
        .par_iter()
        .map(|source| {
            let mut reached = Vec::new();
            for (from, identity) in &source.identities {
                for (destination, egress) in views.allowed(source.egress) {
                    for (class, to) in classes_of.get(destination).into_iter().flatten() {
                        if from.is_some() && to.is_some() && from != to {
                            continue;
                        }
                        let member = members.get(class.0);
                        if let Some(ingress) =
                            member.and_then(|member| views.ports(member.ingress, *identity))
                        {
                            reached.push((*class, *egress, ingress));
                        }
                    }
                }
            }
            reached.sort_unstable();
            reached.dedup();
            reached
        })
        .collect();
    reached
        .into_iter()
        .map(|reached| {
            let mut joined: Vec<(Class, SetId)> = Vec::new();
            for (class, egress, ingress) in reached {
                let open = sets.and(egress, ingress);
                match joined.last_mut() {
                    Some((last, ports)) if *last == class => *ports = sets.or(*ports, open),
                    _ => joined.push((class, open)),
                }
            }
            joined.retain(|(_, ports)| *ports != PortSets::NONE);
            joined
        })
        .collect()
}
