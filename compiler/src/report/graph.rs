//! Connections as a graph: workloads that talk to the same others on the same ports are one box.

use crate::connectivity::{Connection, Peer, PortSet};
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};

/// A box of a graph.
#[derive(Clone, Debug)]
pub(super) struct Box<'a> {
    /// Who is in it, sorted; never empty, and all under one heading.
    pub(super) peers: Vec<&'a Peer>,
    /// On which ports those in it talk to each other.
    pub(super) among: PortSet,
}

impl Box<'_> {
    pub(super) fn empty() -> Self {
        Self {
            peers: Vec::new(),
            among: PortSet::NONE,
        }
    }

    /// The namespace, or what else stands above the names.
    pub(super) fn heading(&self) -> String {
        self.peers.first().map(|peer| heading(peer)).unwrap_or_default()
    }

    /// Whether it holds addresses, not workloads.
    pub(super) fn is_outside(&self) -> bool {
        matches!(self.peers.first(), Some(Peer::Outside(_)))
    }
}

/// A graph; an edge carries the ports.
pub(super) type Graph<'a> = DiGraph<Box<'a>, PortSet>;

/// The graph of all connections but those of workloads to themselves. It is exact: each peer of a box has each
/// connection of the box.
pub(super) fn of<'a>(peers: impl IntoIterator<Item = &'a Peer>, connections: &'a [Connection]) -> Graph<'a> {
    let mut all: BTreeSet<&Peer> = peers.into_iter().collect();
    all.extend(
        connections
            .iter()
            .flat_map(|one| [&*one.source, &*one.destination]),
    );
    build(connections, &twins(&all, connections))
}

/// The graph with one box for each heading; a box holds all connections of what is in it.
pub(super) fn by_heading<'a>(graph: &Graph<'a>) -> Graph<'a> {
    let mut joined = Graph::new();
    let mut places: BTreeMap<String, NodeIndex> = BTreeMap::new();
    let mut place_of = Vec::new();
    for content in graph.node_weights() {
        let place = *places
            .entry(content.heading())
            .or_insert_with(|| joined.add_node(Box::empty()));
        place_of.push(place);
        if let Some(whole) = joined.node_weight_mut(place) {
            whole.peers.extend(&content.peers);
            whole.peers.sort_unstable();
            whole.among = whole.among.or(&content.among);
        }
    }
    for edge in graph.raw_edges() {
        let place = |node: NodeIndex| place_of.get(node.index()).copied();
        if let (Some(source), Some(target)) = (place(edge.source()), place(edge.target())) {
            join(&mut joined, source, target, &edge.weight);
        }
    }
    joined
}

/// Adds ports between two boxes, or within one.
fn join(graph: &mut Graph<'_>, source: NodeIndex, target: NodeIndex, ports: &PortSet) {
    if source == target {
        if let Some(content) = graph.node_weight_mut(source) {
            content.among = content.among.or(ports);
        }
    } else if let Some(all) = graph
        .find_edge(source, target)
        .and_then(|edge| graph.edge_weight_mut(edge))
    {
        *all = all.or(ports);
    } else {
        graph.add_edge(source, target, ports.clone());
    }
}

/// The first of those that share a peer's box.
type Grouping<'a> = BTreeMap<&'a Peer, &'a Peer>;

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
    for members in classes.values() {
        match members.as_slice() {
            [] => {}
            [one] => rest.push(*one),
            [first, ..] => grouping.extend(members.iter().map(|peer| (*peer, *first))),
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
    for members in classes.values() {
        let Some(first) = members.first() else { continue };
        grouping.extend(members.iter().map(|peer| (*peer, *first)));
    }
    grouping
}

fn build<'a>(connections: &[Connection], grouping: &Grouping<'a>) -> Graph<'a> {
    let mut graph = Graph::new();
    let mut places: BTreeMap<&Peer, NodeIndex> = BTreeMap::new();
    for (peer, first) in grouping {
        let place = *places
            .entry(first)
            .or_insert_with(|| graph.add_node(Box::empty()));
        if let Some(content) = graph.node_weight_mut(place) {
            content.peers.push(peer);
        }
    }
    for one in connections.iter().filter(|one| one.source != one.destination) {
        let place = |peer: &Peer| grouping.get(peer).and_then(|first| places.get(first)).copied();
        if let (Some(source), Some(target)) = (place(&one.source), place(&one.destination)) {
            join(&mut graph, source, target, &one.ports);
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
