//! The page itself.

use super::views::{self, View};
use super::{Answers, Contents, MOST_IN_MATRIX, findings, matrix, picture, told, why};
use crate::diagnostic::escape;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Renders the page.
pub(super) fn render(report: &Contents<'_>, answers: Option<&Answers<'_>>) -> String {
    let views = answers.map(|answers| {
        views::views(
            answers.pairs.ends.iter().map(|end| &end.peer),
            answers.connections,
        )
    });
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Portcullis: " (report.summary()) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(report, answers))
                main {
                    (findings::section(report))
                    @if let (Some(answers), Some(views)) = (answers, views) {
                        (port_names(answers))
                        (graphs(&views, answers.pairs.ends.len() <= MOST_IN_MATRIX))
                        (matrix::section(answers))
                        (why::section(report, &answers.pairs))
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    // Names, messages and lines are what manifests say; the page may go to a terminal too.
    escape::line(&page.into_string()).into_owned()
}

/// Nothing is loaded, and nothing runs but the script of the page.
fn policy() -> String {
    let script = STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )
}

fn header(report: &Contents<'_>, answers: Option<&Answers<'_>>) -> Markup {
    html! {
        header {
            h1 { "Portcullis" }
            p.summary { (report.summary()) " · " (report.scope) }
            (skipped(report))
            nav {
                a href="#findings" { "Findings" }
                @if let Some(answers) = answers {
                    a href="#ports" { "Port names" }
                    a href="#graph" { "Graph" }
                    a href="#matrix" { "Matrix" }
                    span.counts {
                        (counted(answers.pairs.ends.len(), "workload", "workloads")) ", "
                        (counted(answers.model.policies().len(), "policy", "policies")) ", "
                        (counted(answers.connections.len(), "connection", "connections"))
                    }
                }
                output #found aria-live="polite" {}
                label.search hidden {
                    "Search " input type="search" id="search" placeholder="names, files, codes" autocomplete="off";
                    kbd { "/" }
                }
            }
        }
    }
}

/// What was read and is not of the kinds that policies are made of.
fn skipped(report: &Contents<'_>) -> Markup {
    let all: usize = report.skipped.values().sum();
    html! {
        @if all > 0 {
            details.skipped {
                summary { (counted(all, "object", "objects")) " of other kinds skipped" }
                @for (at, (kind, count)) in report.skipped.iter().enumerate() {
                    @if at > 0 { ", " }
                    (count) " " (kind)
                }
            }
        }
    }
}

/// `1 policy`, `2 policies`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

fn port_names(answers: &Answers<'_>) -> Markup {
    html! {
        section #ports {
            h2 { "Port names" }
            (super::names::table(answers.model))
        }
    }
}

fn graphs(views: &[View], is_explained: bool) -> Markup {
    html! {
        section #graph {
            h2 { "Graph" }
            p.hint {
                "Workloads with the same connections share a box. An arrow points from who opens a connection to who "
                "receives it; one without a label is open on every port. What most workloads share, and what would be "
                "more lines or labels than the eye follows, stands in the box: ← who reaches it, → whom it reaches. "
                span hidden {
                    "Point at a box to follow its lines; choose it to read its connections"
                    @if is_explained { ", or a line to read why" }
                    "."
                }
            }
            @for (number, view) in views.iter().enumerate() {
                details.view open[number == 0] data-name=(view.title) {
                    summary { (view.title) }
                    @if number == 0 && views.len() > 1 {
                        p.hint {
                            "Here an arrow means that something of the one namespace reaches something of the other. "
                            "Each box leads to the picture of its namespace."
                        }
                    }
                    button.fit type="button" aria-pressed="false" hidden { "Fit the width" }
                    div.scroll id=(format!("graph-{number}")) tabindex="0" { (picture::of(view, number)) }
                    (told::list(view))
                }
            }
        }
    }
}
