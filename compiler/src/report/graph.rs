//! Connections as graphs that a person can read.
//!
//! Workloads that talk to the same others on the same ports are one box; a graph of more boxes than fit is drawn once
//! by namespace, and then each namespace by itself, with the other namespaces as one box each.

use crate::connectivity::{Connection, Peer, PortSet};
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};

/// The most boxes that one graph is drawn with.
const MOST_BOXES: usize = 36;

/// A box of a graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Box {
    /// The namespace, or what else stands above the names.
    pub(super) heading: String,
    /// What is in it.
    pub(super) names: Vec<String>,
    /// On which ports those in it talk to each other.
    pub(super) among: PortSet,
}

/// A graph; an edge carries the ports, and how many connections it stands for.
pub(super) type Graph = DiGraph<Box, (PortSet, usize)>;

/// A graph with what it shows.
pub(super) struct View {
    /// A heading.
    pub(super) title: String,
    /// The graph.
    pub(super) graph: Graph,
}

/// The graphs of all connections.
pub(super) fn views<'a>(peers: impl IntoIterator<Item = &'a Peer>, connections: &[Connection]) -> Vec<View> {
    let mut all: BTreeSet<&Peer> = peers.into_iter().collect();
    all.extend(
        connections
            .iter()
            .flat_map(|one| [&*one.source, &*one.destination]),
    );
    let groups = twins(&all, connections);
    let whole = build(connections, &groups);
    if whole.node_count() <= MOST_BOXES {
        return vec![View {
            title: "Who can talk to whom".to_owned(),
            graph: whole,
        }];
    }
    let by_namespace: Grouping<'_> = all
        .iter()
        .map(|peer| (*peer, Key::Heading(heading(peer))))
        .collect();
    let mut views = vec![View {
        title: "Namespaces".to_owned(),
        graph: build(connections, &by_namespace),
    }];
    let namespaces: BTreeSet<String> = all
        .iter()
        .filter(|peer| matches!(peer, Peer::Workload { .. }))
        .map(|peer| heading(peer))
        .collect();
    for namespace in namespaces {
        let touching: Vec<Connection> = connections
            .iter()
            .filter(|one| {
                [&one.source, &one.destination]
                    .iter()
                    .any(|peer| heading(peer) == namespace)
            })
            .cloned()
            .collect();
        let own: BTreeSet<&Peer> = all
            .iter()
            .filter(|peer| heading(peer) == namespace)
            .copied()
            .collect();
        let mut grouping = twins(&own, &touching);
        for peer in touching.iter().flat_map(|one| [&*one.source, &*one.destination]) {
            grouping
                .entry(peer)
                .or_insert_with(|| Key::Heading(heading(peer)));
        }
        views.push(View {
            title: namespace,
            graph: build(&touching, &grouping),
        });
    }
    views
}

/// What makes peers share a box.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// Everything under one heading.
    Heading(String),
    /// Workloads under one heading with the same connections; named by the first.
    Twins(String, String),
}

/// The box of each peer.
type Grouping<'a> = BTreeMap<&'a Peer, Key>;

/// Groups peers that have the same connections to all others, and the same among themselves.
fn twins<'a>(peers: &BTreeSet<&'a Peer>, connections: &'a [Connection]) -> Grouping<'a> {
    type Ports<'a> = BTreeMap<&'a Peer, &'a PortSet>;
    let mut leaving: BTreeMap<&Peer, Ports<'a>> = BTreeMap::new();
    let mut entering: BTreeMap<&Peer, Ports<'a>> = BTreeMap::new();
    for one in connections {
        leaving
            .entry(&one.source)
            .or_default()
            .insert(&one.destination, &one.ports);
        entering
            .entry(&one.destination)
            .or_default()
            .insert(&one.source, &one.ports);
    }
    // Two peers are alike when they reach, and are reached by, the same others. Whether they reach each other must not
    // make them differ: so each is asked as if it reached itself as the first other one reaches it.
    let seen = |of: &BTreeMap<&'a Peer, Ports<'a>>, peer: &'a Peer, with_self: Option<&'a PortSet>| {
        let mut ports = of.get(peer).cloned().unwrap_or_default();
        ports.remove(peer);
        if let Some(own) = with_self {
            ports.insert(peer, own);
        }
        ports
    };
    let mut classes: BTreeMap<(String, Ports<'a>, Ports<'a>), Vec<&'a Peer>> = BTreeMap::new();
    let mut grouping = Grouping::new();
    for peer in peers {
        // Those that do not talk among themselves.
        let key = (
            heading(peer),
            seen(&leaving, peer, None),
            seen(&entering, peer, None),
        );
        classes.entry(key).or_default().push(peer);
    }
    let mut rest = Vec::new();
    for ((heading, ..), members) in &classes {
        match members.as_slice() {
            [] => {}
            [one] => rest.push(*one),
            [first, ..] => {
                for peer in members {
                    grouping.insert(peer, Key::Twins(heading.clone(), name(first)));
                }
            }
        }
    }
    // Those that do: alike when each is counted among those that it reaches.
    let mut classes: BTreeMap<(String, Ports<'a>, Ports<'a>), Vec<&'a Peer>> = BTreeMap::new();
    for peer in rest {
        let own = leaving
            .get(peer)
            .into_iter()
            .flatten()
            .find(|(other, _)| **other != peer && heading(other) == heading(peer))
            .map(|(_, ports)| *ports);
        let key = (
            heading(peer),
            seen(&leaving, peer, own),
            seen(&entering, peer, own),
        );
        classes.entry(key).or_default().push(peer);
    }
    for ((heading, ..), members) in &classes {
        let Some(first) = members.first() else { continue };
        for peer in members {
            grouping.insert(peer, Key::Twins(heading.clone(), name(first)));
        }
    }
    grouping
}

fn build(connections: &[Connection], grouping: &Grouping<'_>) -> Graph {
    let mut graph = Graph::new();
    let mut places: BTreeMap<&Key, NodeIndex> = BTreeMap::new();
    for (peer, key) in grouping {
        let place = *places.entry(key).or_insert_with(|| {
            graph.add_node(Box {
                heading: heading(peer),
                names: Vec::new(),
                among: PortSet::NONE,
            })
        });
        if let Some(content) = graph.node_weight_mut(place) {
            content.names.push(name(peer));
        }
    }
    for one in connections {
        let place = |peer: &Peer| grouping.get(peer).and_then(|key| places.get(key)).copied();
        let (Some(source), Some(destination)) = (place(&one.source), place(&one.destination)) else {
            continue;
        };
        if source == destination {
            if let Some(content) = graph.node_weight_mut(source) {
                content.among = content.among.or(&one.ports);
            }
            continue;
        }
        match graph.find_edge(source, destination) {
            Some(edge) => {
                if let Some((ports, count)) = graph.edge_weight_mut(edge) {
                    *ports = ports.or(&one.ports);
                    *count += 1;
                }
            }
            None => {
                graph.add_edge(source, destination, (PortSet::clone(&one.ports), 1));
            }
        }
    }
    graph
}

/// The namespace; addresses outside have one heading for all.
pub(super) fn heading(peer: &Peer) -> String {
    match peer {
        Peer::Workload { namespace, .. } => namespace.clone(),
        Peer::Outside(_) => "outside the cluster".to_owned(),
    }
}

/// The name of a peer under its heading.
pub(super) fn name(peer: &Peer) -> String {
    match peer {
        Peer::Workload {
            name,
            kind,
            host_network,
            ..
        } => {
            let host = if *host_network { ", host network" } else { "" };
            format!("{name} ({kind}{host})")
        }
        Peer::Outside(_) => peer.to_string(),
    }
}
