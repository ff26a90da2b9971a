//! Where the boxes of a graph stand: in columns, so that connections run from left to right where they can.
//!
//! The method is Sugiyama's ("Methods for visual understanding of hierarchical system structures", 1981) in its
//! simplest form: boxes that reach each other in a circle share a rank, other ranks follow the longest way, and the
//! order in a column comes from a few sweeps of barycentres.

use super::graph::{Box, Graph};
use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;
use std::collections::BTreeMap;

/// Columns of a box's text.
const WIDEST: usize = 34;
/// Names that a box shows.
pub(super) const NAMES_SHOWN: usize = 8;
/// Boxes in a column of a circle, before the next column begins.
const TALLEST: usize = 9;
/// Width of a character, in units of the picture.
const CHARACTER: f64 = 7.0;
/// Height of a line of text.
pub(super) const LINE: f64 = 16.0;
/// Room between columns; labels of edges stand there.
const GAP_ACROSS: f64 = 150.0;
const GAP_DOWN: f64 = 22.0;
const MARGIN: f64 = 12.0;
/// How far a connection within a column bows out of it.
pub(super) const LOOP: f64 = 60.0;
const SWEEPS: usize = 8;

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A graph, laid out.
pub(super) struct Layout {
    /// By node.
    pub(super) places: Vec<Place>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// How wide the rows of boxes without connections are at least.
const ROWS: f64 = 1000.0;

/// Lays out a graph: what is connected in columns, and what is not in rows below.
pub(super) fn of(graph: &Graph) -> Layout {
    let is_alone = |node: &NodeIndex| graph.neighbors_undirected(*node).next().is_none();
    let mut columns = order(graph, columns(graph));
    let mut alone: Vec<NodeIndex> = graph.node_indices().filter(is_alone).collect();
    for column in &mut columns {
        column.retain(|node| !is_alone(node));
    }
    columns.retain(|column| !column.is_empty());
    alone.sort_by_key(|node| {
        graph
            .node_weight(*node)
            .map(|content| (&content.heading, &content.names))
    });
    let mut layout = in_columns(graph, &columns);
    in_rows(graph, &alone, &mut layout);
    layout
}

fn in_columns(graph: &Graph, columns: &[Vec<NodeIndex>]) -> Layout {
    let mut places = vec![Place::default(); graph.node_count()];
    let tall = |column: &[NodeIndex]| -> f64 {
        let boxes: f64 = column.iter().map(|node| size(graph, *node).1 + GAP_DOWN).sum();
        boxes - GAP_DOWN
    };
    let height = columns.iter().map(|column| tall(column)).fold(0.0, f64::max);
    let mut x = MARGIN;
    for column in columns {
        let width = column.iter().map(|node| size(graph, *node).0).fold(0.0, f64::max);
        let mut y = MARGIN + (height - tall(column)) / 2.0;
        for node in column {
            let (own, height) = size(graph, *node);
            if let Some(place) = places.get_mut(node.index()) {
                *place = Place {
                    x: x + (width - own) / 2.0,
                    y,
                    width: own,
                    height,
                };
            }
            y += height + GAP_DOWN;
        }
        x += width + GAP_ACROSS;
    }
    Layout {
        places,
        width: (x - GAP_ACROSS + MARGIN + LOOP).max(2.0 * MARGIN),
        height: height + 2.0 * MARGIN,
    }
}

/// Adds boxes below what is there.
fn in_rows(graph: &Graph, boxes: &[NodeIndex], layout: &mut Layout) {
    let widest = layout.width.max(ROWS);
    let mut bottom = layout.height;
    let (mut x, mut y) = (MARGIN, bottom.max(MARGIN));
    for node in boxes {
        let (width, height) = size(graph, *node);
        if x > MARGIN && x + width + MARGIN > widest {
            (x, y) = (MARGIN, bottom);
        }
        if let Some(place) = layout.places.get_mut(node.index()) {
            *place = Place { x, y, width, height };
        }
        layout.width = layout.width.max(x + width + MARGIN);
        bottom = bottom.max(y + height + GAP_DOWN);
        x += width + GAP_DOWN;
    }
    layout.height = layout.height.max(bottom);
}

/// The lines of a box's text, without its heading.
pub(super) fn lines(content: &Box) -> Vec<String> {
    let mut lines: Vec<String> = content
        .names
        .iter()
        .take(NAMES_SHOWN)
        .map(|name| cut(name, WIDEST))
        .collect();
    if content.names.len() > NAMES_SHOWN {
        lines.push(format!("and {} more", content.names.len() - NAMES_SHOWN));
    }
    if !content.among.is_empty() && content.names.len() > 1 {
        lines.push(cut(&format!("⇄ {}", content.among), WIDEST));
    }
    lines
}

/// Shortens a text to so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('…');
    short
}

fn size(graph: &Graph, node: NodeIndex) -> (f64, f64) {
    let Some(content) = graph.node_weight(node) else {
        return (0.0, 0.0);
    };
    let lines = lines(content);
    let longest = lines
        .iter()
        .map(|line| line.chars().count())
        .chain([content.heading.chars().count().min(WIDEST)])
        .max()
        .unwrap_or(0);
    let count = u16::try_from(lines.len() + 1).unwrap_or(u16::MAX);
    let longest = u16::try_from(longest).unwrap_or(u16::MAX);
    (
        f64::from(longest) * CHARACTER + 20.0,
        f64::from(count) * LINE + 14.0,
    )
}

/// Nodes by rank, from left to right.
fn columns(graph: &Graph) -> Vec<Vec<NodeIndex>> {
    // Circles in reverse topological order: what a circle reaches comes before it.
    let circles = tarjan_scc(graph);
    let mut circle_of: BTreeMap<NodeIndex, usize> = BTreeMap::new();
    for (at, circle) in circles.iter().enumerate() {
        circle_of.extend(circle.iter().map(|node| (*node, at)));
    }
    // A big circle takes several columns.
    let width = |circle: &[NodeIndex]| circle.len().div_ceil(TALLEST).max(1);
    let mut first: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, circle) in circles.iter().enumerate().rev() {
        let before = circle
            .iter()
            .flat_map(|node| graph.neighbors_directed(*node, Direction::Incoming))
            .filter_map(|from| circle_of.get(&from))
            .filter(|from| **from != at)
            .filter_map(|from| Some(first.get(from)? + width(circles.get(*from)?)))
            .max()
            .unwrap_or(0);
        first.insert(at, before);
    }
    let mut columns: BTreeMap<usize, Vec<NodeIndex>> = BTreeMap::new();
    for (at, circle) in circles.iter().enumerate() {
        let mut circle = circle.clone();
        circle.sort();
        let start = first.get(&at).copied().unwrap_or(0);
        // A column for each half of a small circle too: connections within one column cannot be told apart.
        let per_column = if circle.len() > 2 {
            circle.len().div_ceil(width(&circle).max(2))
        } else {
            TALLEST
        };
        for (offset, part) in circle.chunks(per_column).enumerate() {
            columns.entry(start + offset).or_default().extend(part);
        }
    }
    columns.into_values().collect()
}

/// Orders each column by where the neighbours of its boxes stand.
fn order(graph: &Graph, mut columns: Vec<Vec<NodeIndex>>) -> Vec<Vec<NodeIndex>> {
    for column in &mut columns {
        column.sort_by_key(|node| {
            graph
                .node_weight(*node)
                .map(|content| (&content.heading, &content.names))
        });
    }
    for sweep in 0..SWEEPS {
        let mut height: BTreeMap<NodeIndex, f64> = BTreeMap::new();
        for column in &columns {
            let count = u32::try_from(column.len()).unwrap_or(u32::MAX);
            for (at, node) in (0u32..).zip(column) {
                height.insert(*node, (f64::from(at) + 0.5) / f64::from(count));
            }
        }
        let direction = if sweep % 2 == 0 {
            Direction::Incoming
        } else {
            Direction::Outgoing
        };
        for column in &mut columns {
            let wish = |node: &NodeIndex| {
                let around: Vec<f64> = graph
                    .edges_directed(*node, direction)
                    .map(|edge| {
                        if direction == Direction::Incoming {
                            edge.source()
                        } else {
                            edge.target()
                        }
                    })
                    .filter_map(|other| height.get(&other).copied())
                    .collect();
                let count = u32::try_from(around.len()).unwrap_or(u32::MAX);
                if around.is_empty() {
                    height.get(node).copied().unwrap_or(0.0)
                } else {
                    around.iter().sum::<f64>() / f64::from(count)
                }
            };
            let mut wishes: Vec<(f64, NodeIndex)> = column.iter().map(|node| (wish(node), *node)).collect();
            // Stable: boxes without a preference stay in the order of names.
            wishes.sort_by(|a, b| a.0.total_cmp(&b.0));
            *column = wishes.into_iter().map(|(_, node)| node).collect();
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectivity::PortSet;

    fn graph(boxes: usize, edges: &[(usize, usize)]) -> Graph {
        let mut graph = Graph::new();
        let nodes: Vec<_> = (0..boxes)
            .map(|at| {
                graph.add_node(Box {
                    heading: "ns".to_owned(),
                    names: vec![format!("workload-{at:03}")],
                    among: PortSet::NONE,
                })
            })
            .collect();
        for (from, to) in edges {
            graph.add_edge(nodes[*from], nodes[*to], (PortSet::everything(), 1));
        }
        graph
    }

    fn overlap(a: &Place, b: &Place) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    fn check(graph: &Graph) -> Layout {
        let layout = of(graph);
        for (at, place) in layout.places.iter().enumerate() {
            assert!(place.x >= 0.0 && place.y >= 0.0, "{place:?}");
            assert!(place.x + place.width <= layout.width && place.y + place.height <= layout.height);
            assert!(
                layout.places[..at].iter().all(|other| !overlap(place, other)),
                "{at}"
            );
        }
        layout
    }

    #[test]
    fn a_chain_runs_from_left_to_right() {
        let layout = check(&graph(4, &[(2, 1), (1, 0), (0, 3)]));
        let x = |node: usize| layout.places[node].x;
        assert!(x(2) < x(1) && x(1) < x(0) && x(0) < x(3));
    }

    #[test]
    fn circles_and_crowds_have_room() {
        check(&graph(0, &[]));
        check(&graph(1, &[]));
        check(&graph(2, &[(0, 1), (1, 0)]));
        let everybody: Vec<_> = (0..40)
            .flat_map(|a| (0..40).map(move |b| (a, b)))
            .filter(|(a, b)| a != b)
            .collect();
        let layout = check(&graph(40, &everybody));
        let columns: std::collections::BTreeSet<_> =
            layout.places.iter().map(|place| place.x as u32).collect();
        assert_eq!(columns.len(), 5);
    }
}
