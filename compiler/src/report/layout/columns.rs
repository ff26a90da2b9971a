//! Which column each box of a graph stands in.

use super::super::views::Sketch;
use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet};

/// Boxes in a column of a circle, before the next column begins.
const TALLEST: usize = 9;
/// Columns of a circle in which no line stays within a column. One that would take more is cut into as many as its boxes
/// need, and a few at least.
const MOST_COLUMNS: usize = 6;
const FEW: usize = 4;

/// The boxes that have connections, by column, from left to right: boxes that reach each other in a circle stand
/// together, others follow the longest way.
pub(super) fn columns(graph: &Sketch) -> Vec<Vec<NodeIndex>> {
    // In reverse topological order: what a circle reaches comes before it.
    let circles: Vec<Circle> = tarjan_scc(graph)
        .into_iter()
        .filter(|circle| {
            circle
                .iter()
                .any(|node| graph.neighbors_undirected(*node).next().is_some())
        })
        .map(|circle| unrolled(graph, circle.into_iter().collect()))
        .collect();
    let mut columns: BTreeMap<usize, Vec<NodeIndex>> = BTreeMap::new();
    for (circle, start) in circles.iter().zip(first_columns(graph, &circles)) {
        for (offset, part) in circle.iter().enumerate() {
            columns.entry(start + offset).or_default().extend(part);
        }
    }
    columns.into_values().collect()
}

/// Boxes that reach each other, in columns of their own.
type Circle = Vec<Vec<NodeIndex>>;

/// A circle in columns, so that few lines run back and as few within a column as there is room for.
fn unrolled(graph: &Sketch, circle: BTreeSet<NodeIndex>) -> Circle {
    let order = with_few_back(graph, &circle);
    let place: BTreeMap<NodeIndex, usize> = order.iter().enumerate().map(|(at, node)| (*node, at)).collect();
    // Along the lines that do not run back, the longest way.
    let mut depth: BTreeMap<NodeIndex, usize> = BTreeMap::new();
    for (at, node) in order.iter().enumerate() {
        let before = graph
            .neighbors_directed(*node, Direction::Incoming)
            .filter(|from| place.get(from).is_some_and(|from| *from < at))
            .filter_map(|from| depth.get(&from))
            .max();
        depth.insert(*node, before.map_or(0, |before| before + 1));
    }
    let mut levels: BTreeMap<usize, Vec<NodeIndex>> = BTreeMap::new();
    for (node, depth) in depth {
        levels.entry(depth).or_default().push(node);
    }
    if levels.len() <= MOST_COLUMNS && levels.values().all(|level| level.len() <= TALLEST) {
        return levels.into_values().collect();
    }
    let width = FEW.max(order.len().div_ceil(TALLEST));
    let by_level: Vec<NodeIndex> = levels.into_values().flatten().collect();
    let tall = by_level.len().div_ceil(width).max(1);
    by_level.chunks(tall).map(<[NodeIndex]>::to_vec).collect()
}

/// The boxes of a circle in an order in which few lines run back: the greedy one of Eades, Lin and Smyth ("A fast and
/// effective heuristic for the feedback arc set problem", 1993).
fn with_few_back(graph: &Sketch, circle: &BTreeSet<NodeIndex>) -> Vec<NodeIndex> {
    let among = |node: NodeIndex, direction| {
        graph
            .neighbors_directed(node, direction)
            .filter(|other| circle.contains(other))
    };
    // How many lines enter and leave each box that has no place yet, from and to others that have none.
    let mut left: BTreeMap<NodeIndex, (usize, usize)> = circle
        .iter()
        .map(|node| {
            let lines = (
                among(*node, Direction::Incoming).count(),
                among(*node, Direction::Outgoing).count(),
            );
            (*node, lines)
        })
        .collect();
    let (mut front, mut back) = (Vec::new(), Vec::new());
    loop {
        let last = left.iter().find(|(_, (_, leave))| *leave == 0);
        let is_last = last.is_some();
        // Of those that are alike, the first.
        let next = last.or_else(|| {
            left.iter()
                .rev()
                .max_by_key(|(_, (enter, leave))| (*enter == 0, leave.wrapping_sub(*enter).cast_signed()))
        });
        let Some(node) = next.map(|(node, _)| *node) else {
            break;
        };
        left.remove(&node);
        for other in among(node, Direction::Outgoing) {
            if let Some((enter, _)) = left.get_mut(&other) {
                *enter -= 1;
            }
        }
        for other in among(node, Direction::Incoming) {
            if let Some((_, leave)) = left.get_mut(&other) {
                *leave -= 1;
            }
        }
        if is_last {
            back.push(node)
        } else {
            front.push(node)
        }
    }
    front.extend(back.into_iter().rev());
    front
}

/// The first column of each circle.
fn first_columns(graph: &Sketch, circles: &[Circle]) -> Vec<usize> {
    let mut circle_of: BTreeMap<NodeIndex, usize> = BTreeMap::new();
    for (at, circle) in circles.iter().enumerate() {
        circle_of.extend(circle.iter().flatten().map(|node| (*node, at)));
    }
    let beside = |at: usize, direction| {
        let circle = circles.get(at).into_iter().flatten().flatten();
        circle
            .flat_map(move |node| graph.neighbors_directed(*node, direction))
            .filter_map(|other| circle_of.get(&other).copied())
            .filter(move |other| *other != at)
    };
    let width_of = |at: usize| circles.get(at).map_or(0, |circle| circle.len());
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
