//! The page itself.

use super::graph::{self, View};
use super::pairs::{End, Explanation, Pair, Pairs, Reason, Side};
use super::{Answers, Contents, MOST_IN_MATRIX, picture, snippet};
use crate::connectivity::{Peer, PortSet};
use crate::diagnostic::{Finding, Severity, escape, named_ports};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ir::cluster::Family;
use ir::origin::Origin;
use ir::policy::Direction;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Renders the page.
pub(super) fn render(report: &Contents<'_>, answers: Option<&Answers<'_>>) -> String {
    let views = answers.map(|answers| {
        graph::views(
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
                    (findings(report))
                    @if let (Some(answers), Some(views)) = (answers, views) {
                        (port_names(answers))
                        (graphs(&views))
                        (matrix(&answers.pairs))
                        (explanations(report, &answers.pairs))
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
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
            nav {
                a href="#findings" { "Findings" }
                @if let Some(answers) = answers {
                    a href="#ports" { "Port names" }
                    a href="#graph" { "Graph" }
                    a href="#matrix" { "Matrix" }
                    span.counts {
                        (answers.pairs.ends.len()) " workloads, "
                        (answers.model.policies().len()) " policies, "
                        (answers.connections.len()) " connections"
                    }
                }
                label.search hidden {
                    "Search " input type="search" id="search" placeholder="workload, namespace, code" autocomplete="off";
                    kbd { "/" }
                }
            }
        }
    }
}

fn findings(report: &Contents<'_>) -> Markup {
    html! {
        section #findings {
            h2 { "Findings" }
            @for sentence in report.undecided {
                p.undecided { "Not decided: " (sentence) }
            }
            @if report.findings.is_empty() {
                p { "Nothing was found." }
            }
            @for found in report.findings {
                (finding(report, found))
            }
        }
    }
}

fn finding(report: &Contents<'_>, finding: &Finding) -> Markup {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let objects: Vec<_> = finding
        .objects
        .iter()
        .map(|object| {
            format!(
                "{}/{}",
                object.namespace.as_deref().unwrap_or_default(),
                object.name
            )
        })
        .collect();
    let name = format!("{} {} {}", finding.code, finding.code.name(), objects.join(" "));
    html! {
        details.finding.(severity) open[finding.counts() && finding.severity != Severity::Note] data-name=(name) {
            summary {
                span.severity { (severity) } " "
                @if !finding.counts() { span.tag { "accepted" } " " }
                code { (finding.code) } " "
                span.name { (finding.code.name()) }
                span.message { (code_marks(&finding.message)) }
            }
            @if let Some(accepted) = &finding.accepted {
                p { "Accepted by a " (accepted.by.as_str()) ": " (accepted.reason) }
            }
            @for label in &finding.labels {
                figure.place.primary[label.primary] {
                    figcaption {
                        span.where { (label.origin) }
                        @if !label.text.is_empty() { ": " (code_marks(&label.text)) }
                    }
                    (lines(report, &label.origin))
                }
            }
            @if let Some(witness) = &finding.witness {
                p.witness {
                    "For example: " b { (witness.from) } " → " b { (witness.to) } ", " (witness.protocol)
                    @if let Some(port) = witness.port { " " (port) }
                }
            }
            @if let Some(table) = port_table(finding) { pre { (table) } }
            @if let Some(help) = &finding.help {
                p.help { (code_marks(help)) }
            }
        }
    }
}

/// The pods and their ports, and what each engine does, where the finding is about that.
fn port_table(finding: &Finding) -> Option<String> {
    let lines = named_ports::lines(&finding.named_ports, finding.engines.as_ref());
    let text = lines.join("\n");
    (!text.is_empty()).then(|| escape::line(text.trim_end()).into_owned())
}

/// Text in backticks is code.
fn code_marks(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn lines(report: &Contents<'_>, origin: &Origin) -> Markup {
    let lines = snippet::lines(origin, report.sources);
    html! {
        @if !lines.is_empty() {
            pre {
                @for line in &lines {
                    @let [before, marked, after] = &line.parts;
                    span.number { (line.number) } " " (before) mark { (marked) } (after) "\n"
                }
                @if snippet::is_cut(origin) { "      …\n" }
            }
        }
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

fn graphs(views: &[View]) -> Markup {
    html! {
        section #graph {
            h2 { "Graph" }
            p.hint {
                "Workloads with the same connections share a box. An arrow points from who opens a connection to who "
                "receives it, with the ports."
            }
            @for (number, view) in views.iter().enumerate() {
                details.view open[number == 0] data-name=(view.title) {
                    summary { (view.title) }
                    div.scroll tabindex="0" { (picture::of(view, number)) }
                }
            }
        }
    }
}

fn matrix(pairs: &Pairs) -> Markup {
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
                    "Rows open connections, columns receive them. Choose a cell to read why. "
                    span.keys hidden { "Arrow keys move, Enter opens." }
                }
                div.scroll {
                    table {
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
                        tbody {
                            @for (at, end) in pairs.ends.iter().enumerate() {
                                (row(pairs, at, end))
                            }
                            tr data-name="outside" {
                                th scope="row" { "outside" }
                                @for pair in &pairs.entering { (cell(pair)) }
                                td {}
                            }
                        }
                    }
                }
            }
        }
    }
}

fn row(pairs: &Pairs, at: usize, end: &End) -> Markup {
    html! {
        tr data-name=(end_name(&end.peer)) {
            th scope="row" title=(end.peer) { (short(&end.peer)) }
            @for pair in pairs.inside.get(at).into_iter().flatten() { (cell(pair)) }
            @if let Some(pair) = pairs.leaving.get(at) { (cell(pair)) }
        }
    }
}

/// A cell. The closed ones have their explanation in an attribute only: most cells are closed, and a link in each would
/// be most of the page.
fn cell(pair: &Pair) -> Markup {
    html! {
        @if pair.ports.is_empty() {
            td data-why=(pair.explanation) {}
        } @else {
            td.open data-why=(pair.explanation) {
                a href=(format!("#why-{}", pair.explanation)) { (ports_in_brief(&pair.ports)) }
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

fn explanations(report: &Contents<'_>, pairs: &Pairs) -> Markup {
    html! {
        section #why {
            h2 { "Why" }
            p.hint { "Each explanation holds for every pair that leads to it." }
            @if pairs.ends.len() <= MOST_IN_MATRIX {
                @for (number, explanation) in pairs.explanations.iter().enumerate() {
                    article id=(format!("why-{number}")) {
                        (explain(report, explanation))
                    }
                }
            }
        }
    }
}

fn explain(report: &Contents<'_>, explanation: &Explanation) -> Markup {
    html! {
        @match explanation {
            Explanation::Inside { ports, sides } => {
                @if ports.is_empty() {
                    h3.closed { "Closed" }
                } @else {
                    h3.opened { "Open: " (ports) }
                }
                @for side in sides { (explain_side(report, side)) }
            }
            Explanation::Itself => {
                h3 { "The same pod" }
                p { "A pod reaches itself over loopback, whatever policy says; no packet leaves it." }
            }
            Explanation::Outside(blocks) => {
                @if blocks.is_empty() {
                    h3.closed { "Closed for every address outside" }
                } @else {
                    h3.opened { "Open for addresses outside" }
                    ul {
                        @for (peer, ports) in blocks { li { (peer) ": " (ports) } }
                    }
                }
            }
        }
    }
}

fn explain_side(report: &Contents<'_>, side: &Side) -> Markup {
    let whose = match side.direction {
        Direction::Egress => "Egress of the source",
        Direction::Ingress => "Ingress of the destination",
    };
    html! {
        @for (family, verdicts) in &side.by_family {
            h4 {
                (whose)
                @match family {
                    Some(Family::V4) => { " over IPv4" }
                    Some(Family::V6) => { " over IPv6" }
                    None => {}
                }
            }
            @for verdict in verdicts {
                p {
                    @if verdict.allowed { b.opened { "open" } } @else { b.closed { "closed" } }
                    " " (verdict.ports) ": " (reason(&verdict.because))
                }
                @match &verdict.because {
                    Reason::Rules(rules) => {
                        @for rule in rules {
                            figure.place {
                                figcaption {
                                    (rule.action.as_str()) " rule of " (rule.policy) ", "
                                    span.where { (rule.origin) }
                                }
                                (lines(report, &rule.origin))
                            }
                        }
                    }
                    Reason::DefaultDeny(policies) => {
                        ul {
                            @for policy in policies {
                                li { (policy) ", " span.where { (policy.origin) } }
                            }
                        }
                    }
                    Reason::Unrestricted | Reason::NotAnEndpoint | Reason::OwnHost => {}
                }
            }
        }
    }
}

fn reason(because: &Reason) -> &'static str {
    match because {
        Reason::Rules(_) => "decided by",
        Reason::DefaultDeny(_) => "no rule allows it, and these policies deny by default:",
        Reason::Unrestricted => "no policy restricts it",
        Reason::NotAnEndpoint => "a node, or a pod on its network, has no policy of its own",
        Reason::OwnHost => "a node reaches its own pods, whatever policy says",
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
