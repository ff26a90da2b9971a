//! Where the boxes of a graph stand, and where the lines between them run: in columns, so that connections run from left
//! to right where they can.
//!
//! The method is Sugiyama's ("Methods for visual understanding of hierarchical system structures", 1981): boxes have a
//! column (`columns`); lines over several columns have room kept for them in each, and sweeps of barycentres find an
//! order with few crossings (`order`); then each takes a height beside what it is joined to (`heights`), and lines run
//! between the columns and through the room that was kept (`routes`).

mod columns;
mod heights;
mod order;
mod routes;
#[cfg(test)]
mod tests;

pub(super) use routes::{Point, Route, on_bend};

use super::views::Sketch;
use order::{Cell, Columns};
use petgraph::graph::NodeIndex;
use routes::Edges;

/// Width of a character, in units of the picture.
const CHARACTER: f64 = 6.7;
/// Height of a line of text.
pub(super) const LINE: f64 = 16.0;
/// Room between columns, labels of edges stand there; more where many lines run, up to a limit.
const GAP_ACROSS: f64 = 150.0;
const GAP_FOR_LINE: f64 = 4.0;
const MOST_GAP: f64 = 260.0;
/// Room around boxes that stand in rows.
const GAP_IN_ROWS: f64 = 22.0;
pub(super) const MARGIN: f64 = 12.0;

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
    /// By edge.
    pub(super) routes: Vec<Option<Route>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// How wide the rows of boxes without connections are at least.
const ROWS: f64 = 1200.0;

/// Lays out a graph: what is connected in columns, and what is not in rows below.
pub(super) fn of(graph: &Sketch) -> Layout {
    let is_alone = |node: &NodeIndex| graph.neighbors_undirected(*node).next().is_none();
    let mut alone: Vec<NodeIndex> = graph.node_indices().filter(is_alone).collect();
    alone.sort_by_key(|node| graph.node_weight(*node));
    let mut layout = in_columns(graph, &Columns::of(graph, columns::columns(graph)));
    in_rows(graph, &alone, &mut layout);
    layout
}

fn in_columns(graph: &Sketch, columns: &Columns) -> Layout {
    let size = |cell: &Cell| match cell {
        Cell::Box(node) => Some(size(graph, *node)),
        Cell::Pass { .. } => None,
    };
    let mut middles = heights::middles(columns, |cell| size(cell).map(|(_, height)| height));
    let tops = columns.cells.iter().zip(&middles).flat_map(|(cells, middles)| {
        cells.iter().filter_map(move |cell| {
            let half = size(cell).map_or(0.0, |(_, height)| height) / 2.0;
            middles.get(cell).map(|middle| (middle - half, middle + half))
        })
    });
    let (top, bottom) = tops
        .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
        .unwrap_or_default();
    for middle in middles.iter_mut().flat_map(|column| column.values_mut()) {
        *middle += MARGIN - top;
    }
    let edges = edges(columns, |cell| size(cell).map_or(0.0, |(width, _)| width));
    let mut places = vec![Place::default(); graph.node_count()];
    for ((cells, (left, right)), middles) in columns.cells.iter().zip(&edges).zip(&middles) {
        for cell in cells {
            let (Cell::Box(node), Some((_, height)), Some(middle)) = (cell, size(cell), middles.get(cell))
            else {
                continue;
            };
            if let Some(place) = places.get_mut(node.index()) {
                *place = Place {
                    x: *left,
                    y: middle - height / 2.0,
                    width: right - left,
                    height,
                };
            }
        }
    }
    let routes = routes::routes(graph, columns, &edges, &middles, &places);
    // What bows out of the last column.
    let bows = routes
        .iter()
        .flatten()
        .filter_map(|route| Some(on_bend(&route.first_bend()?, 0.5).0));
    let last = edges.last().map_or(MARGIN, |(_, right)| *right);
    Layout {
        width: bows.fold(last, f64::max) + MARGIN,
        height: bottom - top + 2.0 * MARGIN,
        places,
        routes,
    }
}

/// The columns' edges.
fn edges(columns: &Columns, wide: impl Fn(&Cell) -> f64) -> Vec<Edges> {
    let mut edges = Vec::new();
    let mut x = MARGIN;
    for (at, cells) in columns.cells.iter().enumerate() {
        let width = cells.iter().map(&wide).fold(0.0, f64::max);
        edges.push((x, x + width));
        let lines = columns.joints.get(at).map_or(0, |joints| joints.len());
        let lines = f64::from(u16::try_from(lines).unwrap_or(u16::MAX));
        x += width + (GAP_ACROSS + lines * GAP_FOR_LINE).min(MOST_GAP);
    }
    edges
}

/// Adds boxes below what is there, in rows and columns.
fn in_rows(graph: &Sketch, boxes: &[NodeIndex], layout: &mut Layout) {
    let sizes: Vec<(f64, f64)> = boxes.iter().map(|node| size(graph, *node)).collect();
    let width = sizes.iter().map(|size| size.0).fold(0.0, f64::max);
    let widest = layout.width.max(ROWS);
    let is_first = boxes.len() == graph.node_count();
    let (mut x, mut y) = (MARGIN, if is_first { MARGIN } else { layout.height + MARGIN });
    let mut tallest = 0.0;
    for (node, (_, height)) in boxes.iter().zip(sizes) {
        if x > MARGIN && x + width + MARGIN > widest {
            (x, y) = (MARGIN, y + tallest + GAP_IN_ROWS);
            tallest = 0.0;
        }
        if let Some(place) = layout.places.get_mut(node.index()) {
            *place = Place { x, y, width, height };
        }
        tallest = height.max(tallest);
        layout.width = layout.width.max(x + width + MARGIN);
        layout.height = layout.height.max(y + height + MARGIN);
        x += width + GAP_IN_ROWS;
    }
}

fn size(graph: &Sketch, node: NodeIndex) -> (f64, f64) {
    let Some(card) = graph.node_weight(node) else {
        return (0.0, 0.0);
    };
    let lines = || [&card.heading].into_iter().chain(&card.names).chain(&card.notes);
    let longest = lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let of = |count: usize| f64::from(u16::try_from(count).unwrap_or(u16::MAX));
    (of(longest) * CHARACTER + 20.0, of(lines().count()) * LINE + 14.0)
}
