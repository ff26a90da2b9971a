//! The matrix: rows open connections, columns receive them, both in blocks of a namespace.

use super::graph::heading;
use super::page::counted;
use super::pairs::{End, Explanation, Pair, Pairs};
use super::{Answers, MOST_IN_MATRIX, list};
use crate::connectivity::{Peer, PortSet};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// So many columns go on a sheet of paper; of more, the list is printed.
const MOST_PRINTED: usize = 14;

/// So many characters of a column's name are shown.
const COLUMN: usize = 21;
/// So many more where that would make two names one.
const STEP: usize = 4;

/// The section.
pub(super) fn section(answers: &Answers<'_>) -> Markup {
    let pairs = &answers.pairs;
    html! {
        section #matrix.wide[pairs.ends.len() > MOST_PRINTED] {
            h2 { "Matrix" }
            @if pairs.ends.len() <= MOST_IN_MATRIX {
                p.hint {
                    "Rows open connections, columns receive them. Choose a cell to read why; most that are empty are closed by "
                    "a policy. "
                    span.keys hidden {
                        "Arrow keys move, Enter opens. A search leaves what it finds, and what that is connected to; two "
                        "words find both, with the cell between them."
                    }
                }
                div.scroll { (table(pairs)) }
            } @else {
                p {
                    "The matrix is drawn for up to " (MOST_IN_MATRIX) " workloads; here are " (pairs.ends.len())
                    ". Run the report on fewer manifests, or ask " code { "portcullis query" } " about one pair."
                }
            }
            (list::of(answers.connections, &pairs.ends))
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
        table aria-label="Who can talk to whom" {
            colgroup {
                col;
                @for _ in &pairs.ends { col; }
                col;
            }
            thead {
                tr {
                    th.corner scope="col" { "from \\ to" }
                    @for ends in &namespaces {
                        @for (at, (end, name)) in ends.iter().zip(column_names(&names_of(ends))).enumerate() {
                            (column(end, &name, at == 0))
                        }
                    }
                    th.column.leads scope="col" data-end="outside" { span { "outside" } }
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
                tr.outside data-name="outside" data-end="outside" {
                    th scope="row" { "outside" }
                    @for pair in &pairs.entering { (cell(pairs, pair)) }
                    td {}
                }
            }
        }
    }
}

/// The first column of a namespace says which it is.
fn column(end: &End, name: &str, leads: bool) -> Markup {
    html! {
        th.column.leads[leads] scope="col" data-name=(search_name(end)) data-end=(end.full_name()) {
            span title=(end.peer) {
                small.namespace { bdi { (cut_middle(&heading(&end.peer), COLUMN)) } }
                bdi { (name) }
                @if let Some(kind) = &end.kind { small { (kind) } }
            }
        }
    }
}

/// Names as columns show them: cut, but not so far that two of a namespace become one.
fn column_names(names: &[&str]) -> Vec<String> {
    let mut most = vec![COLUMN; names.len()];
    loop {
        let cut = names
            .iter()
            .zip(&most)
            .map(|(name, most)| cut_middle(name, *most));
        let shown: Vec<String> = cut.collect();
        let mut whose: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, shown) in names.iter().zip(&shown) {
            whose.entry(shown).or_default().insert(name);
        }
        let is_shared = |shown: &String| whose.get(shown.as_str()).is_some_and(|names| names.len() > 1);
        if !shown.iter().any(is_shared) {
            return shown;
        }
        for (_, most) in shown.iter().zip(&mut most).filter(|(shown, _)| is_shared(shown)) {
            *most += STEP;
        }
    }
}

fn names_of(ends: &[End]) -> Vec<&str> {
    ends.iter().map(|end| end.name.as_str()).collect()
}

/// What stands above the rows of a namespace.
fn fold(ends: &[End], columns: usize) -> Markup {
    let name = ends.first().map(|end| heading(&end.peer)).unwrap_or_default();
    html! {
        tr.fold {
            th scope="rowgroup" colspan=(columns) {
                span {
                    button type="button" aria-expanded="true" hidden aria-label=(format!("fold {name}")) {}
                    " " bdi { (name) } " "
                    small { (counted(ends.len(), "workload", "workloads")) }
                }
            }
        }
    }
}

fn row(pairs: &Pairs, at: usize, end: &End) -> Markup {
    html! {
        tr data-name=(search_name(end)) data-end=(end.full_name()) {
            th scope="row" title=(end.peer) {
                a href=(format!("#of-{at}")) {
                    bdi { (end.name) }
                    @if let Some(kind) = &end.kind { " " small { (kind) } }
                }
            }
            @for pair in pairs.inside.get(at).into_iter().flatten() { (cell(pairs, pair)) }
            @if let Some(pair) = pairs.leaving.get(at) { (cell(pairs, pair)) }
        }
    }
}

/// A cell. The closed ones name their sides in an attribute only: most cells are closed, and a link in each would be
/// most of the page.
fn cell(pairs: &Pairs, pair: &Pair) -> Markup {
    let Some(explanation) = pairs.explanations.get(pair.explanation) else {
        return html! { td {} };
    };
    let sides: Vec<_> = explanation.sides().iter().map(ToString::to_string).collect();
    let sides = (!sides.is_empty()).then(|| sides.join(" "));
    let is_itself = *explanation == Explanation::Itself;
    let why = (!explanation.is_closed()).then_some(pair.explanation);
    html! {
        @if pair.ports.is_empty() {
            td class=[is_itself.then_some("itself")] data-why=[why] data-sides=[sides] {}
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
            let numbers: BTreeSet<_> = many.iter().map(|one| (one.first, one.last)).collect();
            match numbers.into_iter().collect::<Vec<_>>().as_slice() {
                [(first, last)] if first == last => first.to_string(),
                several if several.iter().all(|(first, last)| first == last) => {
                    format!("{} ports", several.len())
                }
                several => format!("{} ranges", several.len()),
            }
        }
    }
}

/// A text of at most so many characters, without its middle if it is longer: names differ where they end.
fn cut_middle(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let behind = most / 2;
    let front: String = text.chars().take(most - behind - 1).collect();
    let back: String = text.chars().skip(length - behind).collect();
    format!("{front}…{back}")
}

/// What the search looks at.
fn search_name(end: &End) -> String {
    match &end.peer {
        Peer::Workload {
            namespace,
            name,
            kind,
            ..
        } => format!("{namespace}/{name} {kind}"),
        Peer::Outside(_) => end.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::page;
    use super::*;

    #[test]
    fn workloads_of_one_name_are_told_apart_by_their_kind() {
        let workload = |kind: &str, service: &str| {
            format!(
                "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: db, namespace: a}}\nspec: {{{service} selector: {{matchLabels: {{k: {kind}}}}}, template: {{metadata: {{labels: {{k: {kind}}}}}, spec: {{containers: [{{name: c, image: i}}]}}}}}}\n"
            )
        };
        let page = page(&[
            ("a.yaml", &workload("Deployment", "")),
            ("b.yaml", &workload("StatefulSet", "serviceName: db,")),
        ]);
        for kind in ["Deployment", "StatefulSet"] {
            let row = format!("<bdi>db</bdi> <small>{kind}</small></a></th>");
            let column = format!("data-end=\"a/db ({kind})\"");
            assert!(page.contains(&row), "{row}");
            assert_eq!(page.matches(&column).count(), 2);
        }
    }

    #[test]
    fn two_columns_do_not_show_one_name() {
        let names = [
            "argocd-application-controller",
            "argocd-applicationset-controller",
            "db",
        ];
        assert_eq!(
            column_names(&names),
            ["argocd-appli…n-controller", "argocd-appli…t-controller", "db"]
        );
    }

    #[test]
    fn a_long_name_keeps_both_of_its_ends() {
        assert_eq!(
            cut_middle("argocd-application-controller", 21),
            "argocd-app…controller"
        );
        assert_eq!(cut_middle("größe", 5), "größe");
        assert_eq!(cut_middle("größe", 4), "g…ße");
    }
}
