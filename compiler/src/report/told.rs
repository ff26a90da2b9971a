//! What a picture shows, as a list: "who → whom: ports".
//!
//! It is what a screen reader reads, what is read of a picture with too many lines, and where the script looks up the
//! connections of a box. It leaves out what most workloads reach elsewhere, which is in the list of elsewhere, and
//! what a workload opens to itself.

use super::card;
use super::crowds::Crowd;
use super::views::{Source, View, WAYS};
use maud::{Markup, html};
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use std::collections::BTreeSet;

/// A connection in the list. Its ends are boxes of the picture: none where the picture leaves them out.
pub(super) struct Told {
    from: Vec<usize>,
    to: Vec<usize>,
    who: String,
    whom: String,
    /// Empty where they differ from workload to workload.
    ports: String,
    /// The row and the column of the matrix that tell why.
    pair: Option<(usize, usize)>,
}

/// The list of a view.
pub(super) fn list(view: &View) -> Markup {
    let boxes = |boxes: &[usize]| {
        let boxes: Vec<String> = boxes.iter().map(ToString::to_string).collect();
        boxes.join(" ")
    };
    html! {
        details.told {
            summary { "As a list" }
            ul {
                @for one in &view.told {
                    li
                        data-from=(boxes(&one.from)) data-to=(boxes(&one.to))
                        data-pair=[one.pair.map(|(row, column)| format!("{row} {column}"))]
                    {
                        bdi.who { (one.who) } " → " bdi.whom { (one.whom) }
                        @if !one.ports.is_empty() { ": " span.ports { (one.ports) } }
                    }
                }
            }
            @for (called, members) in &view.groups { p { (called) " are " (members) "." } }
            @if view.told.is_empty() { p { "Nothing." } }
            @if view.is_part { p.hint { "What most workloads reach is listed with the namespace where they reach it." } }
        }
    }
}

/// What is connected to some boxes of a source, and the crowds of guests; `ids` are the numbers of a box in the picture.
pub(super) fn of(
    source: &Source<'_>,
    own: &BTreeSet<NodeIndex>,
    guests: &BTreeSet<NodeIndex>,
    ids: impl Fn(NodeIndex) -> Vec<usize>,
) -> Vec<Told> {
    let mut told = Vec::new();
    for ((from, to), ports) in &source.crowds.rest {
        if own.contains(from) || own.contains(to) {
            told.push(Told {
                from: ids(*from),
                to: ids(*to),
                who: source.called(*from),
                whom: source.called(*to),
                ports: ports.to_string(),
                pair: source.pair(*from, *to),
            });
        }
    }
    for node in own {
        let content = source.graph.node_weight(*node);
        if let Some(content) = content.filter(|content| !content.among.is_empty()) {
            let whom = if source.by_namespace {
                "its own workloads"
            } else {
                "each other"
            };
            told.push(Told {
                from: ids(*node),
                to: ids(*node),
                who: source.called(*node),
                whom: whom.to_owned(),
                ports: content.among.to_string(),
                pair: None,
            });
        }
    }
    let both = |way: &'static Direction| own.iter().chain(guests).map(|node| (*way, *node));
    for (way, node) in WAYS.iter().flat_map(both) {
        for crowd in source.crowds.around(node, way) {
            let (many, who) = told_crowd(source, own, crowd, &ids);
            let (from, to, who, whom) = match way {
                Direction::Incoming => (many, ids(node), who, source.called(node)),
                Direction::Outgoing => (ids(node), many, source.called(node), who),
            };
            let ports = if source.by_namespace {
                String::new()
            } else {
                crowd.ports.to_string()
            };
            told.push(Told {
                from,
                to,
                who,
                whom,
                ports,
                pair: None,
            });
        }
    }
    told
}

/// The boxes of a crowd that are in the picture, and the crowd with the names of who is excepted.
fn told_crowd(
    source: &Source<'_>,
    own: &BTreeSet<NodeIndex>,
    crowd: &Crowd,
    ids: impl Fn(NodeIndex) -> Vec<usize>,
) -> (Vec<usize>, String) {
    let many = own.iter().filter(|other| crowd.holds(&source.graph, **other));
    let mut who = card::crowd(crowd, source.unit());
    let but: Vec<String> = crowd.but.iter().map(|node| source.called(*node)).collect();
    if !but.is_empty() {
        who = format!("{who} but {}", but.join(", "));
    }
    (many.flat_map(|node| ids(*node)).collect(), who)
}
