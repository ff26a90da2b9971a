//! Where lines run: beside the boxes of a column only through the room that is kept for them, and free between columns.
//! So no line runs below a box.

use super::super::views::Sketch;
use super::Place;
use super::heights::Middles;
use super::order::{Cell, Columns, mean};
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;
use std::collections::BTreeMap;

/// Room between the spots on a box's side where lines begin and end.
const SPOTS: f64 = 12.0;
/// How far the spots stay away from a box's corners.
const CORNER: f64 = 8.0;
/// How far a line within a column bows out of it, at least and at most.
const BOW: (f64, f64) = (24.0, 110.0);

/// A point of the picture.
pub(in crate::report) type Point = (f64, f64);

/// The way of a line, from the side of one box to the side of another.
#[derive(Clone, Debug)]
pub(in crate::report) struct Route {
    pub(in crate::report) start: Point,
    pub(in crate::report) pieces: Vec<Piece>,
}

/// A piece of a way, from where the one before it ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) enum Piece {
    Straight(Point),
    /// A cubic curve: what it is drawn to, and its end.
    Bend(Point, Point, Point),
}

impl Piece {
    fn end(self) -> Point {
        match self {
            Self::Straight(end) | Self::Bend(_, _, end) => end,
        }
    }
}

impl Route {
    fn to(&mut self, end: Point) {
        let last = self.pieces.last().map_or(self.start, |piece| piece.end());
        if last != end {
            self.pieces.push(Piece::Straight(end));
        }
    }

    /// The first bend. Lines to one box share what comes after it.
    pub(in crate::report) fn first_bend(&self) -> Option<[Point; 4]> {
        let mut from = self.start;
        for piece in &self.pieces {
            if let Piece::Bend(one, other, end) = piece {
                return Some([from, *one, *other, *end]);
            }
            from = piece.end();
        }
        None
    }

    /// The way as an SVG path says it.
    pub(in crate::report) fn path(&self) -> String {
        let point = |(x, y): Point| format!("{x:.1} {y:.1}");
        let mut path = format!("M{}", point(self.start));
        for piece in &self.pieces {
            path.push_str(&match *piece {
                Piece::Straight(end) => format!(" L{}", point(end)),
                Piece::Bend(one, other, end) => format!(" C{}, {}, {}", point(one), point(other), point(end)),
            });
        }
        path
    }
}

/// A point of a cubic curve: 0 is its start, 1 its end.
pub(in crate::report) fn on_bend(points: &[Point; 4], t: f64) -> Point {
    let of = |select: fn(&Point) -> f64| {
        let [a, b, c, d] = points.each_ref().map(select);
        let s = 1.0 - t;
        s * s * s * a + 3.0 * s * s * t * b + 3.0 * s * t * t * c + t * t * t * d
    };
    (of(|point| point.0), of(|point| point.1))
}

/// The left and the right edge of a column.
pub(super) type Edges = (f64, f64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Left,
    Right,
}

/// What a line does on a box's side. Those that arrive share a spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Does {
    Leave(Cell),
    Arrive,
}

/// Where lines begin and end.
type Spots = BTreeMap<(NodeIndex, Side, Does), f64>;

/// The route of each edge, by its number.
pub(super) fn routes(
    graph: &Sketch,
    columns: &Columns,
    edges: &[Edges],
    middles: &Middles,
    places: &[Place],
) -> Vec<Option<Route>> {
    let spots = spots(graph, columns, middles, places);
    let mut routes = vec![None; graph.edge_count()];
    for edge in graph.edge_references() {
        let way = columns.way(edge.source(), edge.target());
        let route = route(&way, edges, middles, places, &spots);
        if let Some(place) = routes.get_mut(edge.id().index()) {
            *place = route;
        }
    }
    routes
}

/// The sides that a line leaves and reaches, by the columns of its ends.
fn sides(from: usize, to: usize) -> (Side, Side) {
    match from.cmp(&to) {
        std::cmp::Ordering::Less => (Side::Right, Side::Left),
        std::cmp::Ordering::Greater => (Side::Left, Side::Right),
        std::cmp::Ordering::Equal => (Side::Right, Side::Right),
    }
}

fn spots(graph: &Sketch, columns: &Columns, middles: &Middles, places: &[Place]) -> Spots {
    let mut towards: BTreeMap<(NodeIndex, Side), BTreeMap<Does, Vec<f64>>> = BTreeMap::new();
    let height = |(at, cell): &(usize, Cell)| middles.get(*at).and_then(|column| column.get(cell)).copied();
    for edge in graph.edge_references() {
        let (source, target) = (edge.source(), edge.target());
        let way = columns.way(source, target);
        let ([first, second, ..], [.., before, last]) = (way.as_slice(), way.as_slice()) else {
            continue;
        };
        let (leaves, reaches) = sides(first.0, last.0);
        let mut note = |node, side, does, other| {
            let of_side = towards.entry((node, side)).or_default();
            of_side.entry(does).or_default().extend(height(other));
        };
        note(source, leaves, Does::Leave(second.1), second);
        note(target, reaches, Does::Arrive, before);
    }
    let mut spots = Spots::new();
    for ((node, side), lines) in towards {
        let Some(place) = places.get(node.index()) else {
            continue;
        };
        let mut sorted: Vec<(f64, bool, Does)> = lines
            .iter()
            .map(|(does, heights)| {
                // There and back between two boxes: the way there is above on both sides.
                let is_back = (side == Side::Right) == (*does == Does::Arrive);
                (mean(heights).unwrap_or(0.0), is_back, *does)
            })
            .collect();
        sorted.sort_by(|one, other| {
            one.0
                .total_cmp(&other.0)
                .then_with(|| (one.1, one.2).cmp(&(other.1, other.2)))
        });
        let gaps = f64::from(u32::try_from(sorted.len().saturating_sub(1)).unwrap_or(u32::MAX));
        let step = ((place.height - 2.0 * CORNER) / gaps.max(1.0)).clamp(0.0, SPOTS);
        let mut y = place.y + (place.height - gaps * step) / 2.0;
        for (_, _, does) in sorted {
            spots.insert((node, side, does), y);
            y += step;
        }
    }
    spots
}

fn route(
    way: &[(usize, Cell)],
    edges: &[Edges],
    middles: &Middles,
    places: &[Place],
    spots: &Spots,
) -> Option<Route> {
    let ([(start, Cell::Box(source)), second, ..], [.., (end, Cell::Box(target))]) = (way, way) else {
        return None;
    };
    let (leaves, reaches) = sides(*start, *end);
    let side = |place: &Place, side| match side {
        Side::Left => place.x,
        Side::Right => place.x + place.width,
    };
    let start_y = *spots.get(&(*source, leaves, Does::Leave(second.1)))?;
    let end_y = *spots.get(&(*target, reaches, Does::Arrive))?;
    let mut route = Route {
        start: (side(places.get(source.index())?, leaves), start_y),
        pieces: Vec::new(),
    };
    let mut y = start_y;
    for pair in way.windows(2) {
        let [(at, _), (next, cell)] = pair else { continue };
        let next_y = match cell {
            Cell::Box(_) => end_y,
            Cell::Pass { .. } => *middles.get(*next)?.get(cell)?,
        };
        let (here, there) = (edges.get(*at)?, edges.get(*next)?);
        let (from, to, bows) = match at.cmp(next) {
            std::cmp::Ordering::Less => (here.1, there.0, [(there.0 - here.1) / 2.0; 2]),
            std::cmp::Ordering::Greater => (here.0, there.1, [(there.1 - here.0) / 2.0; 2]),
            std::cmp::Ordering::Equal => {
                let bow = (BOW.0 + (next_y - y).abs() * 0.3).min(BOW.1);
                (here.1, here.1, [bow, -bow])
            }
        };
        route.to((from, y));
        let [out, back] = bows;
        route
            .pieces
            .push(Piece::Bend((from + out, y), (to - back, next_y), (to, next_y)));
        y = next_y;
        // Across the column, through the room that is kept there.
        let far = if at < next { there.1 } else { there.0 };
        if matches!(cell, Cell::Pass { .. }) {
            route.to((far, y));
        }
    }
    route.to((side(places.get(target.index())?, reaches), end_y));
    Some(route)
}
