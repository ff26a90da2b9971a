//! Findings as Markdown, for a comment under a change.
//!
//! In a comment, text can mention people, link elsewhere and hide what follows. So everything that may come from a
//! manifest stands in code: paths in code spans, the drawings that people see in a terminal in code blocks, each with more
//! backticks around it than there are in it.

use super::report::Report;
use super::{Counts, Finding, escape, human};
use std::io::{self, Write};

/// Bytes of a comment that are filled at most; GitHub refuses more than 65,536 characters.
const LONGEST: usize = 60_000;

/// Bytes of a finding at least: where fewer are left, none is drawn to see whether it fits.
const SHORTEST: usize = 100;

/// Columns of a drawing; wider ones scroll.
const WIDTH: usize = 100;

/// Writes the findings that count, the worst first, as many as fit a comment; the others are counted.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    let counts = Counts::of(report.findings);
    let mut text = format!("### Portcullis: {}\n", human::summary(counts));
    if !report.successful {
        text.push_str(
            "\nA refused input would leave every answer a guess: nothing behind it was analysed.\n",
        );
    } else if let Some(gave_up) = report.gave_up() {
        text.push_str(&format!("\nIncomplete: {gave_up}.\n"));
    }
    let mut counting: Vec<_> = report.counting().collect();
    counting.sort_by_key(|finding| finding.severity);
    let mut left_out = Vec::new();
    for finding in counting {
        if text.len() + SHORTEST > LONGEST {
            left_out.push(finding);
            continue;
        }
        let section = section(report, finding)?;
        if text.len() + section.len() > LONGEST {
            left_out.push(finding);
        } else {
            text.push_str(&section);
        }
    }
    if !left_out.is_empty() {
        let counts = Counts::of(left_out.iter().copied());
        text.push_str(&format!(
            "\nand {} more: {}.\n",
            left_out.len(),
            human::summary(counts)
        ));
    }
    out.write_all(text.as_bytes())
}

/// A headline, and the drawing below it.
fn section(report: &Report<'_>, finding: &Finding) -> io::Result<String> {
    let place = report.place(finding).map_or(String::new(), |origin| {
        let (path, line) = (report.path(&origin.file), origin.line);
        format!(" in {}", span(&format!("{path}:{line}")))
    });
    let mut drawing = Vec::new();
    let options = human::Options {
        color: false,
        width: WIDTH,
    };
    human::write(
        &mut drawing,
        std::slice::from_ref(finding),
        report.sources,
        options,
    )?;
    Ok(format!(
        "\n**{}** {} {}{place}\n{}",
        finding.severity.as_str(),
        finding.code,
        finding.code.name(),
        block(&String::from_utf8_lossy(&drawing))
    ))
}

/// A fence that nothing in `text` closes.
fn fence(text: &str, shortest: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(shortest))
}

fn span(text: &str) -> String {
    let text = escape::message(text).replace('\n', " ");
    let fence = fence(&text, 1);
    // A blank on both sides is taken off again, and keeps a backtick at the end apart from the fence.
    if text.contains('`') {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

fn block(text: &str) -> String {
    let fence = fence(text, 3);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end())
}
