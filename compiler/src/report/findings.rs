//! The findings of the page: the worst first, many of one code in one fold.

use super::{Contents, snippet};
use crate::diagnostic::{Code, Finding, Severity, escape, named_ports};
use maud::{Markup, html};

/// So many findings are read one after the other; of more, errors alone are unfolded.
const FEW: usize = 20;

/// So many of one code stand by themselves; more share a fold.
const ALIKE: usize = 3;

/// The section.
pub(super) fn section(report: &Contents<'_>) -> Markup {
    let mut sorted: Vec<&Finding> = report.findings.iter().collect();
    // Stable: those of one code stay in the order of places.
    sorted.sort_by_key(|finding| (!finding.counts(), finding.severity, finding.code));
    let few = sorted.len() <= FEW;
    let alike = |one: &&Finding, other: &&Finding| kind(one) == kind(other);
    html! {
        section #findings {
            h2 { "Findings" }
            @for sentence in report.undecided {
                p.undecided { "Not decided: " (sentence) }
            }
            @if report.findings.is_empty() {
                p { "Nothing was found." }
            }
            @for run in sorted.chunk_by(alike) {
                (group(report, run, few))
            }
        }
    }
}

/// What makes findings alike on the page.
fn kind(finding: &Finding) -> (bool, Severity, Code) {
    (finding.counts(), finding.severity, finding.code)
}

/// Findings that are alike.
fn group(report: &Contents<'_>, run: &[&Finding], few: bool) -> Markup {
    let Some(first) = run.first() else {
        return html! {};
    };
    let unfolded = first.counts()
        && match first.severity {
            Severity::Error => few || run.len() <= FEW,
            Severity::Warning => few,
            Severity::Note => false,
        };
    let is_fold = run.len() > ALIKE && !few;
    html! {
        @if is_fold {
            details.group.(first.severity.as_str()) open[unfolded] {
                summary {
                    span.severity { (run.len()) " × " (first.severity.as_str()) } " "
                    @if !first.counts() { span.tag { "accepted" } " " }
                    code { (first.code) } " "
                    span.name { (first.code.name()) }
                }
                @for one in run { (finding(report, one, Stands::InGroup)) }
            }
        } @else {
            @for one in run { (finding(report, one, Stands::Alone { unfolded })) }
        }
    }
}

/// Where a finding is shown.
#[derive(Clone, Copy)]
enum Stands {
    /// In a fold, whose line says what it is already: to those who see the page.
    InGroup,
    Alone {
        unfolded: bool,
    },
}

fn finding(report: &Contents<'_>, finding: &Finding, stands: Stands) -> Markup {
    let (in_group, unfolded) = match stands {
        Stands::InGroup => (true, false),
        Stands::Alone { unfolded } => (false, unfolded),
    };
    let severity = finding.severity.as_str();
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
        details.finding.(severity) open[unfolded] data-name=(name) {
            summary {
                span.kind.said[in_group] {
                    span.severity { (severity) } " "
                    @if !finding.counts() { span.tag { "accepted" } " " }
                    code { (finding.code) } " "
                    span.name { (finding.code.name()) }
                }
                span.message { (code_marks(&finding.message)) }
                @if let Some(label) = finding.primary() {
                    span.about { (objects.join(", ")) @if !objects.is_empty() { " · " } span.where { (label.origin) } }
                }
            }
            @if let Some(accepted) = &finding.accepted {
                p { "Accepted by " (accepted.by.with_article()) ": " (accepted.reason) }
            }
            @for label in &finding.labels {
                figure.place.primary[label.primary] {
                    figcaption {
                        span.where { (label.origin) }
                        @if !label.text.is_empty() { ": " (code_marks(&label.text)) }
                    }
                    (snippet::shown(&label.origin, &[], report.sources))
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
