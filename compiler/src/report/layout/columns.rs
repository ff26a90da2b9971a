//! Which column each box of a graph stands in.

use super::super::graph::Graph;
use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// Boxes in a column of a circle, before the next column begins.
const TALLEST: usize = 9;

/// The boxes that have connections, by column, from left to right: boxes that reach each other in a circle stand
/// together, others follow the longest way.
pub(super) fn columns(graph: &Graph) -> Vec<Vec<NodeIndex>> {
    // In reverse topological order: what a circle reaches comes before it.
    let circles = tarjan_scc(graph);
    let first = first_columns(graph, &circles);
    let mut columns: BTreeMap<usize, Vec<NodeIndex>> = BTreeMap::new();
    for (circle, start) in circles.iter().zip(first) {
        let mut circle: Vec<NodeIndex> = circle
            .iter()
            .filter(|node| graph.neighbors_undirected(**node).next().is_some())
            .copied()
            .collect();
        if circle.is_empty() {
            continue;
        }
        circle.sort();
        let per_column = circle.len().div_ceil(width(circle.len()));
        for (offset, part) in circle.chunks(per_column).enumerate() {
            columns.entry(start + offset).or_default().extend(part);
        }
    }
    columns.into_values().collect()
}

/// How many columns a circle takes: two at least, for connections within a column are hard to tell apart.
fn width(boxes: usize) -> usize {
    boxes.div_ceil(TALLEST).max(boxes.min(2))
}

/// The first column of each circle.
fn first_columns(graph: &Graph, circles: &[Vec<NodeIndex>]) -> Vec<usize> {
    let mut circle_of: BTreeMap<NodeIndex, usize> = BTreeMap::new();
    for (at, circle) in circles.iter().enumerate() {
        circle_of.extend(circle.iter().map(|node| (*node, at)));
    }
    let beside = |at: usize, direction| {
        let circle = circles.get(at).into_iter().flatten();
        circle
            .flat_map(move |node| graph.neighbors_directed(*node, direction))
            .filter_map(|other| circle_of.get(&other).copied())
            .filter(move |other| *other != at)
    };
    let width_of = |at: usize| circles.get(at).map_or(0, |circle| width(circle.len()));
    let mut first: Vec<usize> = vec![0; circles.len()];
    for at in (0..circles.len()).rev() {
        let begins = beside(at, Direction::Incoming)
            .filter_map(|from| Some(first.get(from)? + width_of(from)))
            .max();
        if let Some(place) = first.get_mut(at) {
            *place = begins.unwrap_or(0);
        }
    }
    // What nobody reaches stands close to what it reaches, so that its lines are short.
    for at in 0..circles.len() {
        if beside(at, Direction::Incoming).next().is_some() {
            continue;
        }
        let nearest = beside(at, Direction::Outgoing)
            .filter_map(|to| first.get(to).copied())
            .min();
        if let (Some(place), Some(nearest)) = (first.get_mut(at), nearest) {
            *place = nearest.saturating_sub(width_of(at));
        }
    }
    first
}
