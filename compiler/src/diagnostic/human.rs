//! Findings for people: a headline, the lines in question with what to see in them, and the fix.
//!
//! miette draws the snippets. It knows one source text for each diagnostic, while a finding's places may be in
//! several files, so their lines are laid end to end in one address space (`canvas.rs`); a span that would cross from
//! one file (or one group of neighbouring lines) into the next is refused, which makes miette open a new snippet with
//! that file's own name and line numbers.

use super::canvas::{CONTEXT, Canvas};
use super::{Counts, Finding, Label, Severity, escape, named_ports, wrap};
use crate::source::Sources;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use std::cmp::Reverse;
use std::fmt;
use std::io::{self, Write};

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// ANSI colours, or none at all (`NO_COLOR`, a pipe).
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            color: false,
            width: 100,
        }
    }
}

/// Writes the `findings` that count, which should be sorted, each followed by an empty line. A terminal shows the end of
/// what is printed: the worst come last.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(
    out: &mut dyn Write,
    findings: &[Finding],
    sources: &Sources,
    options: Options,
) -> io::Result<()> {
    let mut counting: Vec<_> = findings.iter().filter(|finding| finding.counts()).collect();
    counting.sort_by_key(|finding| Reverse(finding.severity));
    for finding in counting {
        let drawing = Drawing::new(finding, sources, options.width);
        let handler = GraphicalReportHandler::new_themed(theme(&drawing, options.color))
            .with_width(options.width)
            .with_break_words(false)
            .with_word_separator(wrap::SEPARATOR)
            .with_word_splitter(wrap::SPLITTER)
            .with_context_lines(CONTEXT as usize)
            .with_links(false);
        let mut text = String::new();
        handler
            .render_report(&mut text, &drawing)
            .map_err(|fmt::Error| io::Error::other("a finding could not be drawn"))?;
        // miette pads snippet lines; trailing blanks make output differ for no reader's benefit. What it wraps begins
        // lines of its own.
        for line in text.lines() {
            writeln!(out, "{}", escape::commands(line.trim_end()))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Where the finding is has the colour of its severity; what explains it has another. miette colours labels in turn.
fn theme(drawing: &Drawing<'_>, color: bool) -> GraphicalTheme {
    if !color {
        return GraphicalTheme::unicode_nocolor();
    }
    let mut theme = GraphicalTheme::unicode();
    let styles = &mut theme.styles;
    let here = match drawing.finding.severity {
        Severity::Error => styles.error,
        Severity::Warning => styles.warning,
        Severity::Note => styles.advice,
    };
    let highlights = drawing.spans.iter().map(|span| match span.primary() {
        true => here.bold(),
        false => styles.help,
    });
    // At least one, for it goes through them again and again.
    styles.highlights = highlights.chain([here]).collect();
    theme
}

/// Writes one line for each finding that was accepted: what, where, why.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_accepted(out: &mut dyn Write, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        let Some(accepted) = &finding.accepted else {
            continue;
        };
        let place = finding
            .primary()
            .map_or(String::new(), |label| format!(" at {}", label.origin));
        let line = format!(
            "accepted {} {}{place} by {}: {}",
            finding.code,
            finding.code.name(),
            accepted.by.as_str(),
            accepted.reason
        );
        writeln!(out, "{}", escape::message(&line.replace('\n', " ")))?;
    }
    Ok(())
}

/// The closing line: `2 errors, 1 warning, 3 accepted`.
#[must_use]
pub fn summary(counts: Counts) -> String {
    let part = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let mut parts: Vec<_> = [
        part(counts.errors, "error"),
        part(counts.warnings, "warning"),
        part(counts.notes, "note"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        parts.push("no findings".to_owned());
    }
    if counts.accepted > 0 {
        parts.push(format!("{} accepted", counts.accepted));
    }
    parts.join(", ")
}

/// A finding as miette sees it.
#[derive(Debug)]
struct Drawing<'a> {
    finding: &'a Finding,
    help: Option<String>,
    canvas: Canvas,
    /// In the order in which miette draws them.
    spans: Vec<LabeledSpan>,
}

impl<'a> Drawing<'a> {
    fn new(finding: &'a Finding, sources: &Sources, width: usize) -> Self {
        let mut ordered: Vec<&Label> = finding.labels.iter().collect();
        // The finding's own place first, then its file, then the others by name.
        if let Some(primary) = finding.primary() {
            ordered.sort_by_key(|label| {
                (
                    !std::ptr::eq(*label, primary),
                    label.origin.file != primary.origin.file,
                    &label.origin,
                    !label.primary,
                )
            });
        }
        let canvas = Canvas::new(&ordered, sources);
        let mut unplaced = Vec::new();
        let mut spans = Vec::new();
        for label in ordered {
            match canvas.span(&label.origin) {
                Some(span) => {
                    let text = escape::message(&label.text);
                    let room = wrap::to(canvas.room(&label.origin, width));
                    let text = Some(textwrap::fill(&text, room)).filter(|text| !text.is_empty());
                    spans.push(if label.primary {
                        LabeledSpan::new_primary_with_span(text, span)
                    } else {
                        LabeledSpan::new_with_span(text, span)
                    });
                }
                None => unplaced.push(format!("{}: {}", label.origin, label.text)),
            }
        }
        spans.sort_by_key(LabeledSpan::offset);
        let witness = finding
            .witness
            .as_ref()
            .map(|witness| format!("for example: {witness}"));
        // What to do first, then what else there is to know.
        let help = finding.help.iter().flat_map(|help| help.lines());
        let mut lines: Vec<_> = help.map(str::to_owned).chain(witness).collect();
        let names = named_ports::lines(&finding.named_ports, finding.engines.as_ref());
        if !lines.is_empty() && !names.is_empty() {
            lines.push(String::new());
        }
        lines.extend(names);
        lines.extend(unplaced);
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines.extend(finding.primary().and_then(Label::made_from));
        let help = (!lines.is_empty()).then(|| {
            let lines: Vec<_> = lines.iter().map(|line| escape::message(line)).collect();
            lines.join("\n")
        });
        Self {
            finding,
            help,
            canvas,
            spans,
        }
    }
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::message(&self.finding.message))
    }
}

impl std::error::Error for Drawing<'_> {}

impl Diagnostic for Drawing<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let severity = self.finding.severity.as_str();
        Some(Box::new(format!(
            "{severity}[{}] {}",
            self.finding.code,
            self.finding.code.name()
        )))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.spans.is_empty()).then_some(&self.canvas as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.spans.iter().cloned()))
    }
}
