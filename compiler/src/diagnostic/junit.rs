//! Findings as JUnit XML, which nearly every CI system shows as test results.
//!
//! A file is a suite. Each finding in it is a test case: failed when it fails the run, skipped when it was accepted,
//! passed with its text as output otherwise. A file without findings is one test case that passed. What the solver gave
//! up on is a suite of its own, whose test cases are errors: not proved is not fine.

use super::report::Report;
use super::{Finding, escape};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes the report.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    let mut suites: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for (_, source) in report.sources.iter() {
        suites.entry(report.path(source.name())).or_default();
    }
    for finding in report.findings {
        let file = report
            .place(finding)
            .map_or(String::new(), |origin| report.path(&origin.file));
        suites.entry(file).or_default().push(finding);
    }
    let cases = |suite: &[&Finding]| suite.len().max(1);
    let failed = |suite: &[&Finding]| suite.iter().filter(|finding| report.fails(finding)).count();
    let skipped = |suite: &[&Finding]| suite.iter().filter(|finding| !finding.counts()).count();
    let sum = |of: &dyn Fn(&[&Finding]) -> usize| suites.values().map(|suite| of(suite)).sum::<usize>();
    let undecided = report.undecided.len();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="portcullis check" tests="{}" failures="{}" errors="{undecided}">"#,
        sum(&cases) + undecided,
        sum(&failed)
    )?;
    for (file, suite) in &suites {
        let file = attribute(file);
        writeln!(
            out,
            r#"  <testsuite name="{file}" tests="{}" failures="{}" errors="0" skipped="{}">"#,
            cases(suite),
            failed(suite),
            skipped(suite)
        )?;
        if suite.is_empty() {
            writeln!(out, r#"    <testcase classname="{file}" name="no findings"/>"#)?;
        }
        for finding in suite {
            case(out, report, &file, finding)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    if undecided > 0 {
        incomplete(out, report.undecided)?;
    }
    writeln!(out, "</testsuites>")
}

/// The suite of what the solver gave up on.
fn incomplete(out: &mut dyn Write, undecided: &[String]) -> io::Result<()> {
    let count = undecided.len();
    writeln!(
        out,
        r#"  <testsuite name="solver" tests="{count}" failures="0" errors="{count}" skipped="0">"#
    )?;
    for (number, sentence) in (1..).zip(undecided) {
        let message = attribute(sentence);
        writeln!(
            out,
            r#"    <testcase classname="solver" name="question {number}">"#
        )?;
        writeln!(out, r#"      <error type="incomplete" message="{message}"/>"#)?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>")
}

fn case(out: &mut dyn Write, report: &Report<'_>, file: &str, finding: &Finding) -> io::Result<()> {
    let (code, severity) = (finding.code, finding.severity.as_str());
    let place = finding.primary().map_or(String::new(), |label| {
        format!(" {}:{}", label.origin.line, label.origin.column)
    });
    writeln!(
        out,
        r#"    <testcase classname="{file}" name="{code} {}{place}">"#,
        code.name()
    )?;
    let text = report.text(finding);
    if let Some(accepted) = &finding.accepted {
        let reason = attribute(&format!(
            "accepted by {}: {}",
            accepted.by.as_str(),
            accepted.reason
        ));
        writeln!(out, r#"      <skipped message="{reason}"/>"#)?;
    } else if report.fails(finding) {
        let message = attribute(&finding.message);
        writeln!(
            out,
            r#"      <failure type="{severity}" message="{message}">{}</failure>"#,
            content(&text)
        )?;
    } else {
        writeln!(
            out,
            "      <system-out>{severity}: {}</system-out>",
            content(&text)
        )?;
    }
    writeln!(out, "    </testcase>")
}

/// Text between tags. XML 1.0 has no way to write control characters, so they are shown as escapes, and neither has it
/// the two code points that are no characters.
fn content(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in escape::message(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// The value of an attribute, whose line breaks a reader would turn into blanks.
fn attribute(text: &str) -> String {
    content(text).chars().fold(String::new(), |mut safe, c| {
        match c {
            '\n' => safe.push_str("&#10;"),
            c => {
                let _ = safe.write_char(c);
            }
        }
        safe
    })
}
