//! Findings as editors show them.

use super::analysis::Analysis;
use super::position;
use crate::diagnostic::{Code, Finding, Label, Severity, escape, named_ports};
use crate::source::Source;
use ir::origin::Origin;
use lsp_types::{
    CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag, Location,
    NumberOrString, Range, Uri,
};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

/// Where the page of a code is read.
const PAGES: &str = "https://github.com/portcullis/portcullis/blob/main/docs/rules";

/// The diagnostics of each file that has some. `uri` gives the URI of a file; `related` says whether the client shows
/// places elsewhere.
pub(super) fn by_file(
    analysis: &Analysis,
    uri: &dyn Fn(&str) -> String,
    related: bool,
) -> BTreeMap<Arc<str>, Vec<Diagnostic>> {
    let mut by_file: BTreeMap<Arc<str>, Vec<Diagnostic>> = BTreeMap::new();
    for finding in analysis.findings.iter().filter(|finding| finding.counts()) {
        let Some(primary) = finding.primary() else {
            continue;
        };
        by_file
            .entry(primary.origin.file.clone())
            .or_default()
            .push(diagnostic(analysis, finding, primary, uri, related));
    }
    by_file
}

/// One finding.
pub(super) fn diagnostic(
    analysis: &Analysis,
    finding: &Finding,
    primary: &Label,
    uri: &dyn Fn(&str) -> String,
    related: bool,
) -> Diagnostic {
    let others = finding
        .labels
        .iter()
        .filter(|label| !std::ptr::eq(*label, primary));
    let elsewhere: Vec<_> = others.collect();
    let mut message = escape::message(&finding.message).into_owned();
    let mut line = |text: &str| {
        message.push('\n');
        message.push_str(&escape::message(text));
    };
    if !matches!(&*primary.text, "" | "here") {
        line(&format!("here: {}", primary.text));
    }
    if !related {
        for label in &elsewhere {
            line(&format!("{}: {}", analysis.called(&label.origin), label.text));
        }
    }
    let (table, engines) = (&finding.named_ports, finding.engines.as_ref());
    for text in named_ports::lines_calling(table, engines, |place| analysis.called(place)) {
        line(&text);
    }
    if let Some(help) = &finding.help {
        line(&format!("help: {help}"));
    }
    if let Some(witness) = &finding.witness {
        line(&format!("for example: {witness}"));
    }
    let information = elsewhere.into_iter().filter_map(|label| {
        Some(DiagnosticRelatedInformation {
            location: location(analysis, &label.origin, uri)?,
            message: match &*label.text {
                "" => "see here".to_owned(),
                text => escape::message(text).into_owned(),
            },
        })
    });
    let whole = range(analysis, &primary.origin);
    let tag = tag(finding.code);
    Diagnostic {
        range: match analysis.sources.get(&primary.origin.file) {
            // What is faded is faded to its end.
            Some(source) if tag.is_none() => position::first_line(source, whole),
            _ => whole,
        },
        severity: Some(severity(finding.severity)),
        code: Some(NumberOrString::String(finding.code.to_string())),
        code_description: Uri::from_str(&format!("{PAGES}/{}.md", finding.code))
            .ok()
            .map(|href| CodeDescription { href }),
        source: Some("portcullis".to_owned()),
        message,
        related_information: related.then(|| information.collect()),
        tags: tag.map(|tag| vec![tag]),
        data: None,
    }
}

/// A place in any file of the workspace.
pub(super) fn location(
    analysis: &Analysis,
    origin: &Origin,
    uri: &dyn Fn(&str) -> String,
) -> Option<Location> {
    Some(Location {
        uri: Uri::from_str(&uri(&origin.file)).ok()?,
        range: range(analysis, origin),
    })
}

/// The range of a place; of a file that is not known (a configuration's), from its lines and columns.
pub(super) fn range(analysis: &Analysis, origin: &Origin) -> Range {
    match analysis.sources.get(&origin.file) {
        Some(source) => position::range(source, origin),
        None => {
            let lines = "\n".repeat(origin.end_line as usize);
            position::range(&Source::new("", &lines), origin)
        }
    }
}

fn severity(severity: Severity) -> DiagnosticSeverity {
    match severity {
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
        Severity::Note => DiagnosticSeverity::INFORMATION,
    }
}

/// What does nothing is shown faded.
fn tag(code: Code) -> Option<DiagnosticTag> {
    matches!(
        code,
        Code::RULE_NEVER_MATCHES
            | Code::RULE_REDUNDANT
            | Code::ALLOW_CUT_BY_DENY
            | Code::DENY_WITHOUT_EFFECT
            | Code::SHADOWED_BY_PRIORITY
            | Code::FIELD_WITHOUT_EFFECT
            | Code::UNUSED_ACCEPTANCE
    )
    .then_some(DiagnosticTag::UNNECESSARY)
}
