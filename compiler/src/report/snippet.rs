//! Lines of a manifest, with the part that is spoken of marked.

use crate::diagnostic::escape;
use crate::source::Sources;
use ir::origin::Origin;
use maud::{Markup, html};

/// Lines that are shown of one place.
const MOST: u32 = 12;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// Its number, from 1.
    number: u32,
    /// Its text before the marked part, the marked part, and the rest.
    parts: [String; 3],
}

/// The lines of `origin`; empty for a place without a text.
fn lines(origin: &Origin, sources: &Sources) -> Vec<Line> {
    let Some(source) = sources.by_name(&origin.file) else {
        return Vec::new();
    };
    // What ends at the first column of a line has nothing in that line.
    let end = match origin.end_column {
        0 | 1 if origin.end_line > origin.line => origin.end_line - 1,
        _ => origin.end_line,
    };
    (origin.line..=end.min(origin.line.saturating_add(MOST - 1)))
        .filter_map(|number| {
            let (_, text) = source.line(number)?;
            // Characters that turn the direction of writing would make a reader see another text.
            let text = escape::line(text.trim_end());
            let from = if number == origin.line {
                origin.column - 1
            } else {
                indent(&text)
            };
            let to = if number == origin.end_line {
                origin.end_column - 1
            } else {
                u32::MAX
            };
            Some(Line {
                number,
                parts: cut(&text, from, to),
            })
        })
        .collect()
}

/// The lines of `origin` as they stand on the page.
pub(super) fn shown(origin: &Origin, sources: &Sources) -> Markup {
    let lines = lines(origin, sources);
    html! {
        @if !lines.is_empty() {
            pre {
                @for line in &lines {
                    @let [before, marked, after] = &line.parts;
                    span.number { (line.number) } " " (before) mark { (marked) } (after) "\n"
                }
                @if is_cut(origin) { "      …\n" }
            }
        }
    }
}

/// Whether there are more lines than are shown.
fn is_cut(origin: &Origin) -> bool {
    origin.end_line - origin.line >= MOST
}

fn indent(text: &str) -> u32 {
    let blanks = text.chars().take_while(|c| *c == ' ').count();
    u32::try_from(blanks).unwrap_or(u32::MAX)
}

/// Cuts at two positions, counted in characters.
fn cut(text: &str, from: u32, to: u32) -> [String; 3] {
    let mut parts = [String::new(), String::new(), String::new()];
    for (at, c) in (0u32..).zip(text.chars()) {
        let [before, marked, after] = &mut parts;
        let part = if at < from {
            before
        } else if at < to {
            marked
        } else {
            after
        };
        part.push(c);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_in_characters() {
        assert_eq!(cut("größe: 1", 2, 5), ["gr", "öße", ": 1"]);
        assert_eq!(cut("ab", 1, u32::MAX), ["a", "b", ""]);
        assert_eq!(cut("", 3, 9), ["", "", ""]);
    }
}
