//! Places as editors count them: lines and UTF-16 units, both from 0.

use crate::source::{Position as Counted, Source, Span};
use ir::origin::Origin;
use lsp_types::{Position, Range};

/// The position of a byte.
pub(super) fn of_offset(source: &Source, offset: u32) -> Position {
    let line = source.position(offset).line;
    let (start, _) = source.line(line).unwrap_or_default();
    let before = source.slice(Span::new(start, offset));
    Position {
        line: line.saturating_sub(1),
        character: u32::try_from(before.encode_utf16().count()).unwrap_or(u32::MAX),
    }
}

/// The byte at a position. Behind a line's end is its end, behind the last line the end of the text.
pub(super) fn offset(source: &Source, position: Position) -> u32 {
    let Some((start, line)) = source.line(position.line.saturating_add(1)) else {
        return u32::try_from(source.text().len()).unwrap_or(u32::MAX);
    };
    start + u32::try_from(in_line(line, position.character)).unwrap_or(0)
}

/// The byte of a line at so many UTF-16 units; inside a character, where it begins.
fn in_line(line: &str, units: u32) -> usize {
    let mut seen = 0;
    for (at, c) in line.char_indices() {
        seen += u32::try_from(c.len_utf16()).unwrap_or(2);
        if seen > units {
            return at;
        }
    }
    line.len()
}

/// The range of a place in its source.
pub(super) fn range(source: &Source, place: &Origin) -> Range {
    let at = |line, column| {
        let offset = source.offset(Counted { line, column });
        of_offset(source, offset.unwrap_or_default())
    };
    Range {
        start: at(place.line, place.column),
        end: at(place.end_line, place.end_column),
    }
}

/// What of a range is on its first line: editors underline the indentation of those that follow.
pub(super) fn first_line(source: &Source, range: Range) -> Range {
    if range.start.line == range.end.line {
        return range;
    }
    let (_, line) = source
        .line(range.start.line.saturating_add(1))
        .unwrap_or_default();
    let units = line.trim_end().encode_utf16().count();
    let end = Position {
        line: range.start.line,
        character: u32::try_from(units).unwrap_or(u32::MAX),
    };
    Range { end, ..range }
}

/// A text after an edit of the client's. `None` for the range is the whole text.
pub(super) fn edited(text: &str, range: Option<Range>, new: &str) -> String {
    let Some(range) = range else {
        return new.to_owned();
    };
    let (start, end) = (byte(text, range.start), byte(text, range.end));
    let (start, end) = (start.min(end), start.max(end));
    let mut edited = String::with_capacity(text.len() + new.len());
    edited.push_str(text.get(..start).unwrap_or_default());
    edited.push_str(new);
    edited.push_str(text.get(end..).unwrap_or_default());
    edited
}

/// The byte of a text at a position. Unlike a [`Source`], the text may begin with a byte-order mark.
fn byte(text: &str, position: Position) -> usize {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut line = 0;
    while line < position.line {
        let rest = bytes.get(start..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            return text.len();
        };
        let is_crlf = rest.get(end..end + 2) == Some(b"\r\n");
        start += end + if is_crlf { 2 } else { 1 };
        line += 1;
    }
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
    start + in_line(rest.get(..end).unwrap_or_default(), position.character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn a_range_is_cut_behind_the_text_of_its_first_line() {
        let source = Source::new("a", "  é😀: \r\n  b: 1\n");
        let cut = |start, end| first_line(&source, Range { start, end }).end;
        assert_eq!(cut(at(0, 2), at(1, 6)), at(0, 6));
        assert_eq!(cut(at(1, 2), at(1, 3)), at(1, 3));
        assert_eq!(cut(at(1, 2), at(2, 0)), at(1, 6));
    }

    #[test]
    fn positions_count_utf16_units() {
        let source = Source::new("a", "é😀x: 漢\r\n\ty\rz\n");
        for (needle, line, character) in [
            ("é", 0, 0),
            ("😀", 0, 1),
            ("x", 0, 3),
            ("漢", 0, 6),
            ("y", 1, 1),
            ("z", 2, 0),
        ] {
            let byte = u32::try_from(source.text().find(needle).unwrap()).unwrap();
            assert_eq!(of_offset(&source, byte), at(line, character), "{needle}");
            assert_eq!(offset(&source, at(line, character)), byte, "{needle}");
        }
        // Between the two halves of a character, behind a line, behind the text.
        assert_eq!(offset(&source, at(0, 2)), 2);
        assert_eq!(offset(&source, at(0, 99)), 12);
        assert_eq!(
            offset(&source, at(99, 0)),
            u32::try_from(source.text().len()).unwrap()
        );
    }

    proptest! {
        #[test]
        fn edits_are_those_of_a_text_of_utf16_units(
            text in "[a-c😀é\r\n]{0,20}",
            new in "[x😀\n]{0,3}",
            one in (0_u32..6, 0_u32..8),
            other in (0_u32..6, 0_u32..8),
        ) {
            let (start, end) = (one.min(other), one.max(other));
            let range = Range { start: at(start.0, start.1), end: at(end.0, end.1) };
            let found = edited(&text, Some(range), &new);
            // The same, over units.
            let units: Vec<u16> = text.encode_utf16().collect();
            let place = |(line, character): (u32, u32)| -> usize {
                let mut at = 0;
                for _ in 0..line {
                    match units[at..].iter().position(|unit| *unit == 10 || *unit == 13) {
                        None => return units.len(),
                        Some(end) => {
                            at += end;
                            at += if units[at..].starts_with(&[13, 10]) { 2 } else { 1 };
                        }
                    }
                }
                let rest = &units[at..];
                let end = rest.iter().position(|unit| *unit == 10 || *unit == 13).unwrap_or(rest.len());
                let mut to = at + (character as usize).min(end);
                // Not between two halves.
                if to < units.len() && (0xdc00..0xe000).contains(&units[to]) {
                    to -= 1;
                }
                to
            };
            let (from, to) = (place(start), place(end));
            let mut expected = units[..from].to_vec();
            expected.extend(new.encode_utf16());
            expected.extend(&units[to..]);
            prop_assert_eq!(found, String::from_utf16(&expected).unwrap());
        }
    }
}
