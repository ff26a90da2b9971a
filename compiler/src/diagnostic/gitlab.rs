//! Findings as a [code quality report], which GitLab shows in merge requests.
//!
//! [code quality report]: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format

use super::report::Report;
use super::{Severity, fingerprint, json};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    /// Unique in the report; GitLab compares the reports of two branches by it.
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
    end: u32,
}

/// Writes the findings that count; the format has no word for accepted ones.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let issues: Vec<Issue> = report
        .counting()
        .map(|finding| {
            let place = report.place(finding);
            let file = place.as_ref().map_or(".", |origin| &*origin.file);
            let path = report.path(file);
            let own = format!(
                "{} {path}",
                fingerprint::fingerprint(finding, report.sources, report.repository)
            );
            let nth = seen.entry(own.clone()).or_default();
            *nth += 1;
            Issue {
                description: report.text(finding),
                check_name: format!("{} {}", finding.code, finding.code.name()),
                fingerprint: fingerprint::of(&[&own, &nth.to_string()]),
                severity: match finding.severity {
                    Severity::Error => "critical",
                    Severity::Warning => "minor",
                    Severity::Note => "info",
                },
                location: Location {
                    path,
                    lines: Lines {
                        begin: place.as_ref().map_or(1, |origin| origin.line),
                        end: place
                            .as_ref()
                            .map_or(1, |origin| origin.end_line.max(origin.line)),
                    },
                },
            }
        })
        .collect();
    json::write_pretty(out, &issues)
}
