//! The matrix: rows open connections, columns receive them, both in blocks of a namespace.

use super::MOST_IN_MATRIX;
use super::graph::heading;
use super::pairs::{End, Explanation, Pair, Pairs};
use crate::connectivity::{Peer, PortSet};
use maud::{Markup, html};

/// The section.
pub(super) fn section(pairs: &Pairs) -> Markup {
    html! {
        section #matrix {
            h2 { "Matrix" }
            @if pairs.ends.len() > MOST_IN_MATRIX {
                p {
                    "The matrix is drawn for up to " (MOST_IN_MATRIX) " workloads; here are " (pairs.ends.len())
                    ". Run the report on fewer manifests, or ask " code { "portcullis query" } " about one pair."
                }
            } @else {
                p.hint {
                    "Rows open connections, columns receive them. Choose a cell to read why; most that are empty are closed by "
                    "a policy. "
                    span.keys hidden {
                        "Arrow keys move, Enter opens. A search leaves what it finds, and what that is connected to; two "
                        "words find both, with the cell between them."
                    }
                }
                div.scroll { (table(pairs)) }
            }
        }
    }
}

fn table(pairs: &Pairs) -> Markup {
    let namespaces: Vec<&[End]> = pairs
        .ends
        .chunk_by(|one, next| heading(&one.peer) == heading(&next.peer))
        .collect();
    let mut rows = pairs.ends.iter().enumerate();
    html! {
        table {
            colgroup {
                col;
                @for _ in &pairs.ends { col; }
                col;
            }
            thead {
                tr {
                    th.corner scope="col" { "from \\ to" }
                    @for end in &pairs.ends {
                        th.column scope="col" data-name=(end_name(&end.peer)) {
                            span title=(end.peer) { (short(&end.peer)) }
                        }
                    }
                    th.column scope="col" { span { "outside" } }
                }
            }
            @for ends in namespaces {
                tbody data-size=(ends.len()) {
                    (fold(ends, pairs.ends.len() + 2))
                    @for (at, end) in rows.by_ref().take(ends.len()) {
                        (row(pairs, at, end))
                    }
                }
            }
            tbody {
                tr.outside {
                    th scope="row" { "outside" }
                    @for pair in &pairs.entering { (cell(pairs, pair)) }
                    td {}
                }
            }
        }
    }
}

/// What stands above the rows of a namespace.
fn fold(ends: &[End], columns: usize) -> Markup {
    let name = ends.first().map(|end| heading(&end.peer)).unwrap_or_default();
    html! {
        tr.fold {
            th scope="rowgroup" colspan=(columns) {
                span {
                    button type="button" aria-expanded="true" hidden aria-label=(format!("fold {name}")) {}
                    " " (name) " "
                    small { (ends.len()) @if ends.len() == 1 { " workload" } @else { " workloads" } }
                }
            }
        }
    }
}

fn row(pairs: &Pairs, at: usize, end: &End) -> Markup {
    html! {
        tr data-name=(end_name(&end.peer)) {
            th scope="row" title=(end.peer) { (short(&end.peer)) }
            @for pair in pairs.inside.get(at).into_iter().flatten() { (cell(pairs, pair)) }
            @if let Some(pair) = pairs.leaving.get(at) { (cell(pairs, pair)) }
        }
    }
}

/// A cell. The closed ones name their sides in an attribute only: most cells are closed, and a link in each would be
/// most of the page.
fn cell(pairs: &Pairs, pair: &Pair) -> Markup {
    let explanation = pairs.explanations.get(pair.explanation);
    let sides = match explanation {
        Some(Explanation::Inside {
            sides: [egress, ingress],
            ..
        }) => Some(format!("{egress} {ingress}")),
        _ => None,
    };
    let closed = explanation.is_some_and(Explanation::is_closed_inside);
    let why = (!closed).then_some(pair.explanation);
    html! {
        @if pair.ports.is_empty() {
            td data-why=[why] data-sides=[sides] {}
        } @else {
            td.open data-why=[why] data-sides=[sides] {
                a href=(format!("#why-{}", pair.explanation)) title=(pair.ports) { (ports_in_brief(&pair.ports)) }
            }
        }
    }
}

/// Ports in the little room of a cell.
fn ports_in_brief(ports: &PortSet) -> String {
    if ports.is_everything() {
        return "all".to_owned();
    }
    match ports.ranges() {
        [one] if one.first == one.last => one.first.to_string(),
        [one] => format!("{}–{}", one.first, one.last),
        many => {
            let numbers: std::collections::BTreeSet<_> =
                many.iter().map(|one| (one.first, one.last)).collect();
            match numbers.into_iter().collect::<Vec<_>>().as_slice() {
                [(first, last)] if first == last => first.to_string(),
                several => format!("{} ranges", several.len()),
            }
        }
    }
}

/// `namespace/name`.
fn short(peer: &Peer) -> String {
    match peer {
        Peer::Workload { namespace, name, .. } => format!("{namespace}/{name}"),
        Peer::Outside(_) => peer.to_string(),
    }
}

/// What the search looks at.
fn end_name(peer: &Peer) -> String {
    match peer {
        Peer::Workload { kind, .. } => format!("{} {kind}", short(peer)),
        Peer::Outside(_) => peer.to_string(),
    }
}
