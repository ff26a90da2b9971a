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
            (edges(&view.graph, &layout, &arrow))
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
        }
    }
}

fn edges(graph: &Graph, layout: &Layout, arrow: &str) -> Markup {
    html! {
        @for edge in graph.edge_references() {
            @if let (Some(from), Some(to)) = (
                layout.places.get(edge.source().index()),
                layout.places.get(edge.target().index()),
            ) {
                @let (ports, count) = edge.weight();
                @let curve = Curve::between(from, to);
                @let names = [edge.source(), edge.target()]
                    .map(|node| graph.node_weight(node).map_or_else(String::new, |content| {
                        format!("{} {}", content.heading, content.names.join(" "))
                    }));
                g.edge data-name=(names.join(" ")) {
                    title {
                        (ports)
                        @if *count > 1 { " (" (count) " connections)" }
                    }
                    path d=(curve.path()) marker-end=(format!("url(#{arrow})")) {}
                    text.label x=(px(curve.label.0)) y=(px(curve.label.1)) text-anchor="middle" {
                        (layout::cut(&ports.to_string(), LABEL))
                    }
                }
            }
        }
    }
}

/// A line between two boxes.
struct Curve {
    points: [(f64, f64); 4],
    label: (f64, f64),
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
        let at = |select: fn(&(f64, f64)) -> f64, t: f64| {
            let [a, b, c, d] = points.each_ref().map(select);
            let s = 1.0 - t;
            s * s * s * a + 3.0 * s * s * t * b + 3.0 * s * t * t * c + t * t * t * d
        };
        // Nearer to the start: edges that meet at one box fan out there.
        let t = 0.42;
        Self {
            label: (at(|point| point.0, t), at(|point| point.1, t) - 4.0),
            points,
        }
    }

    fn path(&self) -> String {
        let [a, b, c, d] = self.points.map(|(x, y)| format!("{x:.1} {y:.1}"));
        format!("M{a} C{b}, {c}, {d}")
    }
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}
