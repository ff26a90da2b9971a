//! The findings of the page: the worst first, many of one code in one fold.

use super::inline::code_marks;
use super::{Contents, snippet};
use crate::diagnostic::{Code, Finding, ObjectName, Severity, escape, named_ports};
use maud::{Markup, html};
use std::collections::BTreeMap;

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
    let named: Vec<(&Finding, String)> = sorted.iter().copied().zip(anchors(&sorted)).collect();
    let alike = |(one, _): &(&Finding, String), (other, _): &(&Finding, String)| kind(one) == kind(other);
    html! {
        section #findings {
            h2 { "Findings" }
            @for sentence in report.undecided {
                p.undecided { "Not decided: " (sentence) }
            }
            @if report.findings.is_empty() {
                p { "Nothing was found." }
            }
            @for run in named.chunk_by(alike) {
                (group(report, run, few))
            }
        }
    }
}

/// What makes findings alike on the page.
fn kind(finding: &Finding) -> (bool, Severity, Code) {
    (finding.counts(), finding.severity, finding.code)
}

/// What each is called in a link, by its code and place, so that a link outlives findings that come and go around it.
fn anchors(findings: &[&Finding]) -> Vec<String> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    findings
        .iter()
        .map(|finding| {
            let place = finding
                .primary()
                .map(|label| format!("-{}-{}", label.origin.file, label.origin.line));
            let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
            let name: String = format!("{}{}", finding.code, place.unwrap_or_default())
                .chars()
                .map(plain)
                .collect();
            let seen = count.entry(name.clone()).or_default();
            *seen += 1;
            match seen {
                1 => name,
                many => format!("{name}-{many}"),
            }
        })
        .collect()
}

/// Findings that are alike.
fn group(report: &Contents<'_>, run: &[(&Finding, String)], few: bool) -> Markup {
    let Some((first, _)) = run.first() else {
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
                (about(first.code))
                @for (one, anchor) in run { (finding(report, one, anchor, Stands::InGroup)) }
            }
        } @else {
            @for (one, anchor) in run { (finding(report, one, anchor, Stands::Alone { unfolded })) }
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

fn finding(report: &Contents<'_>, finding: &Finding, anchor: &str, stands: Stands) -> Markup {
    let (in_group, unfolded) = match stands {
        Stands::InGroup => (true, false),
        Stands::Alone { unfolded } => (false, unfolded),
    };
    let severity = finding.severity.as_str();
    let objects: Vec<_> = finding.objects.iter().map(object).collect();
    html! {
        details.finding.(severity) id=(anchor) open[unfolded] {
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
            a.anchor href=(format!("#{anchor}")) aria-label="Link to this finding" { "#" }
            @if let Some(accepted) = &finding.accepted {
                p { "Accepted by " (accepted.by.with_article()) ": " (accepted.reason) }
            }
            @for label in &finding.labels {
                figure.place.primary[label.primary] {
                    figcaption {
                        span.where { (label.origin) }
                        @if !label.text.is_empty() { ": " (code_marks(&label.text)) }
                        @if let Some(made_from) = label.made_from() { " (" (made_from) ")" }
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
            @if let Some(table) = port_table(finding) { pre tabindex="0" { (table) } }
            @if let Some(help) = &finding.help {
                p.help { (code_marks(help)) }
            }
            @if !in_group { (about(finding.code)) }
        }
    }
}

/// What a code stands for, in a sentence.
fn about(code: Code) -> Markup {
    html! {
        @if let Some(entry) = code.entry() {
            p.about-code {
                code { (code) } ": " (code_marks(entry.summary)) " "
                code { "portcullis explain " (code) } " says more."
            }
        }
    }
}

/// `shop/web`; of kinds without a namespace only the name.
fn object(object: &ObjectName) -> String {
    match &object.namespace {
        Some(namespace) => format!("{namespace}/{}", object.name),
        None => object.name.clone(),
    }
}

/// The pods and their ports, and what each engine does, where the finding is about that.
fn port_table(finding: &Finding) -> Option<String> {
    let lines = named_ports::lines(&finding.named_ports, finding.engines.as_ref());
    let text = lines.join("\n");
    (!text.is_empty()).then(|| escape::line(text.trim_end()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::page;

    /// A policy that opens nothing to anybody, with a field that does not exist for each of `fields`.
    fn policy(fields: &str) -> String {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: a}}\nspec: {{podSelector: {{}}, ingress: [{{ports: [{{port: 80}}], {fields}}}]}}\n"
        )
    }

    fn anchors(page: &str) -> Vec<&str> {
        let anchors = page.split("class=\"anchor\" href=\"#").skip(1);
        anchors.filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn the_address_of_a_finding_is_its_code_and_place() {
        let one = page(&[("a b.yaml", &policy("form: []"))]);
        assert!(anchors(&one).contains(&"PC102-a-b-yaml-4"), "{:?}", anchors(&one));
        let two = page(&[("a b.yaml", &policy("form: [], too: []"))]);
        for anchor in ["PC102-a-b-yaml-4", "PC102-a-b-yaml-4-2"] {
            assert!(anchors(&two).contains(&anchor), "{:?}", anchors(&two));
            assert_eq!(two.matches(&format!("id=\"{anchor}\"")).count(), 1);
        }
    }

    #[test]
    fn what_has_no_namespace_is_called_by_its_name_and_codes_are_explained() {
        let page = page(&[(
            "a.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: c, image: i}]}\n",
        )]);
        assert!(page.contains("<span class=\"about\">shop · "), "{page}");
        assert!(
            page.contains("<code>PC603</code>: ") && page.contains("<code>portcullis explain PC603</code>")
        );
    }
}
