//! The lines that a finding's drawing shows, laid end to end for miette.
//!
//! Only the lines around labels are held, so a finding in a file of megabytes costs no more than in a small one. Nothing
//! in them makes a terminal act, and long lines are cut around the label.

use super::{Label, escape};
use crate::source::{Position, Source, Sources, Span};
use ir::origin::Origin;
use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Lines shown in front of and behind each label.
pub(super) const CONTEXT: u32 = 1;

/// Characters of a line that are shown at most; minified JSON is one line of megabytes.
const LONGEST_LINE: usize = 240;

/// Characters shown in front of a label on a line that is cut.
const LEAD: usize = 40;

/// A label that covers more lines than this is drawn on its first line only.
const TALLEST_LABEL: u32 = 12;

/// The lines of one finding, end to end in one address space.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    blocks: Vec<Block>,
}

/// Neighbouring lines of one file.
#[derive(Debug)]
struct Block {
    /// The file's name, safe to print.
    name: String,
    file: Arc<str>,
    /// The first line's number, from 1.
    first: u32,
    /// Address of the first byte.
    start: usize,
    text: String,
    lines: Vec<Line>,
}

/// A line of a [`Block`].
#[derive(Debug)]
struct Line {
    /// Offset in the block's text.
    start: usize,
    /// Characters left out at its beginning; one `…` stands for them.
    cut: usize,
}

impl Block {
    /// A byte of its own behind each text keeps an empty span at its end apart from the next text's start.
    fn end(&self) -> usize {
        self.start + self.text.len() + 1
    }

    fn line_text(&self, index: usize) -> &str {
        let start = self.lines.get(index).map_or(0, |line| line.start);
        let end = self
            .lines
            .get(index + 1)
            .map_or(self.text.len(), |next| next.start);
        self.text.get(start..end).unwrap_or("").trim_end_matches('\n')
    }

    /// Address of a position; one that is left out or behind the line's end moves to what is shown.
    fn address(&self, position: Position) -> Option<usize> {
        let index = position.line.checked_sub(self.first)? as usize;
        let line = self.lines.get(index)?;
        let column = (position.column as usize).saturating_sub(1);
        let shown = match line.cut {
            0 => column,
            cut => (column + 1).saturating_sub(cut),
        };
        let text = self.line_text(index);
        let bytes = text.char_indices().nth(shown).map_or(text.len(), |(at, _)| at);
        Some(self.start + line.start + bytes)
    }

    /// Column in the file, from 0, of an offset in the block's text on the line with this index.
    fn column(&self, index: usize, offset: usize) -> usize {
        let (start, cut) = self
            .lines
            .get(index)
            .map_or((0, 0), |line| (line.start, line.cut));
        let shown = self
            .text
            .get(start..offset)
            .map_or(0, |text| text.chars().count());
        if cut == 0 {
            shown
        } else {
            (shown + cut).saturating_sub(1)
        }
    }
}

/// The last line that a label is drawn on.
fn last_line(origin: &Origin) -> u32 {
    if origin.end_line.saturating_sub(origin.line) >= TALLEST_LABEL {
        origin.line
    } else {
        origin.end_line.max(origin.line)
    }
}

impl Canvas {
    /// The lines around `labels`, whose order decides the order of files. Those of the first label come first.
    pub(super) fn new(labels: &[&Label], sources: &Sources) -> Self {
        let mut canvas = Self::default();
        for (at, label) in labels.iter().enumerate() {
            let file = &label.origin.file;
            let is_first = labels.iter().take(at).all(|before| before.origin.file != *file);
            let Some(source) = sources.by_name(file).filter(|_| is_first) else {
                continue;
            };
            let in_file: Vec<_> = labels
                .iter()
                .copied()
                .filter(|label| label.origin.file == *file)
                .collect();
            let mut ranges: Vec<_> = in_file
                .iter()
                .map(|label| &label.origin)
                .filter(|origin| (1..=source.line_count()).contains(&origin.line))
                .map(|origin| {
                    let last = last_line(origin).saturating_add(CONTEXT).min(source.line_count());
                    (origin.line.saturating_sub(CONTEXT).max(1), last)
                })
                .collect();
            ranges.sort_unstable();
            let mut merged: Vec<(u32, u32)> = Vec::new();
            for (first, last) in ranges {
                match merged.last_mut() {
                    Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                    _ => merged.push((first, last)),
                }
            }
            // `false` comes first, and sorting is stable.
            let first_line = in_file.first().map_or(0, |label| label.origin.line);
            merged.sort_by_key(|(first, last)| !(first..=last).contains(&&first_line));
            for (first, last) in merged {
                canvas.add(source, &in_file, first, last);
            }
        }
        canvas
    }

    fn add(&mut self, source: &Source, labels: &[&Label], first: u32, last: u32) {
        let (mut text, mut lines) = (String::new(), Vec::new());
        for number in first..=last {
            // A file that ends with a line break has no line behind it.
            let Some((_, line)) = source
                .line(number)
                .filter(|(_, line)| number == first || number < source.line_count() || !line.is_empty())
            else {
                break;
            };
            if number != first {
                text.push('\n');
            }
            // The finding's own place is never cut off; what explains it may be.
            let here = labels.iter().filter(|label| label.origin.line == number);
            let column = here.map(|label| (!label.primary, label.origin.column)).min();
            let (cut, shown, is_whole) = window(source, number, line, column.map_or(1, |(_, column)| column));
            lines.push(Line {
                start: text.len(),
                cut,
            });
            text.push_str(if cut > 0 { "…" } else { "" });
            text.push_str(&escape::line(shown));
            text.push_str(if is_whole { "" } else { "…" });
        }
        let start = self.blocks.last().map_or(0, Block::end);
        self.blocks.push(Block {
            name: escape::one_line(source.name()).into_owned(),
            file: source.name().clone(),
            first,
            start,
            text,
            lines,
        });
    }

    /// The address of an origin; `None` when its file is not loaded or has no such line.
    pub(super) fn span(&self, origin: &Origin) -> Option<SourceSpan> {
        let position = |line, column| Position { line, column };
        let block = self.block(origin)?;
        let start = block.address(position(origin.line, origin.column))?;
        let end_column = if last_line(origin) == origin.end_line {
            origin.end_column
        } else {
            u32::MAX
        };
        let end = block
            .address(position(last_line(origin), end_column))
            .unwrap_or(start)
            .max(start);
        Some(SourceSpan::new(start.into(), end - start))
    }

    /// The columns that are left for what is said of an origin, in a drawing with `width` of them.
    pub(super) fn room(&self, origin: &Origin, width: usize) -> usize {
        /// Text in fewer columns cannot be read.
        const NARROWEST: usize = 24;
        /// The arms between a place and what is said of it, and those around the line number.
        const ARMS: usize = 9;
        let (Some(block), Some(span)) = (self.block(origin), self.span(origin)) else {
            return width;
        };
        let number = (block.first as usize + block.lines.len()).to_string().len();
        let before = span.offset() - block.start;
        let text = |from, to| block.text.get(from..to).unwrap_or("");
        let line = text(0, before).rfind('\n').map_or(0, |at| at + 1);
        let here = text(before, before + span.len());
        // An arm goes down from the middle of a place on one line; one on several lines has its arm in front of them.
        let indent = match here.contains('\n') {
            true => 0,
            false => text(line, before).width() + here.width() / 2,
        };
        width.saturating_sub(number + ARMS + indent).max(NARROWEST)
    }

    /// The lines that an origin begins in.
    fn block(&self, origin: &Origin) -> Option<&Block> {
        self.blocks.iter().find(|block| {
            let behind = block.first as usize + block.lines.len();
            block.file == origin.file && block.first <= origin.line && (origin.line as usize) < behind
        })
    }
}

/// What to show of a line for the label at `column`: characters cut off in front, the text, and whether it
/// runs to the line's end.
fn window<'s>(source: &'s Source, number: u32, line: &'s str, column: u32) -> (usize, &'s str, bool) {
    if line.len() <= LONGEST_LINE || (line.len() < LONGEST_LINE * 4 && line.chars().count() <= LONGEST_LINE) {
        return (0, line, true);
    }
    let cut = (column as usize).saturating_sub(1).saturating_sub(LEAD);
    let at = |column: usize| {
        let column = u32::try_from(column + 1).unwrap_or(u32::MAX);
        source.offset(Position { line: number, column }).unwrap_or(0)
    };
    let shown = source.slice(Span::new(at(cut), at(cut + LONGEST_LINE)));
    let is_whole = line.ends_with(shown) && at(cut + LONGEST_LINE) == at(u32::MAX as usize - 1);
    (cut, shown, is_whole)
}

impl SourceCode for Canvas {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        let (from, to) = (span.offset(), span.offset() + span.len());
        let holds = |block: &&Block| block.start <= from && to < block.end();
        let block = self.blocks.iter().find(holds).ok_or(MietteError::OutOfBounds)?;
        let (from, to) = (from - block.start, to - block.start);
        let line_of = |offset: usize| {
            block
                .lines
                .partition_point(|line| line.start <= offset)
                .saturating_sub(1)
        };
        let line_start = |index: usize| block.lines.get(index).map(|line| line.start);
        let start_line = line_of(from);
        let first = start_line.saturating_sub(lines_before);
        let last = line_of(to).saturating_add(lines_after);
        let end = line_start(last.saturating_add(1))
            .unwrap_or(block.text.len())
            .max(to);
        // With no context asked for, miette wants line and column of the span itself.
        let (begin, line, column) = match lines_before {
            0 => (from, start_line, block.column(start_line, from)),
            _ => (line_start(first).unwrap_or(0), first, 0),
        };
        let data = block
            .text
            .as_bytes()
            .get(begin..end)
            .ok_or(MietteError::OutOfBounds)?;
        Ok(Box::new(MietteSpanContents::new_named(
            block.name.clone(),
            data,
            SourceSpan::new((block.start + begin).into(), data.len()),
            (block.first as usize).saturating_sub(1) + line,
            column,
            block.lines.len(),
        )))
    }
}
