//! Findings in every format: each can be written, and none lets through what a terminal would act on.

use crate::diagnostic::report::Report;
use crate::diagnostic::{
    Finding, Repository, Severity, escape, github, gitlab, human, json, junit, markdown, sarif,
};
use crate::source::Sources;
use std::io::{self, Write};

/// Writes findings in every format. Nothing where there are none: the frame of a format is the same for all inputs.
pub(super) fn render(findings: &[Finding], sources: &Sources, successful: bool) {
    if findings.is_empty() {
        return;
    }
    let report = Report {
        findings,
        sources,
        scope: json::Scope::default(),
        fail_on: Some(Severity::Warning),
        successful,
        undecided: &[],
        repository: &Repository::new("/repository", "/repository"),
    };
    for width in [20, 100] {
        let options = human::Options { color: false, width };
        written(|out| human::write(out, findings, sources, options));
    }
    written(|out| human::write_accepted(out, findings));
    is_json(&written(|out| json::write(out, &report)));
    // Most of it is the list of all rules, which is written for each run anew.
    if findings.len() % 4 == 1 {
        is_json(&written(|out| sarif::write(out, &report)));
    }
    is_json(&written(|out| gitlab::write(out, &report)));
    written(|out| junit::write(out, &report));
    written(|out| github::write(out, &report));
    written(|out| markdown::write(out, &report));
    for finding in findings {
        assert!(!finding.message.is_empty());
        for label in &finding.labels {
            let origin = &label.origin;
            assert!(origin.line >= 1 && origin.column >= 1, "{origin}");
            let (start, end) = ((origin.line, origin.column), (origin.end_line, origin.end_column));
            assert!(start <= end, "{origin}");
        }
    }
}

/// What is written, which must be text without a character that a terminal acts on.
pub(super) fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    assert!(write(&mut out).is_ok(), "memory takes everything");
    let text = String::from_utf8_lossy(&out).into_owned();
    assert_eq!(text.as_bytes(), out, "not text");
    let active = text.chars().find(|&c| c != '\t' && escape::is_active(c));
    assert_eq!(active, None, "{text}");
    text
}

pub(super) fn is_json(text: &str) {
    let read = serde_json::from_str::<serde::de::IgnoredAny>(text);
    assert!(read.is_ok(), "{read:?}\n{text}");
}
