//! What most others share is said in a word, not drawn line by line.
//!
//! Real clusters are dense in a dull way: whatever no policy restricts is reached by everyone, metrics are open to all,
//! a namespace lets all of its own in. Drawn, this hides what is particular. So ports on which (nearly) every other
//! workload, or every one of a namespace, is connected to a box are taken off the lines and told with the box.

#[cfg(test)]
mod tests;

use super::graph::{Box, Graph};
use crate::connectivity::{Peer, PortSet};
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::{EdgeRef as _, IntoNodeReferences as _};
use std::collections::{BTreeMap, BTreeSet};

/// The fewest others that are a crowd, and of a namespace.
const FEWEST: usize = 4;
const FEWEST_IN_NAMESPACE: usize = 3;

/// Many that a box is connected to alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Crowd {
    pub(super) who: Who,
    /// Who is excepted; the box itself where those in it do not talk to each other.
    pub(super) but: BTreeSet<NodeIndex>,
    pub(super) ports: PortSet,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Every workload, and perhaps all addresses outside.
    Everyone { outside: bool },
    /// Every workload of a namespace.
    Namespace(String),
}

impl Crowd {
    /// Whether a box belongs to the crowd of another one.
    pub(super) fn holds(&self, graph: &Graph<'_>, node: NodeIndex) -> bool {
        let Some(content) = graph.node_weight(node) else {
            return false;
        };
        let belongs = match &self.who {
            Who::Everyone { outside } => !content.is_outside() || (*outside && is_everywhere(content)),
            Who::Namespace(namespace) => content.heading() == *namespace,
        };
        belongs && !self.but.contains(&node)
    }
}

/// A graph, told by crowds as far as they go.
pub(super) struct Crowds {
    /// By box: who reaches it, and whom it reaches.
    of: BTreeMap<(NodeIndex, Direction), Vec<Crowd>>,
    /// What no crowd tells.
    pub(super) rest: BTreeMap<(NodeIndex, NodeIndex), PortSet>,
}

impl Crowds {
    /// `weigh` tells how many a box counts for.
    pub(super) fn of(graph: &Graph<'_>, weigh: impl Fn(&Box<'_>) -> usize) -> Self {
        let mut crowds = Self {
            of: BTreeMap::new(),
            rest: graph
                .edge_references()
                .map(|edge| ((edge.source(), edge.target()), edge.weight().clone()))
                .collect(),
        };
        let mut crowd = Known {
            everyone: graph
                .node_references()
                .filter(|(_, content)| !content.is_outside())
                .map(|(node, content)| (node, weigh(content)))
                .collect(),
            namespaces: BTreeMap::new(),
            everywhere: graph
                .node_references()
                .find(|(_, content)| is_everywhere(content))
                .map(|(node, _)| node),
        };
        for node in crowd.everyone.keys() {
            let heading = graph.node_weight(*node).map(Box::heading).unwrap_or_default();
            crowd.namespaces.entry(heading).or_default().insert(*node);
        }
        for way in [Direction::Incoming, Direction::Outgoing] {
            for (node, content) in graph.node_references() {
                let whole = around(graph, node, content, way);
                let mut others = whole.clone();
                for (other, ports) in others.iter_mut().filter(|(other, _)| **other != node) {
                    let left = crowds.rest.get(&pair(node, *other, way));
                    *ports = left.cloned().unwrap_or_default();
                }
                let mut found = crowd.everyone(node, &others);
                crowds.take(graph, node, way, &found, &mut others);
                let of_namespaces = crowd.namespaces(node, &others, &whole);
                crowds.take(graph, node, way, &of_namespaces, &mut others);
                found.extend(of_namespaces);
                if !found.is_empty() {
                    crowds.of.insert((node, way), found);
                }
            }
        }
        for ((from, to), ports) in &mut crowds.rest {
            // "every port" says more than what is left of it.
            let all = graph
                .find_edge(*from, *to)
                .and_then(|edge| graph.edge_weight(edge));
            if let Some(all) = all.filter(|all| all.ranges().len() < ports.ranges().len()) {
                ports.clone_from(all);
            }
        }
        crowds
    }

    /// Who reaches a box, or whom it reaches.
    pub(super) fn around(&self, node: NodeIndex, way: Direction) -> &[Crowd] {
        self.of.get(&(node, way)).map_or(&[], Vec::as_slice)
    }

    /// Takes what crowds tell off the lines.
    fn take(
        &mut self,
        graph: &Graph<'_>,
        node: NodeIndex,
        way: Direction,
        found: &[Crowd],
        others: &mut BTreeMap<NodeIndex, PortSet>,
    ) {
        for crowd in found {
            for (other, ports) in others.iter_mut().filter(|(other, _)| crowd.holds(graph, **other)) {
                *ports = ports.without(&crowd.ports);
                if *other != node {
                    self.rest.insert(pair(node, *other, way), ports.clone());
                }
            }
        }
        others.retain(|other, ports| {
            let is_left = !ports.is_empty();
            if !is_left {
                self.rest.remove(&pair(node, *other, way));
            }
            is_left
        });
    }
}

/// What a box is connected to, itself included where it holds several.
fn around(
    graph: &Graph<'_>,
    node: NodeIndex,
    content: &Box<'_>,
    way: Direction,
) -> BTreeMap<NodeIndex, PortSet> {
    let mut around: BTreeMap<NodeIndex, PortSet> = graph
        .edges_directed(node, way)
        .map(|edge| {
            let other = if way == Direction::Incoming {
                edge.source()
            } else {
                edge.target()
            };
            (other, edge.weight().clone())
        })
        .collect();
    if content.peers.len() > 1 {
        around.insert(node, content.among.clone());
    }
    around
}

/// Who could be in a crowd.
struct Known {
    /// The workloads, each with how many it counts for.
    everyone: BTreeMap<NodeIndex, usize>,
    namespaces: BTreeMap<String, BTreeSet<NodeIndex>>,
    /// All addresses outside.
    everywhere: Option<NodeIndex>,
}

impl Known {
    fn weight<'n>(&self, nodes: impl IntoIterator<Item = &'n NodeIndex>) -> usize {
        nodes.into_iter().filter_map(|node| self.everyone.get(node)).sum()
    }

    /// The ports that two in three or more of all others share, by who is excepted.
    fn everyone(&self, node: NodeIndex, others: &BTreeMap<NodeIndex, PortSet>) -> Vec<Crowd> {
        let all = |other: &&NodeIndex| **other != node || others.contains_key(&node);
        let total = self.weight(self.everyone.keys().filter(all));
        let most = |missing: usize| missing * 3 <= total;
        if total < FEWEST || !most(total - self.weight(others.keys()).min(total)) {
            return Vec::new();
        }
        let mut alike: BTreeMap<(BTreeSet<NodeIndex>, bool), PortSet> = BTreeMap::new();
        for part in parts(others.values()) {
            let has = |other: &NodeIndex| {
                let ports = others.get(other);
                ports.is_some_and(|ports| part.without(ports).is_empty())
            };
            let but: BTreeSet<NodeIndex> = self
                .everyone
                .keys()
                .filter(all)
                .filter(|other| !has(other))
                .copied()
                .collect();
            if most(self.weight(&but)) {
                let outside = self.everywhere.is_some_and(|node| has(&node));
                let ports = alike.entry((but, outside)).or_default();
                *ports = ports.or(&part);
            }
        }
        let crowd = |((but, outside), ports)| Crowd {
            who: Who::Everyone { outside },
            but,
            ports,
        };
        alike.into_iter().map(crowd).collect()
    }

    /// The ports that all of a namespace share: `whole`, where anything is left of them.
    fn namespaces(
        &self,
        node: NodeIndex,
        left: &BTreeMap<NodeIndex, PortSet>,
        whole: &BTreeMap<NodeIndex, PortSet>,
    ) -> Vec<Crowd> {
        let mut crowds = Vec::new();
        for (namespace, members) in &self.namespaces {
            let members: Vec<&NodeIndex> = members
                .iter()
                .filter(|other| **other != node || whole.contains_key(&node))
                .collect();
            if members.len() < 2 || self.weight(members.iter().copied()) < FEWEST_IN_NAMESPACE {
                continue;
            }
            let shared = |of: &BTreeMap<NodeIndex, PortSet>| {
                let ports = members
                    .iter()
                    .map(|member| of.get(member).cloned().unwrap_or_default());
                ports.reduce(|one, other| one.and(&other)).unwrap_or_default()
            };
            if !shared(left).is_empty() {
                crowds.push(Crowd {
                    who: Who::Namespace(namespace.clone()),
                    but: BTreeSet::new(),
                    ports: shared(whole),
                });
            }
        }
        crowds
    }
}

/// The largest sets of ports that no given set divides.
fn parts<'p>(sets: impl IntoIterator<Item = &'p PortSet>) -> Vec<PortSet> {
    let sets: BTreeSet<&PortSet> = sets.into_iter().collect();
    let mut parts: Vec<PortSet> = Vec::new();
    for set in sets {
        let fresh = parts.iter().fold(set.clone(), |left, part| left.without(part));
        parts = parts
            .iter()
            .flat_map(|part| [part.and(set), part.without(set)])
            .chain([fresh])
            .filter(|part| !part.is_empty())
            .collect();
    }
    parts
}

/// Who opens a connection, and who receives it.
fn pair(node: NodeIndex, other: NodeIndex, way: Direction) -> (NodeIndex, NodeIndex) {
    match way {
        Direction::Incoming => (other, node),
        Direction::Outgoing => (node, other),
    }
}

/// Whether a box holds all addresses outside.
fn is_everywhere(content: &Box<'_>) -> bool {
    let whole = |peer: &&Peer| matches!(peer, Peer::Outside(blocks) if blocks.len() == 2 && blocks.iter().all(|net| net.prefix_len() == 0));
    content.peers.iter().any(whole)
}
