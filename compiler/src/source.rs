//! Files and their text: the only place that knows lines and columns.

use std::sync::Arc;

/// Names one [`Source`] of a [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A byte range in a [`Source`]'s text, end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset just behind the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end`; a reversed one becomes empty at `start`.
    #[must_use]
    pub fn new(start: u32, end: u32) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn cover(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Whether `other` lies inside this span.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// A place in a text, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One input: a file or standard input.
///
/// The text is the file's without a leading byte-order mark, which is kept apart, so that offsets and columns start at
/// the first character a person sees. Bytes that are not UTF-8 are shown as U+FFFD; such a source is never parsed.
#[derive(Clone, Debug)]
pub struct Source {
    name: Arc<str>,
    mark: &'static str,
    text: Arc<str>,
    line_starts: Vec<u32>,
    /// Characters before each multiple of [`STRIDE`] bytes: columns on a line of megabytes (minified JSON) must not
    /// cost a walk along the line for every value on it.
    characters: Vec<u32>,
}

/// Bytes between two entries of [`Source`]'s index of characters.
const STRIDE: usize = 1024;

/// What may stand in front of the text.
const MARK: &str = "\u{feff}";

/// The name under which standard input appears in findings.
pub const STDIN: &str = "<stdin>";

impl Source {
    /// Wraps `text`, read from `name`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, text: &str) -> Self {
        let (mark, text) = match text.strip_prefix(MARK) {
            Some(text) => (MARK, text),
            None => ("", text),
        };
        Self {
            name: name.into(),
            mark,
            line_starts: line_starts(text),
            characters: characters(text),
            text: text.into(),
        }
    }

    /// The name as the user wrote it, or [`STDIN`].
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The text, without a byte-order mark.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The byte-order mark in front of the text; empty where there is none.
    #[must_use]
    pub fn mark(&self) -> &'static str {
        self.mark
    }

    /// The text that `span` covers; empty when it does not lie on character boundaries of this text.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }

    /// How many lines there are, a last one without a line break included.
    #[must_use]
    pub fn line_count(&self) -> u32 {
        u32::try_from(self.line_starts.len()).unwrap_or(u32::MAX)
    }

    /// The text of a line (from 1) without its line break, and the offset of its first byte.
    #[must_use]
    pub fn line(&self, line: u32) -> Option<(u32, &str)> {
        let index = (line as usize).checked_sub(1)?;
        let start = *self.line_starts.get(index)?;
        let end = self
            .line_starts
            .get(index + 1)
            .map_or(self.text.len(), |&next| next as usize);
        let text = self.text.get(start as usize..end)?;
        Some((start, text.trim_end_matches(['\n', '\r'])))
    }

    /// Line and column of a byte offset. An offset behind the end is the end.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let index = self.line_starts.partition_point(|&start| start <= offset);
        let line = index.max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0) as usize;
        let end = (offset as usize).min(self.text.len());
        let line_before = self.text.as_bytes().get(start..end).unwrap_or_default();
        let column = if line_before.len() <= STRIDE {
            line_before
                .iter()
                .filter(|&&byte| is_character_start(byte))
                .count()
        } else {
            self.characters_before(end) - self.characters_before(start.min(end))
        };
        Position {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
        }
    }

    /// The byte offset of a position; one behind the end of its line is the end of that line.
    #[must_use]
    pub fn offset(&self, position: Position) -> Option<u32> {
        let (start, text) = self.line(position.line)?;
        let (start, end) = (start as usize, start as usize + text.len());
        let wanted = self.characters_before(start) + (position.column as usize).checked_sub(1)?;
        // The last entry of the index with no more characters before it than wanted; the rest is a short walk.
        let block = self
            .characters
            .partition_point(|&before| before as usize <= wanted)
            .saturating_sub(1);
        let before = self.characters.get(block).copied().unwrap_or(0) as usize;
        let bytes = self.text.as_bytes().get(block * STRIDE..end).unwrap_or_default();
        let mut starts = bytes
            .iter()
            .enumerate()
            .filter(|&(_, &byte)| is_character_start(byte));
        let offset = starts
            .nth(wanted - before)
            .map_or(end, |(at, _)| block * STRIDE + at);
        u32::try_from(offset.min(end)).ok()
    }

    /// How many characters start before a byte offset.
    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / STRIDE;
        let before = self.characters.get(block).copied().unwrap_or(0) as usize;
        let rest = self
            .text
            .as_bytes()
            .get(block * STRIDE..offset)
            .unwrap_or_default();
        before + rest.iter().filter(|&&byte| is_character_start(byte)).count()
    }
}

/// Whether a byte of UTF-8 is not a continuation of the character before.
fn is_character_start(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

fn characters(text: &str) -> Vec<u32> {
    let mut before = 0_u32;
    let blocks = text.as_bytes().chunks(STRIDE).map(|block| {
        let here = before;
        let count = block.iter().filter(|&&byte| is_character_start(byte)).count();
        before = before.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        here
    });
    let mut index: Vec<_> = blocks.collect();
    index.push(before);
    index
}

/// YAML breaks lines at LF, CR LF and a lone CR ([YAML 1.2.2 §5.4](https://yaml.org/spec/1.2.2/#54-line-break-characters)).
fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (at, &byte) in bytes.iter().enumerate() {
        let ends_line = byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        if ends_line {
            starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
        }
    }
    starts
}

/// Every source of a run, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    all: Vec<Arc<Source>>,
}

impl Sources {
    /// Adds a source.
    pub fn push(&mut self, source: impl Into<Arc<Source>>) -> SourceId {
        let id = SourceId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(source.into());
        id
    }

    /// The source with this id. `None` only for an id of another `Sources`.
    #[must_use]
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.all.get(id.0 as usize).map(|source| &**source)
    }

    /// The source with this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Source> {
        self.all
            .iter()
            .map(|source| &**source)
            .find(|source| &*source.name == name)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        (0..).map(SourceId).zip(self.all.iter().map(|source| &**source))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let source = Source::new("a", "\u{feff}aé\r\n\tß x\rz\n");
        for (needle, line, column) in [
            ("a", 1, 1),
            ("é", 1, 2),
            ("\t", 2, 1),
            ("ß", 2, 2),
            ("x", 2, 4),
            ("z", 3, 1),
        ] {
            let at = u32::try_from(source.text().find(needle).unwrap()).unwrap();
            let position = source.position(at);
            assert_eq!(position, Position { line, column }, "{needle:?}");
            assert_eq!(source.offset(position), Some(at), "{needle:?}");
        }
        assert_eq!(source.line(2), Some((5, "\tß x")));
        assert_eq!((source.mark(), Source::new("a", "b").mark()), ("\u{feff}", ""));
        assert_eq!(source.position(10_000), Position { line: 4, column: 1 });
    }

    #[test]
    fn positions_on_long_lines_are_exact() {
        for unit in ["x", "é", "漢", "a😀"] {
            let text = format!("first\n{}\nlast", unit.repeat(3000));
            let source = Source::new("a", &text);
            let (start, line) = source.line(2).unwrap();
            for (column, (at, _)) in line.char_indices().enumerate().step_by(7) {
                let offset = start + u32::try_from(at).unwrap();
                let column = u32::try_from(column + 1).unwrap();
                let position = Position { line: 2, column };
                assert_eq!(source.position(offset), position, "{unit}");
                assert_eq!(source.offset(position), Some(offset), "{unit}");
            }
            let end = start + u32::try_from(line.len()).unwrap();
            let column = u32::MAX;
            assert_eq!(source.offset(Position { line: 2, column }), Some(end));
            assert_eq!(source.offset(Position { line: 3, column: 5 }), Some(end + 5));
        }
    }
}
