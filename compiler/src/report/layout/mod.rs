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

use super::graph::{Box, Graph};
use order::{Cell, Columns};
use petgraph::graph::NodeIndex;
use routes::Edges;

/// Columns of a box's text.
const WIDEST: usize = 34;
/// Names that a box shows.
pub(super) const NAMES_SHOWN: usize = 8;
/// Width of a character, in units of the picture.
const CHARACTER: f64 = 7.0;
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
const ROWS: f64 = 1000.0;

/// Lays out a graph: what is connected in columns, and what is not in rows below.
pub(super) fn of(graph: &Graph) -> Layout {
    let is_alone = |node: &NodeIndex| graph.neighbors_undirected(*node).next().is_none();
    let mut alone: Vec<NodeIndex> = graph.node_indices().filter(is_alone).collect();
    alone.sort_by_key(|node| {
        graph
            .node_weight(*node)
            .map(|content| (&content.heading, &content.names))
    });
    let mut layout = in_columns(graph, &Columns::of(graph, columns::columns(graph)));
    in_rows(graph, &alone, &mut layout);
    layout
}

fn in_columns(graph: &Graph, columns: &Columns) -> Layout {
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
            let (Cell::Box(node), Some((width, height)), Some(middle)) =
                (cell, size(cell), middles.get(cell))
            else {
                continue;
            };
            if let Some(place) = places.get_mut(node.index()) {
                *place = Place {
                    x: (left + right - width) / 2.0,
                    y: middle - height / 2.0,
                    width,
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
        bottom = bottom.max(y + height + GAP_IN_ROWS);
        x += width + GAP_IN_ROWS;
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
