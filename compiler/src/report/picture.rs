//! A graph that is laid out, as SVG.

use super::card::{self, Card};
use super::layout::{self, LINE, Layout, MARGIN, Place, Point, on_bend};
use super::lines::MOST_LABELS;
use super::views::{Sketch, View};
use maud::{Markup, html};
use petgraph::graph::NodeIndex;
use petgraph::visit::{EdgeRef as _, IntoNodeReferences as _};

/// Characters of a line's label.
const LABEL: usize = 20;
/// How much smaller than its natural size a picture may become before it is scrolled.
const SMALLEST: f64 = 0.8;

/// The picture of a view. `number` tells its markers from those of other pictures on the page.
pub(super) fn of(view: &View, number: usize) -> Markup {
    let layout = layout::of(&view.sketch);
    let lines = lines(&view.sketch, &layout);
    // Labels of lines that bow out of the last column stand beyond it.
    let width = lines
        .iter()
        .map(|line| label_place(&line.short, line.label))
        .map(|place| place.x + place.width + MARGIN)
        .fold(layout.width, f64::max);
    let arrow = format!("arrow-{number}");
    // Of more, those are shown that belong to the box that is looked at.
    let is_quiet = lines.len() > MOST_LABELS;
    html! {
        svg.graph.quiet[is_quiet]
            viewBox=(format!("0 0 {width:.0} {:.0}", layout.height))
            width=(format!("{width:.0}"))
            style=(format!("min-width: {:.0}px; max-width: {width:.0}px", width * SMALLEST))
            role="img"
            aria-label=(format!("Graph: {}", view.title))
        {
            defs {
                marker id=(arrow) viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
                    markerUnits="userSpaceOnUse" orient="auto-start-reverse"
                {
                    path.head d="M0 0 L8 4 L0 8 z" {}
                }
            }
            @for line in &lines { (edge(line, &arrow)) }
            @for (node, card) in view.sketch.node_references() {
                @if let Some(place) = layout.places.get(node.index()) {
                    @match card.leads_to {
                        Some(other) => a href=(format!("#graph-{other}")) { (box_at(node, card, place)) }
                        None => { (box_at(node, card, place)) }
                    }
                }
            }
            // Above the boxes, so that none is hidden.
            @for line in lines.iter().filter(|line| !line.short.is_empty()) {
                text.label data-from=(line.from) data-to=(line.to) data-name=(line.names)
                    x=(px(line.label.0)) y=(px(line.label.1)) text-anchor="middle"
                {
                    (line.short)
                }
            }
        }
    }
}

fn box_at(node: NodeIndex, card: &Card, place: &Place) -> Markup {
    let line = |at: usize| place.y + f64::from(u16::try_from(at).unwrap_or(u16::MAX)) * LINE + 3.0;
    let x = px(place.x + 10.0);
    html! {
        g.box.outside[card.is_outside] data-box=(node.index()) data-name=(search_name(card)) {
            title { (card.called) @for note in &card.told { "\n" (note) } }
            rect x=(px(place.x)) y=(px(place.y)) rx="6" width=(px(place.width)) height=(px(place.height)) {}
            text.heading x=(x) y=(px(line(1))) { (card.heading) }
            @for (at, name) in (2..).zip(&card.names) { text x=(x) y=(px(line(at))) { (name) } }
            @for (at, note) in (2 + card.names.len()..).zip(&card.notes) {
                text.note x=(x) y=(px(line(at))) { (note) }
            }
        }
    }
}

/// What the search looks at.
fn search_name(card: &Card) -> String {
    let above = if card.is_outside {
        &card.heading
    } else {
        &card.under
    };
    format!("{above} {}", card.called)
}

fn edge(line: &Stroke, arrow: &str) -> Markup {
    let head = format!("url(#{arrow})");
    html! {
        g.edge.back[line.runs_back]
            data-from=(line.from) data-to=(line.to) data-name=(line.names)
            data-pair=[line.pair.map(|(row, column)| format!("{row} {column}"))]
        {
            title { (line.said) }
            path.hit d=(line.path) {}
            path.line d=(line.path) marker-start=[line.is_both_ways.then_some(&head)] marker-end=(head) {}
        }
    }
}

/// A connection as it is drawn.
struct Stroke {
    /// The boxes.
    from: usize,
    to: usize,
    /// As SVG says it.
    path: String,
    /// What both boxes are called, for the search.
    names: String,
    /// The ends and the ports, in full.
    said: String,
    /// The ports, as far as there is room and anything to say.
    short: String,
    /// The middle of the label's base line.
    label: Point,
    is_both_ways: bool,
    /// Whether it runs from right to left only.
    runs_back: bool,
    pair: Option<(usize, usize)>,
}

/// Every line, each with room for its label.
fn lines(sketch: &Sketch, layout: &Layout) -> Vec<Stroke> {
    let is_quiet = sketch.edge_count() > MOST_LABELS;
    let mut lines: Vec<Stroke> = Vec::new();
    for edge in sketch.edge_references() {
        let Some(Some(route)) = layout.routes.get(edge.id().index()) else {
            continue;
        };
        let Some(bend) = route.first_bend() else { continue };
        let drawn = edge.weight();
        let (from, to) = (edge.source().index(), edge.target().index());
        let ends = [edge.source(), edge.target()].map(|node| sketch.node_weight(node));
        let called = ends.map(|card| {
            card.map_or_else(String::new, |card| {
                format!("{} {}", card.heading, card.names.join(" "))
            })
        });
        let arrow = if drawn.is_both_ways { "⇄" } else { "→" };
        let short = match drawn.ports.is_everything() {
            true => String::new(),
            false => card::cut(&drawn.ports.to_string(), LABEL),
        };
        // Where labels are hidden, only those of lines from and to one box are ever seen together.
        let seen_with =
            |other: &&Stroke| !is_quiet || [other.from, other.to].iter().any(|end| [from, to].contains(end));
        let labels = lines
            .iter()
            .filter(|line| !line.short.is_empty())
            .filter(seen_with);
        let labels = labels.map(|line| label_place(&line.short, line.label));
        let taken: Vec<Place> = layout.places.iter().copied().chain(labels).collect();
        lines.push(Stroke {
            from,
            to,
            path: route.path(),
            said: format!("{} {arrow} {}: {}", called[0], called[1], drawn.ports),
            names: ends.map(|card| card.map_or("", |card| &card.called)).join(" "),
            label: free_place(&bend, &short, &taken),
            short,
            is_both_ways: drawn.is_both_ways,
            runs_back: !drawn.is_both_ways && bend[3].0 < bend[0].0,
            pair: drawn.pair,
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
