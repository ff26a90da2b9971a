//! Lines of a manifest, with the parts that are spoken of marked.

use crate::diagnostic::escape;
use crate::source::Sources;
use ir::origin::Origin;
use maud::{Markup, html};
use std::ops::RangeInclusive;

/// So many lines of one place are shown as they are; of more, those that say something.
const MOST: usize = 12;

/// So many of those are shown.
const MOST_MARKED: usize = 40;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// Its number, from 1.
    number: u32,
    /// How deep it stands.
    depth: usize,
    /// Its text, in parts that are marked or not.
    parts: Vec<(bool, String)>,
}

/// The lines of `origin` as they stand on the page: `entries` of it are marked, or all of it.
pub(super) fn shown(origin: &Origin, entries: &[Origin], sources: &Sources) -> Markup {
    let lines = lines(origin, entries, sources);
    let mut left_out = 0;
    html! {
        @if !lines.is_empty() {
            pre.lines {
                @for (line, is_shown) in lines.iter().zip(chosen(&lines)) {
                    @if is_shown {
                        (gap(std::mem::take(&mut left_out)))
                        (self::line(line))
                    } @else {
                        ({ left_out += 1; "" })
                    }
                }
                (gap(left_out))
            }
        }
    }
}

fn line(line: &Line) -> Markup {
    html! {
        span.line {
            span.number { (line.number) } " "
            @for (is_marked, part) in &line.parts {
                @if *is_marked { mark { (part) } } @else { (part) }
            }
            "\n"
        }
    }
}

/// What stands for lines that are left out.
fn gap(lines: usize) -> Markup {
    html! {
        @match lines {
            0 => {}
            1 => span.gap { "      … 1 line\n" }
            lines => span.gap { "      … " (lines) " lines\n" }
        }
    }
}

/// The lines of `origin`; none for a place without a text.
fn lines(origin: &Origin, entries: &[Origin], sources: &Sources) -> Vec<Line> {
    let Some(source) = sources.by_name(&origin.file) else {
        return Vec::new();
    };
    let marked = match entries {
        [] => std::slice::from_ref(origin),
        entries => entries,
    };
    numbers(origin)
        .filter_map(|number| {
            let (_, text) = source.line(number)?;
            // Characters that turn the direction of writing would make a reader see another text.
            let text = escape::line(text.trim_end());
            let spans: Vec<_> = marked
                .iter()
                .filter(|one| numbers(one).contains(&number))
                .map(|one| span(one, number, indent(&text)))
                .collect();
            Some(Line {
                number,
                depth: depth(&text),
                parts: cut(&text, &spans),
            })
        })
        .collect()
}

/// The lines that a place lies on.
fn numbers(origin: &Origin) -> RangeInclusive<u32> {
    // What ends at the first column of a line has nothing in that line.
    let end = match origin.end_column {
        0 | 1 if origin.end_line > origin.line => origin.end_line - 1,
        _ => origin.end_line,
    };
    origin.line..=end
}

fn indent(text: &str) -> usize {
    text.chars().take_while(|c| *c == ' ').count()
}

/// An item of a list stands under a key that is indented as far.
fn depth(text: &str) -> usize {
    2 * indent(text) + usize::from(text.trim_start().starts_with("- "))
}

/// From which character of a line to which a place reaches.
fn span(origin: &Origin, number: u32, indent: usize) -> (usize, usize) {
    let place = |column: u32| usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let from = if number == origin.line {
        place(origin.column)
    } else {
        indent
    };
    let to = if number == origin.end_line {
        place(origin.end_column)
    } else {
        usize::MAX
    };
    (from, to)
}

/// Which lines are shown: where they are too many for all, the marked ones with what they stand under, and the first.
fn chosen(lines: &[Line]) -> Vec<bool> {
    if lines.len() <= MOST {
        return vec![true; lines.len()];
    }
    let mut chosen = vec![false; lines.len()];
    let is_marked = |line: &Line| line.parts.iter().any(|(is_marked, _)| *is_marked);
    // From below: what a chosen line stands under is the next line above that is less deep.
    let mut under = 0;
    for (line, choice) in lines.iter().zip(&mut chosen).rev() {
        if is_marked(line) || line.depth < under {
            *choice = true;
            under = line.depth;
        }
    }
    if let Some(first) = chosen.first_mut() {
        *first = true;
    }
    let most = if lines.iter().all(is_marked) {
        MOST
    } else {
        MOST_MARKED
    };
    let mut left = most;
    for choice in chosen.iter_mut().filter(|choice| **choice) {
        *choice = left > 0;
        left = left.saturating_sub(1);
    }
    chosen
}

/// Cuts at spans, counted in characters.
fn cut(text: &str, spans: &[(usize, usize)]) -> Vec<(bool, String)> {
    let mut parts: Vec<(bool, String)> = Vec::new();
    for (at, c) in text.chars().enumerate() {
        let is_marked = spans.iter().any(|(from, to)| (*from..*to).contains(&at));
        match parts.last_mut() {
            Some((same, part)) if *same == is_marked => part.push(c),
            _ => parts.push((is_marked, c.to_string())),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_in_characters() {
        let shown = |text: &str, spans: &[(usize, usize)]| {
            let parts = cut(text, spans).into_iter();
            parts
                .map(|(is_marked, part)| if is_marked { format!("[{part}]") } else { part })
                .collect::<String>()
        };
        assert_eq!(shown("größe: 1", &[(2, 5)]), "gr[öße]: 1");
        assert_eq!(shown("ab", &[(1, usize::MAX)]), "a[b]");
        assert_eq!(shown("abcde", &[(0, 1), (3, 4)]), "[a]bc[d]e");
        assert_eq!(shown("", &[(3, 9)]), "");
    }

    /// The numbers of the lines that are shown of `text`, whose `marked` lines are marked.
    fn shown(text: &str, marked: &[u32]) -> Vec<u32> {
        let lines: Vec<_> = (1..)
            .zip(text.lines())
            .map(|(number, line)| Line {
                number,
                depth: depth(line),
                parts: vec![(marked.contains(&number), line.to_owned())],
            })
            .collect();
        let chosen = lines.iter().zip(chosen(&lines)).filter(|(_, is_shown)| *is_shown);
        chosen.map(|(line, _)| line.number).collect()
    }

    #[test]
    fn of_many_lines_those_that_are_marked_are_shown_with_what_they_stand_under() {
        let peer = "    - podSelector:\n        matchLabels:\n          app: web\n";
        let rule = format!(
            "- from:\n{}  ports:\n    - protocol: TCP\n      port: 6379\n",
            peer.repeat(4)
        );
        assert_eq!(shown(&rule, &[5, 6, 7, 16]), [1, 5, 6, 7, 14, 15, 16]);
        assert_eq!(
            shown(&rule, &(1..=16).collect::<Vec<_>>()),
            (1..=12).collect::<Vec<_>>()
        );
        // The same, as most write it: lists as far left as their keys.
        let peer = "  - podSelector:\n      matchLabels:\n        app: web\n";
        let rule = format!(
            "- from:\n{}  ports:\n  - protocol: TCP\n    port: 6379\n",
            peer.repeat(4)
        );
        assert_eq!(shown(&rule, &[5, 6, 7, 16]), [1, 5, 6, 7, 14, 15, 16]);
        assert_eq!(shown("a:\n  b: 1\n", &[2]), [1, 2]);
    }
}
