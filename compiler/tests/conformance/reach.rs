//! A table against the three readings of a model: evaluator, verdict tables, connectivity.

use crate::table::{Cell, Table};
use ir::cluster::{EndpointId, Family};
use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::policy::Direction;
use ir::port::Protocol;
use libtest_mimic::Failed;
use portcullis_compiler::connectivity::{self, Connection, Peer};
use portcullis_compiler::resolve::{self, Resolved};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Differences shown before the rest is left out.
const SHOWN: usize = 12;

/// Whether all three readings let pass what the table says, and nothing else.
pub(crate) fn compare(table: &Table, model: &Model) -> Result<(), Failed> {
    let resolved = Resolved::of(model);
    let connections = connectivity::connections(&resolved);
    let mut differences = Vec::new();
    for (source, destination, cell) in &table.pairs {
        let (from, to) = (Named::find(model, source)?, Named::find(model, destination)?);
        for (from, to) in flows(model, from, to) {
            for protocol in protocols(from, to) {
                for port in points(&resolved, cell, from, to, protocol) {
                    let flow = Flow {
                        source: from,
                        destination: to,
                        protocol,
                        port,
                    };
                    let expected = cell.allows(protocol, port);
                    let evaluated = evaluator::evaluate(model, &flow).allowed();
                    let tabled = by_tables(&resolved, &flow);
                    if (evaluated, tabled) != (expected, expected) {
                        differences.push(format!(
                            "{source} → {destination} {port}/{protocol}: expected {expected}, evaluator {evaluated}, tables {tabled}"
                        ));
                    }
                }
            }
        }
        differences.extend(by_connections(
            model,
            &connections,
            (source, from),
            (destination, to),
            cell,
        ));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let count = differences.len();
    differences.truncate(SHOWN);
    Err(format!("{count} differences:\n{}", differences.join("\n")).into())
}

/// What a name in a table stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Pod(EndpointId),
    Node(Party),
    Address(IpAddr),
}

impl Named {
    /// `namespace/pod`, `node:name`, or an address.
    fn find(model: &Model, name: &str) -> Result<Self, Failed> {
        if let Ok(address) = name.parse() {
            return Ok(Self::Address(address));
        }
        if let Some(node) = name.strip_prefix("node:") {
            let id = model
                .cluster
                .node_named(node)
                .ok_or_else(|| format!("no node {node}"))?;
            let address = model
                .cluster
                .node(id)
                .and_then(|node| node.addresses.first().copied());
            return Ok(Self::Node(Party::Node { id, address }));
        }
        let mut pods = model
            .cluster
            .endpoint_ids()
            .filter(|(_, pod)| pod.to_string() == name);
        match (pods.next(), pods.next()) {
            (Some((id, _)), None) => Ok(Self::Pod(id)),
            (None, _) => Err(format!("no pod {name}").into()),
            (Some(_), Some(_)) => Err(format!("two pods {name}").into()),
        }
    }
}

/// The flows between two, one for each family that they share.
fn flows(model: &Model, from: Named, to: Named) -> Vec<(Party, Party)> {
    let pod = |id, family| {
        let address = model.cluster.endpoint(id).and_then(|pod| pod.address(family));
        resolve::as_party(&model.cluster, id, address)
    };
    match (from, to) {
        (Named::Pod(from), Named::Pod(to)) => resolve::address_pairs(&model.cluster, from, to)
            .into_iter()
            .map(|(source, destination)| {
                (
                    resolve::as_party(&model.cluster, from, source),
                    resolve::as_party(&model.cluster, to, destination),
                )
            })
            .collect(),
        (Named::Pod(from), Named::Address(to)) => vec![(pod(from, Family::of(to)), Party::Outside(to))],
        (Named::Address(from), Named::Pod(to)) => vec![(Party::Outside(from), pod(to, Family::of(from)))],
        (Named::Pod(from), Named::Node(to)) => vec![(pod(from, Family::V4), to)],
        (Named::Node(from), Named::Pod(to)) => vec![(from, pod(to, Family::V4))],
        (from, to) => vec![(alone(from), alone(to))],
    }
}

fn alone(named: Named) -> Party {
    match named {
        Named::Address(address) => Party::Outside(address),
        Named::Node(party) => party,
        Named::Pod(id) => Party::Endpoint { id, address: None },
    }
}

/// Messages of ICMP are asked of IPv4 flows, those of ICMPv6 of IPv6.
fn protocols(from: Party, to: Party) -> Vec<Protocol> {
    let family = from.family().or(to.family());
    Protocol::ALL
        .into_iter()
        .filter(|protocol| match protocol {
            Protocol::Icmp => family != Some(Family::V6),
            Protocol::Icmpv6 => family != Some(Family::V4),
            _ => true,
        })
        .collect()
}

/// Every port at which the table's or the expectation's answer may change, so that the ports between two of them need
/// not be asked. Port 0 is no port.
fn points(resolved: &Resolved<'_>, cell: &Cell, from: Party, to: Party, protocol: Protocol) -> BTreeSet<u16> {
    let mut points = BTreeSet::from([u16::from(protocol.has_ports()), protocol.highest_port()]);
    points.extend(cell.edges(protocol));
    for (party, direction) in [(from, Direction::Egress), (to, Direction::Ingress)] {
        if let Party::Endpoint { id, .. } = party
            && let Some(tables) = resolved.tables(id)
        {
            let rows = tables.of(direction).rows.iter();
            points.extend(rows.filter(|row| row.protocol == protocol).map(|row| row.first));
        }
    }
    if protocol.has_ports() {
        points.remove(&0);
    }
    points.retain(|port| *port <= protocol.highest_port());
    points
}

fn by_tables(resolved: &Resolved<'_>, flow: &Flow) -> bool {
    let side = |subject, peer, direction| match subject {
        Party::Endpoint { id, .. } if !matches!(peer, Party::Endpoint { id: other, .. } if other == id) => {
            let identity = resolved
                .identities
                .of_party(peer)
                .expect("an identity for every party");
            let tables = resolved.tables(id).expect("tables for every pod");
            tables.of(direction).allows(flow.protocol, flow.port, identity)
        }
        _ => true,
    };
    side(flow.source, flow.destination, Direction::Egress)
        && side(flow.destination, flow.source, Direction::Ingress)
}

/// What `connectivity` says of the pair, where it speaks of it: between pods that are the only ones of their workload,
/// and between those and addresses.
fn by_connections(
    model: &Model,
    connections: &[Connection],
    source: (&String, Named),
    destination: (&String, Named),
    cell: &Cell,
) -> Option<String> {
    let speaks_of = |named: Named| match named {
        Named::Node(_) => false,
        Named::Address(_) => true,
        Named::Pod(id) => model.cluster.endpoint(id).is_some_and(|pod| {
            let same = |other: &&ir::cluster::Endpoint| {
                (&other.namespace, &other.workload) == (&pod.namespace, &pod.workload)
            };
            model.cluster.endpoints().iter().filter(same).count() == 1
        }),
    };
    let outside = |named| matches!(named, Named::Address(_));
    if *cell == Cell::Itself
        || !speaks_of(source.1)
        || !speaks_of(destination.1)
        || (outside(source.1) && outside(destination.1))
    {
        return None;
    }
    let is = |peer: &Peer, named: Named| match (peer, named) {
        (
            Peer::Workload {
                namespace,
                name,
                kind,
                ..
            },
            Named::Pod(id),
        ) => model.cluster.endpoint(id).is_some_and(|pod| {
            (namespace, name, kind) == (&pod.namespace, &pod.workload.name, &pod.workload.kind)
        }),
        (Peer::Outside(blocks), Named::Address(address)) => {
            blocks.iter().any(|block| block.contains(&address))
        }
        _ => false,
    };
    let listed: Vec<_> = connections
        .iter()
        .filter(|connection| is(&connection.source, source.1) && is(&connection.destination, destination.1))
        .collect();
    for protocol in Protocol::TRANSPORT {
        let mut points = BTreeSet::from([1, u16::MAX]);
        points.extend(cell.edges(protocol));
        for range in listed.iter().flat_map(|connection| connection.ports.ranges()) {
            points.insert(range.first);
            points.extend(range.last.checked_add(1));
        }
        for port in points {
            let expected = cell.allows(protocol, port);
            let found = listed
                .iter()
                .any(|connection| connection.ports.contains(protocol, port));
            if found != expected {
                return Some(format!(
                    "{} → {} {port}/{protocol}: expected {expected}, connectivity {found}",
                    source.0, destination.0
                ));
            }
        }
    }
    None
}
