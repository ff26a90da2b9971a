//! Which pictures are drawn of a graph, and what is drawn in each.
//!
//! A graph of more boxes than fit is drawn once by namespace, and then each namespace by itself, with the others as one
//! box each. Where that is still more lines than the eye follows, the other namespaces are named in the boxes. Whatever a
//! picture leaves out is in the list below it.

use super::MOST_IN_MATRIX;
use super::card::{self, Card};
use super::crowds::{Crowd, Crowds, Who};
use super::graph::{self, Box, Graph};
use super::lines::{self, Line, Lines, Spot};
use super::told::{self, Told};
use crate::connectivity::{Connection, Peer, PortSet};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::IntoNodeReferences as _;
use std::collections::{BTreeMap, BTreeSet};

/// The most boxes that one picture of everything is drawn with.
const MOST_BOXES: usize = 36;

/// A picture that is still to be laid out.
pub(super) type Sketch = DiGraph<Card, Line>;

/// A picture with the list of what it shows.
pub(super) struct View {
    pub(super) title: String,
    pub(super) sketch: Sketch,
    pub(super) told: Vec<Told>,
    /// Boxes of several: what they are called in the list, and who that is.
    pub(super) groups: Vec<(String, String)>,
    /// Whether it shows a part of what there is.
    pub(super) is_part: bool,
}

/// The pictures of all connections. `ends` are the rows of the matrix.
pub(super) fn views<'a>(
    ends: impl Iterator<Item = &'a Peer> + Clone,
    connections: &'a [Connection],
) -> Vec<View> {
    let graph = graph::of(ends.clone(), connections);
    let mut rows: BTreeMap<&Peer, usize> = ends.zip(0..).collect();
    if rows.len() > MOST_IN_MATRIX {
        rows.clear();
    }
    let source = Source {
        crowds: Crowds::of(&graph, |content| content.peers.len()),
        graph,
        rows,
        by_namespace: false,
    };
    if source.graph.node_count() <= MOST_BOXES {
        let all = source.graph.node_indices().collect();
        return vec![source.view("Who can talk to whom".to_owned(), &all, &BTreeSet::new())];
    }
    let mut views = vec![source.overview()];
    for namespace in source.namespaces() {
        let own = |(_, content): &(NodeIndex, &Box<'_>)| content.heading() == namespace;
        let own = source.graph.node_references().filter(own).map(|(node, _)| node);
        let own = own.collect();
        let guests = source.guests(&own);
        views.push(source.view(namespace, &own, &guests));
    }
    views
}

pub(super) const WAYS: [Direction; 2] = [Direction::Incoming, Direction::Outgoing];

pub(super) fn arrow(way: Direction) -> &'static str {
    match way {
        Direction::Incoming => "←",
        Direction::Outgoing => "→",
    }
}

/// The most workloads of elsewhere that have a box of their own for reaching most others.
const MOST_GUESTS: usize = 6;

/// What pictures are drawn from.
pub(super) struct Source<'a> {
    pub(super) graph: Graph<'a>,
    pub(super) crowds: Crowds,
    rows: BTreeMap<&'a Peer, usize>,
    /// Whether a box is a namespace.
    pub(super) by_namespace: bool,
}

impl<'a> Source<'a> {
    fn namespaces(&self) -> BTreeSet<String> {
        let workloads = self.graph.node_weights().filter(|content| !content.is_outside());
        workloads.map(Box::heading).collect()
    }

    /// The picture of namespaces.
    fn overview(&self) -> View {
        let graph = graph::by_heading(&self.graph);
        // Here a crowd is who reaches anything of a namespace: ports would differ from workload to workload.
        let reaches = graph.map(
            |_, content| Box {
                among: PortSet::everything(),
                ..content.clone()
            },
            |_, _| PortSet::everything(),
        );
        let mut crowds = Crowds::of(&reaches, |_| 1);
        for ((from, to), ports) in &mut crowds.rest {
            let edge = graph.find_edge(*from, *to);
            *ports = edge
                .and_then(|edge| graph.edge_weight(edge))
                .cloned()
                .unwrap_or_default();
        }
        let all = graph.node_indices().collect();
        let source = Source {
            graph,
            crowds,
            rows: BTreeMap::new(),
            by_namespace: true,
        };
        let mut view = source.view("Namespaces".to_owned(), &all, &BTreeSet::new());
        // The views of namespaces follow this one, in their order.
        for (namespace, number) in self.namespaces().iter().zip(1..) {
            let cards = view.sketch.node_weights_mut();
            for card in cards.filter(|card| card.under == *namespace) {
                card.leads_to = Some(number);
            }
        }
        view
    }

    /// Who, of elsewhere, reaches most others, and so some of these; and outside, where it is told.
    fn guests(&self, own: &BTreeSet<NodeIndex>) -> BTreeSet<NodeIndex> {
        let reaches = |crowd: &Crowd| own.iter().any(|node| crowd.holds(&self.graph, *node));
        let others = self
            .graph
            .node_references()
            .filter(|(node, _)| !own.contains(node));
        let guests = others.filter(|(node, content)| {
            let entering = self.crowds.around(*node, Direction::Incoming).iter();
            let leaving = self.crowds.around(*node, Direction::Outgoing).iter();
            let entering = entering.filter(|_| content.is_outside());
            entering.chain(leaving).any(reaches)
        });
        guests.map(|(node, _)| node).collect()
    }

    /// The picture of some boxes, and of what lines lead to from there. Of guests only crowds are told.
    fn view(&self, title: String, own: &BTreeSet<NodeIndex>, guests: &BTreeSet<NodeIndex>) -> View {
        let is_outside = |node: &NodeIndex| self.graph.node_weight(*node).is_some_and(Box::is_outside);
        let are_few = guests.iter().filter(|node| !is_outside(node)).count() <= MOST_GUESTS;
        let seated = guests.iter().filter(|node| are_few || is_outside(node));
        let boxed: BTreeSet<NodeIndex> = own.iter().chain(seated).copied().collect();
        let spot = |node: NodeIndex| {
            if boxed.contains(&node) {
                return Spot::Own(node);
            }
            Spot::Other(self.graph.node_weight(node).map(Box::heading).unwrap_or_default())
        };
        let (mut lines, mut others) = self.lines(own, spot);
        lines::join_both_ways(&mut lines);
        let mut notes = lines::name_namespaces(&mut lines);
        if !notes.is_empty() {
            others.clear();
        }
        let called = |spot: &Spot| match spot {
            Spot::Own(node) => self.called_shortly(*node),
            Spot::Other(namespace) => namespace.clone(),
        };
        let says_ports = !self.by_namespace;
        lines::name_hubs(&mut lines, called, says_ports, &mut notes);
        if says_ports {
            lines::name_sources(&lines, called, &mut notes);
        }
        let mut notes = |spot: &Spot| notes.remove(spot).unwrap_or_default();
        let mut sketch = Sketch::new();
        let mut places: BTreeMap<Spot, NodeIndex> = BTreeMap::new();
        for node in &boxed {
            let Some(content) = self.graph.node_weight(*node) else {
                continue;
            };
            let spot = Spot::Own(*node);
            let notes = [self.notes(*node, content), notes(&spot)].concat();
            let card = if self.by_namespace { Card::of_all } else { Card::of };
            places.insert(spot, sketch.add_node(card(content, notes)));
        }
        for (spot, content) in others {
            let card = Card::of(&content, notes(&spot));
            places.insert(spot, sketch.add_node(card));
        }
        let place = |spot: &Spot| places.get(spot).copied();
        for ((from, to), line) in lines {
            if let (Some(from), Some(to)) = (place(&from), place(&to)) {
                sketch.add_edge(from, to, line);
            }
        }
        let ids = |node: NodeIndex| -> Vec<usize> {
            place(&spot(node)).iter().map(|place| place.index()).collect()
        };
        View {
            title,
            sketch,
            told: told::of(self, own, guests, ids),
            groups: own.iter().filter_map(|node| self.group(*node)).collect(),
            is_part: own.len() < self.graph.node_count(),
        }
    }

    /// The lines of some boxes that no crowd tells, and what other namespaces have at their ends.
    fn lines(
        &self,
        own: &BTreeSet<NodeIndex>,
        spot: impl Fn(NodeIndex) -> Spot,
    ) -> (Lines, BTreeMap<Spot, Box<'a>>) {
        let mut lines = Lines::new();
        let mut others: BTreeMap<Spot, Box<'a>> = BTreeMap::new();
        for ((from, to), ports) in &self.crowds.rest {
            if !own.contains(from) && !own.contains(to) {
                continue;
            }
            let ends = (spot(*from), spot(*to));
            for (end, node) in [(&ends.0, *from), (&ends.1, *to)] {
                if let (Spot::Other(_), Some(content)) = (end, self.graph.node_weight(node)) {
                    let other = others.entry(end.clone()).or_insert_with(Box::empty);
                    other.peers.extend(&content.peers);
                    other.peers.sort_unstable();
                    other.peers.dedup();
                }
            }
            let line = lines.entry(ends).or_insert_with(|| Line {
                ports: PortSet::NONE,
                is_both_ways: false,
                pair: self.pair(*from, *to),
            });
            line.ports = line.ports.or(ports);
        }
        (lines, others)
    }

    /// What a box tells of crowds, and of those in it.
    fn notes(&self, node: NodeIndex, content: &Box<'_>) -> Vec<String> {
        let mut notes = Vec::new();
        for way in WAYS {
            for crowd in self.crowds.around(node, way) {
                let who = match crowd.who == Who::Namespace(content.heading()) {
                    true => "its namespace".to_owned(),
                    false => card::crowd(crowd, self.unit()),
                };
                let who = match (crowd.but.len(), crowd.but.first()) {
                    (0, _) | (_, None) => who,
                    (1, Some(only)) => format!("{who} but {}", self.called_shortly(*only)),
                    _ => format!("{who} but {}", self.count(&crowd.but)),
                };
                notes.push(if self.by_namespace {
                    format!("{} {who}", arrow(way))
                } else {
                    format!("{} {who}: {}", arrow(way), crowd.ports)
                });
            }
        }
        let told = self.crowds.around(node, Direction::Incoming).iter();
        let told = told
            .filter(|crowd| crowd.holds(&self.graph, node))
            .fold(PortSet::NONE, |all, crowd| all.or(&crowd.ports));
        if self.by_namespace {
            notes.extend((!content.among.is_empty()).then(|| "⇄ within".to_owned()));
        } else if content.peers.len() > 1 && !content.among.without(&told).is_empty() {
            notes.push(format!("⇄ each other: {}", content.among));
        }
        notes
    }

    pub(super) fn unit(&self) -> &'static str {
        if self.by_namespace {
            "namespace"
        } else {
            "workload"
        }
    }

    fn count(&self, nodes: &BTreeSet<NodeIndex>) -> usize {
        let contents = nodes.iter().filter_map(|node| self.graph.node_weight(*node));
        contents
            .map(|content| if self.by_namespace { 1 } else { content.peers.len() })
            .sum()
    }

    pub(super) fn pair(&self, from: NodeIndex, to: NodeIndex) -> Option<(usize, usize)> {
        let row = |node: NodeIndex| {
            let content = self.graph.node_weight(node)?;
            // Addresses outside have the last row and column.
            let last = content.is_outside().then_some(self.rows.len());
            last.or_else(|| self.rows.get(content.peers.first()?).copied())
        };
        (!self.rows.is_empty()).then_some((row(from)?, row(to)?))
    }

    /// What a box of several is called, and who is in it.
    fn group(&self, node: NodeIndex) -> Option<(String, String)> {
        let content = self.graph.node_weight(node)?;
        let is_group = content.peers.len() > 1 && (!self.by_namespace || content.is_outside());
        let members: Vec<String> = content.peers.iter().map(ToString::to_string).collect();
        is_group.then(|| (self.called(node), members.join(", ")))
    }

    /// A box where there is little room.
    fn called_shortly(&self, node: NodeIndex) -> String {
        let content = self.graph.node_weight(node);
        content.map_or_else(String::new, |content| {
            if self.by_namespace {
                content.heading()
            } else {
                card::called_shortly(content)
            }
        })
    }

    pub(super) fn called(&self, node: NodeIndex) -> String {
        let content = self.graph.node_weight(node);
        content.map_or_else(String::new, |content| {
            if self.by_namespace {
                content.heading()
            } else {
                card::called(content)
            }
        })
    }
}
