//! Findings for people: a headline, the lines in question with what to see in them, and the fix.
//!
//! miette draws the snippets. It knows one source text for each diagnostic, while a finding's places may be in
//! several files, so the files are laid end to end in one address space ([`Canvas`]); a span that would cross from
//! one file into the next is refused, which makes miette open a new snippet with that file's own name and lines.

use super::{Counts, Finding, Label, Severity, escape};
use crate::source::{Position, Sources};
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};
use std::borrow::Cow;
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

/// A label that covers more lines than this is drawn on its first line only.
const TALLEST_LABEL: u32 = 12;

/// Writes `findings`, which should be sorted, each followed by an empty line.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(
    out: &mut dyn Write,
    findings: &[Finding],
    sources: &Sources,
    options: Options,
) -> io::Result<()> {
    let theme = if options.color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(options.width)
        .with_context_lines(1)
        .with_links(false);
    for finding in findings {
        let drawing = Drawing::new(finding, sources);
        let mut text = String::new();
        handler
            .render_report(&mut text, &drawing)
            .map_err(|fmt::Error| io::Error::other("a finding could not be drawn"))?;
        // miette pads snippet lines; trailing blanks make output differ for no reader's benefit.
        for line in text.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The closing line: `2 errors, 1 warning`.
#[must_use]
pub fn summary(counts: Counts) -> String {
    let part = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let parts: Vec<_> = [
        part(counts.errors, "error"),
        part(counts.warnings, "warning"),
        part(counts.notes, "note"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        "no findings".to_owned()
    } else {
        parts.join(", ")
    }
}

/// A finding as miette sees it.
#[derive(Debug)]
struct Drawing<'a> {
    finding: &'a Finding,
    help: Option<String>,
    canvas: Canvas<'a>,
    spans: Vec<LabeledSpan>,
}

impl<'a> Drawing<'a> {
    fn new(finding: &'a Finding, sources: &'a Sources) -> Self {
        let mut canvas = Canvas::default();
        let mut ordered: Vec<&Label> = finding.labels.iter().collect();
        // The file with the primary place first, then the others by name.
        let first = finding.primary().map(|label| label.origin.file.clone());
        ordered.sort_by_key(|label| {
            (
                Some(&label.origin.file) != first.as_ref(),
                &label.origin,
                !label.primary,
            )
        });
        let mut unplaced = Vec::new();
        let mut spans = Vec::new();
        for label in ordered {
            match canvas.span(label, sources) {
                Some(span) => {
                    let text =
                        Some(escape::message(&label.text).into_owned()).filter(|text| !text.is_empty());
                    spans.push(if label.primary {
                        LabeledSpan::new_primary_with_span(text, span)
                    } else {
                        LabeledSpan::new_with_span(text, span)
                    });
                }
                None => unplaced.push(format!("{}: {}", label.origin, label.text)),
            }
        }
        let witness = finding.witness.as_ref().map(|witness| {
            let port = witness.port.map_or(String::new(), |port| format!(" {port}"));
            format!(
                "for example: {} → {}, {}{port}",
                witness.from, witness.to, witness.protocol
            )
        });
        let help: Vec<_> = finding
            .help
            .clone()
            .into_iter()
            .chain(witness)
            .chain(unplaced)
            .collect();
        let help = (!help.is_empty()).then(|| {
            let lines: Vec<_> = help
                .iter()
                .flat_map(|text| text.lines())
                .map(escape::message)
                .collect();
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

/// The files of one finding, end to end in one address space, with nothing in them that a terminal acts on.
#[derive(Debug, Default)]
struct Canvas<'a> {
    sheets: Vec<Sheet<'a>>,
}

#[derive(Debug)]
struct Sheet<'a> {
    name: String,
    source_name: &'a str,
    start: usize,
    text: Cow<'a, str>,
    /// Offset in `text` of each line's first byte.
    lines: Vec<usize>,
}

impl Sheet<'_> {
    /// A byte of its own behind each text keeps an empty span at its end apart from the next text's start.
    fn end(&self) -> usize {
        self.start + self.text.len() + 1
    }

    fn offset(&self, position: Position) -> Option<usize> {
        let index = (position.line as usize).checked_sub(1)?;
        let start = *self.lines.get(index)?;
        let end = self.lines.get(index + 1).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end)?.trim_end_matches('\n');
        let column = (position.column as usize).checked_sub(1)?;
        Some(start + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at))
    }
}

impl<'a> Canvas<'a> {
    fn sheet(&mut self, file: &str, sources: &'a Sources) -> Option<&Sheet<'a>> {
        if let Some(at) = self.sheets.iter().position(|sheet| sheet.source_name == file) {
            return self.sheets.get(at);
        }
        let source = sources.by_name(file)?;
        let text = source.text();
        let clean = !text.contains('\r') && matches!(escape::line(text), Cow::Borrowed(_));
        let (text, lines) = if clean {
            let starts = (1..=source.line_count()).filter_map(|line| source.line(line));
            (
                Cow::Borrowed(&**text),
                starts.map(|(start, _)| start as usize).collect(),
            )
        } else {
            let (mut safe, mut lines) = (String::with_capacity(text.len()), Vec::new());
            for (_, line) in (1..=source.line_count()).filter_map(|line| source.line(line)) {
                if !lines.is_empty() {
                    safe.push('\n');
                }
                lines.push(safe.len());
                safe.push_str(&escape::line(line));
            }
            (Cow::Owned(safe), lines)
        };
        let start = self.sheets.last().map_or(0, Sheet::end);
        self.sheets.push(Sheet {
            name: escape::message(file).into_owned(),
            source_name: source.name(),
            start,
            text,
            lines,
        });
        self.sheets.last()
    }

    fn span(&mut self, label: &Label, sources: &'a Sources) -> Option<SourceSpan> {
        let origin = &label.origin;
        let sheet = self.sheet(&origin.file, sources)?;
        let start = sheet.offset(Position {
            line: origin.line,
            column: origin.column,
        })?;
        let end = if origin.end_line.saturating_sub(origin.line) >= TALLEST_LABEL {
            Position {
                line: origin.line,
                column: u32::MAX,
            }
        } else {
            Position {
                line: origin.end_line,
                column: origin.end_column,
            }
        };
        let end = sheet.offset(end).unwrap_or(start).max(start);
        Some(SourceSpan::new((sheet.start + start).into(), end - start))
    }
}

impl SourceCode for Canvas<'_> {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        let (from, to) = (span.offset(), span.offset() + span.len());
        let sheet = self
            .sheets
            .iter()
            .find(|sheet| sheet.start <= from && to < sheet.end())
            .ok_or(MietteError::OutOfBounds)?;
        let (from, to) = (from - sheet.start, to - sheet.start);
        let line_of = |offset: usize| {
            sheet
                .lines
                .partition_point(|&start| start <= offset)
                .saturating_sub(1)
        };
        let start_line = line_of(from);
        let first = start_line.saturating_sub(lines_before);
        let last = line_of(to).saturating_add(lines_after);
        let begin = sheet.lines.get(first).copied().unwrap_or(0);
        let end = sheet
            .lines
            .get(last.saturating_add(1))
            .copied()
            .unwrap_or(sheet.text.len());
        // With no context asked for, miette reads line and column of the span itself.
        let begin = if lines_before == 0 { from } else { begin };
        let column = if lines_before == 0 {
            let line_start = sheet.lines.get(start_line).copied().unwrap_or(0);
            sheet
                .text
                .get(line_start..from)
                .map_or(0, |text| text.chars().count())
        } else {
            0
        };
        let data = sheet
            .text
            .as_bytes()
            .get(begin..end.max(to))
            .ok_or(MietteError::OutOfBounds)?;
        Ok(Box::new(MietteSpanContents::new_named(
            sheet.name.clone(),
            data,
            SourceSpan::new((sheet.start + begin).into(), data.len()),
            if lines_before == 0 { start_line } else { first },
            column,
            sheet.lines.len(),
        )))
    }
}
