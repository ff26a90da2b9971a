//! A graph that is laid out, as SVG.

use super::graph::{Graph, View};
use super::layout::{self, LINE, Layout, MARGIN, Place, Point, on_bend};
use maud::{Markup, html};
use petgraph::visit::{EdgeRef as _, IntoNodeReferences as _};

/// Characters of an edge's label.
const LABEL: usize = 20;

/// The picture of a view. `number` tells its markers from those of other pictures on the page.
pub(super) fn of(view: &View, number: usize) -> Markup {
    let layout = layout::of(&view.graph);
    let lines = lines(&view.graph, &layout);
    // Labels of lines that bow out of the last column stand beyond it.
    let width = lines
        .iter()
        .map(|line| label_place(&line.short, line.label))
        .map(|place| place.x + place.width + MARGIN)
        .fold(layout.width, f64::max);
    let arrow = format!("arrow-{number}");
    html! {
        svg.graph
            viewBox=(format!("0 0 {width:.0} {:.0}", layout.height))
            width=(format!("{width:.0}"))
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
                path d=(line.path) marker-end=(format!("url(#{arrow})")) {}
            }
        }
    }
}

/// A connection as it is drawn.
struct Line {
    /// As SVG says it.
    path: String,
    /// What both boxes are called, for the search.
    names: String,
    /// The ports, in full.
    said: String,
    /// The ports, as far as there is room.
    short: String,
    /// The middle of the label's base line.
    label: Point,
}

/// Every connection, each with room for its label.
fn lines(graph: &Graph, layout: &Layout) -> Vec<Line> {
    let mut taken: Vec<Place> = layout.places.clone();
    let mut lines = Vec::new();
    for edge in graph.edge_references() {
        let Some(Some(route)) = layout.routes.get(edge.id().index()) else {
            continue;
        };
        let Some(bend) = route.first_bend() else { continue };
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
        let short = layout::cut(&ports.to_string(), LABEL);
        let label = free_place(&bend, &short, &taken);
        taken.push(label_place(&short, label));
        lines.push(Line {
            path: route.path(),
            names: names.join(" "),
            said,
            short,
            label,
        });
    }
    lines
}

/// The rectangle of a label by the middle of its base line.
fn label_place(text: &str, (x, y): Point) -> Place {
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

/// Where a label on a line is read best: as far from all that is drawn already as it goes, and rather near the start,
/// where the lines to one box are still apart.
fn free_place(bend: &[Point; 4], text: &str, taken: &[Place]) -> Point {
    let mut best = ((0.0, 0.0), f64::INFINITY);
    for t in [0.42, 0.5, 0.34, 0.58, 0.26, 0.66, 0.18, 0.74, 0.82, 0.9, 0.1] {
        let (x, y) = on_bend(bend, t);
        let label = (x, y - 4.0);
        let place = label_place(text, label);
        let hidden: f64 = taken.iter().map(|other| overlap(&place, other)).sum();
        if hidden < best.1 {
            best = (label, hidden);
        }
    }
    best.0
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}
