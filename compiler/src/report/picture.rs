//! A graph that is laid out, as SVG.

use super::graph::{Graph, View};
use super::layout::{self, LINE, LOOP, Layout, Place};
use maud::{Markup, html};
use petgraph::visit::{EdgeRef as _, IntoNodeReferences as _};

/// Characters of an edge's label.
const LABEL: usize = 20;

/// The picture of a view. `number` tells its markers from those of other pictures on the page.
pub(super) fn of(view: &View, number: usize) -> Markup {
    let layout = layout::of(&view.graph);
    let lines = lines(&view.graph, &layout);
    let arrow = format!("arrow-{number}");
    html! {
        svg.graph
            viewBox=(format!("0 0 {:.0} {:.0}", layout.width, layout.height))
            width=(format!("{:.0}", layout.width))
            height=(format!("{:.0}", layout.height))
            role="img"
            aria-label=(format!("Graph: {}", view.title))
        {
            defs {
                marker id=(arrow) viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" {
                    path.head d="M0 0 L8 4 L0 8 z" {}
                }
            }
            (edges(&lines, &arrow))
            @for (node, content) in view.graph.node_references() {
                @if let Some(place) = layout.places.get(node.index()) {
                    g.box data-name=(format!("{} {}", content.heading, content.names.join(" "))) {
                        title { (content.heading) ": " (content.names.join(", ")) }
                        rect
                            x=(px(place.x)) y=(px(place.y)) rx="6"
                            width=(px(place.width)) height=(px(place.height)) {}
                        text.heading x=(px(place.x + 10.0)) y=(px(place.y + LINE + 3.0)) {
                            (layout::cut(&content.heading, 34))
                        }
                        @for (at, line) in (2u16..).zip(layout::lines(content)) {
                            text x=(px(place.x + 10.0)) y=(px(place.y + f64::from(at) * LINE + 3.0)) { (line) }
                        }
                    }
                }
            }
            // Above the boxes, so that none is hidden.
            @for line in &lines {
                text.label data-name=(line.names) x=(px(line.label.0)) y=(px(line.label.1)) text-anchor="middle" {
                    title { (line.said) }
                    (line.short)
                }
            }
        }
    }
}

fn edges(lines: &[Line], arrow: &str) -> Markup {
    html! {
        @for line in lines {
            g.edge data-name=(line.names) {
                title { (line.said) }
                path d=(line.curve.path()) marker-end=(format!("url(#{arrow})")) {}
            }
        }
    }
}

/// A connection as it is drawn.
struct Line {
    curve: Curve,
    /// What both boxes are called, for the search.
    names: String,
    /// The ports, in full.
    said: String,
    /// The ports, as far as there is room.
    short: String,
    /// The middle of the label's base line.
    label: (f64, f64),
}

/// Every connection, each with room for its label.
fn lines(graph: &Graph, layout: &Layout) -> Vec<Line> {
    let mut taken: Vec<Place> = layout.places.clone();
    let mut lines = Vec::new();
    for edge in graph.edge_references() {
        let (Some(from), Some(to)) = (
            layout.places.get(edge.source().index()),
            layout.places.get(edge.target().index()),
        ) else {
            continue;
        };
        let (ports, count) = edge.weight();
        let names = [edge.source(), edge.target()].map(|node| {
            graph.node_weight(node).map_or_else(String::new, |content| {
                format!("{} {}", content.heading, content.names.join(" "))
            })
        });
        let said = match count {
            1 => ports.to_string(),
            many => format!("{ports} ({many} connections)"),
        };
        let curve = Curve::between(from, to);
        let short = layout::cut(&ports.to_string(), LABEL);
        let label = curve.free_place(&short, &taken);
        taken.push(label_place(&short, label));
        lines.push(Line {
            curve,
            names: names.join(" "),
            said,
            short,
            label,
        });
    }
    lines
}

/// The rectangle of a label by the middle of its base line.
fn label_place(text: &str, (x, y): (f64, f64)) -> Place {
    let length = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
    let width = f64::from(length) * 6.2 + 6.0;
    Place {
        x: x - width / 2.0,
        y: y - 11.0,
        width,
        height: 14.0,
    }
}

/// How much of one rectangle lies on another.
fn overlap(one: &Place, other: &Place) -> f64 {
    let across = (one.x + one.width).min(other.x + other.width) - one.x.max(other.x);
    let down = (one.y + one.height).min(other.y + other.height) - one.y.max(other.y);
    across.max(0.0) * down.max(0.0)
}

/// A line between two boxes.
struct Curve {
    points: [(f64, f64); 4],
}

impl Curve {
    fn between(from: &Place, to: &Place) -> Self {
        let middle = |place: &Place| place.y + place.height / 2.0;
        let (start, end, bow) = if from.x + from.width <= to.x {
            // Onwards: out on the right, in on the left.
            let bow = (to.x - from.x - from.width) / 2.0;
            (
                (from.x + from.width, middle(from)),
                (to.x, middle(to)),
                (bow, -bow),
            )
        } else if to.x + to.width <= from.x {
            // Back: out on the left, in on the right, a little lower, so that it is not drawn over the way there.
            let bow = (from.x - to.x - to.width) / 2.0;
            (
                (from.x, middle(from) + 8.0),
                (to.x + to.width, middle(to) + 8.0),
                (-bow, bow),
            )
        } else {
            // Within a column: a loop on the right.
            (
                (from.x + from.width, middle(from)),
                (to.x + to.width, middle(to)),
                (LOOP, LOOP),
            )
        };
        let points = [start, (start.0 + bow.0, start.1), (end.0 + bow.1, end.1), end];
        Self { points }
    }

    /// A point of the line: 0 is its start, 1 its end.
    fn at(&self, t: f64) -> (f64, f64) {
        let of = |select: fn(&(f64, f64)) -> f64| {
            let [a, b, c, d] = self.points.each_ref().map(select);
            let s = 1.0 - t;
            s * s * s * a + 3.0 * s * s * t * b + 3.0 * s * t * t * c + t * t * t * d
        };
        (of(|point| point.0), of(|point| point.1))
    }

    /// Where a label on this line is read best: as far from all that is drawn already as it goes, and rather near the
    /// start, where the lines to one box are still apart.
    fn free_place(&self, text: &str, taken: &[Place]) -> (f64, f64) {
        let mut best = ((0.0, 0.0), f64::INFINITY);
        for t in [0.42, 0.5, 0.34, 0.58, 0.26, 0.66, 0.18, 0.74, 0.82, 0.9, 0.1] {
            let (x, y) = self.at(t);
            let place = label_place(text, (x, y - 4.0));
            let hidden: f64 = taken.iter().map(|other| overlap(&place, other)).sum();
            if hidden < best.1 {
                best = ((x, y - 4.0), hidden);
            }
        }
        best.0
    }

    fn path(&self) -> String {
        let [a, b, c, d] = self.points.map(|(x, y)| format!("{x:.1} {y:.1}"));
        format!("M{a} C{b}, {c}, {d}")
    }
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}
