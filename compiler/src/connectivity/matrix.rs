//! Open ports between classes of pods, and between them and the outside.

use super::blocks;
use super::{Apart, Peer, PortSet};
use crate::resolve::{self, Resolved};
use ipnet::IpNet;
use ir::cluster::{Endpoint, EndpointId, Family};
use ir::identity::{Class as IdentityClass, IdentityId};
use ir::table::VerdictTable;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Pods between which nothing makes a difference; told by the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class(usize);

/// Namespace, name and kind of a workload.
type WorkloadKey<'a> = (&'a str, &'a str, &'a str);

/// A peer with the class that it stands for.
pub(super) struct Row {
    pub(super) peer: Peer,
    pub(super) replicated: bool,
    class: Class,
}

impl Row {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.peer == other.peer
    }
}

/// Everything that was read from the tables.
pub(super) struct Matrix {
    /// By endpoint.
    class_of: Vec<Class>,
    /// By source class and destination class.
    inside: Vec<Vec<PortSet>>,
    /// For each class, what it may reach, with the blocks.
    leaving: Vec<Vec<(PortSet, Vec<IpNet>)>>,
    /// For each class, what may reach it.
    entering: Vec<Vec<(PortSet, Vec<IpNet>)>>,
}

impl Matrix {
    pub(super) fn of(resolved: &Resolved<'_>) -> Self {
        let (class_of, first_of) = classes(resolved);
        let inside: Vec<Vec<PortSet>> = first_of
            .par_iter()
            .map(|source| {
                first_of
                    .iter()
                    .map(|destination| between(resolved, *source, *destination))
                    .collect()
            })
            .collect();
        let leaving: Vec<_> = first_of
            .par_iter()
            .map(|id| outside(resolved, resolved.tables(*id).map(|tables| &tables.egress)))
            .collect();
        let entering: Vec<_> = first_of
            .par_iter()
            .map(|id| outside(resolved, resolved.tables(*id).map(|tables| &tables.ingress)))
            .collect();
        Self {
            class_of,
            inside,
            leaving,
            entering,
        }
    }

    /// The open ports from one peer to another.
    pub(super) fn between(&self, source: &Row, destination: &Row) -> &PortSet {
        static NONE: PortSet = PortSet::NONE;
        self.inside
            .get(source.class.0)
            .and_then(|row| row.get(destination.class.0))
            .unwrap_or(&NONE)
    }

    pub(super) fn leaving(&self, peer: &Row) -> Vec<(PortSet, Vec<IpNet>)> {
        self.leaving.get(peer.class.0).cloned().unwrap_or_default()
    }

    pub(super) fn entering(&self, peer: &Row) -> Vec<(PortSet, Vec<IpNet>)> {
        self.entering.get(peer.class.0).cloned().unwrap_or_default()
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
                    peer: Peer::Workload {
                        namespace,
                        name,
                        kind,
                        host_network: first.host_network,
                    },
                    replicated: pods.len() > 1 || first.workload.replicated,
                    class: *class,
                });
                continue;
            }
            let alone = pods.len() == 1;
            for (pod, class) in pods {
                rows.push(Row {
                    peer: Peer::Workload {
                        namespace: namespace.to_owned(),
                        name: pod.name.clone(),
                        kind: "Pod".to_owned(),
                        host_network: pod.host_network,
                    },
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
                && self.leaving.get(one.0) == self.leaving.get(other.0)
                && self.entering.get(one.0) == self.entering.get(other.0)
                && self.inside.iter().all(|row| row.get(one.0) == row.get(other.0)))
    }
}

/// What of an endpoint decides its connections, apart from the cells of its tables.
type Signature = (
    Vec<Option<IdentityId>>,
    [Vec<(ir::port::Protocol, u16, u16, Vec<u32>)>; 2],
);

/// The class of each endpoint, and the first endpoint of each class.
fn classes(resolved: &Resolved<'_>) -> (Vec<Class>, Vec<EndpointId>) {
    let cluster = &resolved.model.cluster;
    let ids: Vec<_> = cluster.endpoint_ids().collect();
    let signatures: Vec<Signature> = ids
        .par_iter()
        .map(|(id, endpoint)| {
            let addresses: Vec<_> = if endpoint.addresses.is_empty() {
                vec![None]
            } else {
                endpoint.addresses.iter().copied().map(Some).collect()
            };
            let identities = addresses
                .into_iter()
                .map(|address| {
                    resolved
                        .identities
                        .of_party(resolve::as_party(cluster, *id, address))
                })
                .collect();
            let contents = |table: Option<&VerdictTable>| {
                table.map_or_else(Vec::new, |table| {
                    table
                        .rows
                        .iter()
                        .filter_map(|row| {
                            let allowed = table.cells(row)?.allowed.iter().collect();
                            Some((row.protocol, row.first, row.last, allowed))
                        })
                        .collect()
                })
            };
            let tables = resolved.tables(*id);
            (
                identities,
                [
                    contents(tables.map(|tables| &tables.ingress)),
                    contents(tables.map(|tables| &tables.egress)),
                ],
            )
        })
        .collect();
    let mut known: BTreeMap<Signature, Class> = BTreeMap::new();
    let mut first_of = Vec::new();
    let mut class_of = Vec::new();
    for ((id, _), signature) in ids.into_iter().zip(signatures) {
        let class = *known.entry(signature).or_insert_with(|| {
            first_of.push(id);
            Class(first_of.len() - 1)
        });
        class_of.push(class);
    }
    (class_of, first_of)
}

/// The open ports from a pod of one class to a pod of another, over any pair of their addresses.
fn between(resolved: &Resolved<'_>, source: EndpointId, destination: EndpointId) -> PortSet {
    let cluster = &resolved.model.cluster;
    let (Some(from), Some(to)) = (resolved.tables(source), resolved.tables(destination)) else {
        return PortSet::default();
    };
    let mut open = PortSet::default();
    for (source_address, destination_address) in resolve::address_pairs(cluster, source, destination) {
        let identity = |id, address| {
            resolved
                .identities
                .of_party(resolve::as_party(cluster, id, address))
        };
        let (Some(source), Some(destination)) = (
            identity(source, source_address),
            identity(destination, destination_address),
        ) else {
            continue;
        };
        let egress = PortSet::allowed(&from.egress, destination);
        open = open.or(&egress.and(&PortSet::allowed(&to.ingress, source)));
    }
    open
}

/// The outside as one table sees it: for each set of open ports, the blocks that have it.
fn outside(resolved: &Resolved<'_>, table: Option<&VerdictTable>) -> Vec<(PortSet, Vec<IpNet>)> {
    let Some(table) = table else {
        return Vec::new();
    };
    let mut groups: BTreeMap<PortSet, BTreeMap<Family, BTreeSet<IdentityId>>> = BTreeMap::new();
    for (id, identity) in (0..).map(IdentityId).zip(resolved.identities.identities()) {
        if let IdentityClass::Outside(family) = identity.class {
            let ports = PortSet::allowed(table, id);
            if !ports.is_empty() {
                groups
                    .entry(ports)
                    .or_default()
                    .entry(family)
                    .or_default()
                    .insert(id);
            }
        }
    }
    groups
        .into_iter()
        .map(|(ports, families)| {
            let blocks = families
                .into_iter()
                .flat_map(|(family, wanted)| {
                    blocks::of_identities(resolved.identities.addresses(), family, &wanted)
                })
                .collect();
            (ports, blocks)
        })
        .collect()
}
