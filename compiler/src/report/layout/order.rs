//! In which order boxes stand in a column, and between which of them lines pass.

use super::super::views::Sketch;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;
use std::collections::{BTreeMap, BTreeSet};

const SWEEPS: usize = 12;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Box(NodeIndex),
    /// Room for the lines to a box farther on; those from the left and those from the right pass apart.
    Pass {
        to: NodeIndex,
        onwards: bool,
    },
}

/// Columns of cells.
pub(super) struct Columns {
    /// From left to right, each from top to bottom.
    pub(super) cells: Vec<Vec<Cell>>,
    /// Between each column and the next, what lines join.
    pub(super) joints: Vec<BTreeSet<(Cell, Cell)>>,
    column_of: BTreeMap<NodeIndex, usize>,
}

impl Columns {
    /// Columns of boxes, with room where lines pass, in an order with few crossings.
    pub(super) fn of(graph: &Sketch, boxes: Vec<Vec<NodeIndex>>) -> Self {
        let mut columns = Self::in_order_of_names(graph, boxes);
        let mut best = (columns.crossings(), columns.cells.clone());
        for sweep in 0..SWEEPS {
            columns.sweep(sweep % 2 == 0);
            let crossings = columns.crossings();
            if crossings < best.0 {
                best = (crossings, columns.cells.clone());
            }
        }
        columns.cells = best.1;
        columns
    }

    fn in_order_of_names(graph: &Sketch, mut boxes: Vec<Vec<NodeIndex>>) -> Self {
        let mut column_of = BTreeMap::new();
        for (at, column) in boxes.iter_mut().enumerate() {
            column.sort_by_key(|node| graph.node_weight(*node));
            column_of.extend(column.iter().map(|node| (*node, at)));
        }
        let mut columns = Self {
            joints: vec![BTreeSet::new(); boxes.len().saturating_sub(1)],
            cells: boxes
                .into_iter()
                .map(|column| column.into_iter().map(Cell::Box).collect())
                .collect(),
            column_of,
        };
        let mut passes: Vec<BTreeSet<Cell>> = vec![BTreeSet::new(); columns.cells.len()];
        for edge in graph.edge_references() {
            let way = columns.way(edge.source(), edge.target());
            for (at, cell) in &way {
                if let (Cell::Pass { .. }, Some(passes)) = (cell, passes.get_mut(*at)) {
                    passes.insert(*cell);
                }
            }
            for pair in way.windows(2) {
                let [(at, one), (next, other)] = pair else {
                    continue;
                };
                let (left, joint) = if at < next {
                    (at, (*one, *other))
                } else {
                    (next, (*other, *one))
                };
                if let (true, Some(joints)) = (at != next, columns.joints.get_mut(*left)) {
                    joints.insert(joint);
                }
            }
        }
        for (column, passes) in columns.cells.iter_mut().zip(passes) {
            column.extend(passes);
        }
        columns
    }

    /// The column of a box.
    pub(super) fn column(&self, node: NodeIndex) -> Option<usize> {
        self.column_of.get(&node).copied()
    }

    /// What the line from one box to another goes through, both included, with the columns.
    pub(super) fn way(&self, from: NodeIndex, to: NodeIndex) -> Vec<(usize, Cell)> {
        let (Some(start), Some(end)) = (self.column(from), self.column(to)) else {
            return Vec::new();
        };
        let onwards = start < end;
        let pass = |at| (at, Cell::Pass { to, onwards });
        let mut way = vec![(start, Cell::Box(from))];
        if onwards {
            way.extend((start + 1..end).map(pass));
        } else {
            way.extend((end + 1..start).rev().map(pass));
        }
        way.push((end, Cell::Box(to)));
        way
    }

    /// Orders each column by where those stand that it is joined to in the column before it.
    fn sweep(&mut self, rightwards: bool) {
        let gaps = 0..self.joints.len();
        let gaps: Vec<usize> = if rightwards {
            gaps.collect()
        } else {
            gaps.rev().collect()
        };
        for gap in gaps {
            let (fixed, moved) = if rightwards {
                (gap, gap + 1)
            } else {
                (gap + 1, gap)
            };
            let (Some(heights), Some(joints)) = (
                self.cells.get(fixed).map(|cells| heights(cells)),
                self.joints.get(gap),
            ) else {
                continue;
            };
            let mut wishes: BTreeMap<Cell, Vec<f64>> = BTreeMap::new();
            for (left, right) in joints {
                let (from, to) = if rightwards { (left, right) } else { (right, left) };
                wishes.entry(*to).or_default().extend(heights.get(from));
            }
            let Some(cells) = self.cells.get_mut(moved) else {
                continue;
            };
            let own = self::heights(cells);
            let wish = |cell: &Cell| {
                wishes
                    .get(cell)
                    .and_then(|around| mean(around))
                    .or_else(|| own.get(cell).copied())
                    .unwrap_or(0.0)
            };
            // Stable: cells without a preference stay in the order of names.
            cells.sort_by(|one, other| wish(one).total_cmp(&wish(other)));
        }
    }

    /// How many pairs of lines cross between columns.
    fn crossings(&self) -> usize {
        let places = |cells: &[Cell]| -> BTreeMap<Cell, usize> {
            cells.iter().enumerate().map(|(at, cell)| (*cell, at)).collect()
        };
        let mut crossings = 0;
        for (joints, pair) in self.joints.iter().zip(self.cells.windows(2)) {
            let [left, right] = pair else { continue };
            let (left, right) = (places(left), places(right));
            let mut ends: Vec<(usize, usize)> = joints
                .iter()
                .filter_map(|(from, to)| Some((*left.get(from)?, *right.get(to)?)))
                .collect();
            ends.sort_unstable();
            let mut above: Vec<usize> = Vec::new();
            for (_, end) in ends {
                let at = above.partition_point(|other| *other <= end);
                crossings += above.len() - at;
                above.insert(at, end);
            }
        }
        crossings
    }
}

/// Where the cells of a column stand, from 0 at its top to 1 at its bottom.
fn heights(cells: &[Cell]) -> BTreeMap<Cell, f64> {
    let count = f64::from(u32::try_from(cells.len()).unwrap_or(u32::MAX));
    (0u32..)
        .zip(cells)
        .map(|(at, cell)| (*cell, (f64::from(at) + 0.5) / count))
        .collect()
}

/// The mean; `None` of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    let count = f64::from(u32::try_from(values.len()).ok()?);
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count)
}
