//! Where readers of YAML disagree about what is written.
//!
//! The parser follows YAML 1.2; Kubernetes reads with go-yaml, a port of libyaml, which follows 1.1 with its own
//! leniencies, after `kubectl` has cut the stream into documents by itself. A policy must not be one thing to the
//! checker and another to the cluster, so text on which they differ is refused. The property tests compare this
//! tree with libyaml's on generated text to find such places.

use super::{Document, Node, Style, Value};
use crate::source::{Source, Span};

/// The first character that readers take differently: NEL, LS and PS, line breaks that YAML 1.2 made text; a CR without
/// its LF; a byte-order mark that is not the file's first character, which may start a document or belong to a key. In
/// JSON (to `kubectl`, whatever starts with `{`), a CR is white space everywhere, and the others are text in strings.
pub(super) fn ambiguous_character(source: &Source, documents: &[Document]) -> Option<(Span, char)> {
    let text = source.text();
    let is_json = text.trim_start().starts_with('{');
    let suspect = |(at, c): &(usize, char)| match c {
        '\r' => !is_json && text.as_bytes().get(at + 1) != Some(&b'\n'),
        '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => true,
        _ => false,
    };
    let mut suspects = text.char_indices().filter(suspect).peekable();
    suspects.peek()?;
    let mut quoted: Vec<Span> = Vec::new();
    if is_json {
        let nodes = documents.iter().flat_map(|document| &document.nodes);
        let is_string = |node: &&Node| matches!(&node.value, Value::Scalar(scalar) if scalar.style == Style::DoubleQuoted);
        quoted.extend(nodes.filter(is_string).map(|node| node.span));
        quoted.sort_unstable();
    }
    let is_quoted = |at: usize| {
        let behind = quoted.partition_point(|span| span.start as usize <= at);
        let last = behind.checked_sub(1).and_then(|index| quoted.get(index));
        last.is_some_and(|span| at < span.end as usize)
    };
    let (at, found) = suspects.find(|&(at, _)| !is_quoted(at))?;
    let span = Span::new(offset(at), offset(at + found.len_utf8()));
    Some((span, found))
}

/// The start of a document that `kubectl` does not take for one: without a `---`, or with content behind it.
pub(super) fn unread_boundary(source: &Source, index: u32, explicit: bool, span: Span) -> Option<Span> {
    if !explicit {
        return (index > 0).then_some(span);
    }
    let position = source.position(span.end);
    let (start, line) = source.line(position.line)?;
    let behind = line.get((span.end - start) as usize..).unwrap_or("").trim_start();
    let is_content = !behind.is_empty() && !behind.starts_with('#');
    is_content.then_some(span)
}

/// Whether `&name` or `*name` ends where go-yaml ends it. YAML 1.2 allows almost anything in the name, `:` included;
/// go-yaml stops at the first character that is not a letter, a digit, `-` or `_`, and may see another structure
/// behind it.
pub(super) fn is_anchor(token: &str) -> bool {
    let name = token.get(1..).unwrap_or("");
    name.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// Whether a plain scalar in brackets is another one to go-yaml: there, `?` and a leading `:` are indicators, and a `:` right
/// before a comma or bracket is none: `{from:}` has the key `from:`. (libyaml went over to YAML 1.2 in this, go-yaml did
/// not.)
pub(super) fn is_ambiguous_in_flow(source: &Source, span: Span, text: &str) -> bool {
    // A value that is left out is no text.
    if span.start == span.end {
        return false;
    }
    let behind = source.text().get(span.end as usize..).unwrap_or_default();
    let ends_in_colon = behind
        .trim_start()
        .strip_prefix(':')
        .is_some_and(|behind| behind.starts_with([',', '[', ']', '{', '}']));
    text.contains('?') || text.starts_with(':') || ends_in_colon
}

/// Whether the text of a block scalar begins in the first column, as it may where it is a whole document. To go-yaml it is
/// indented by one at least: there the scalar is empty, and what stands here is something else.
pub(super) fn is_not_indented(source: &Source, span: Span, text: &str) -> bool {
    !text.trim_matches('\n').is_empty() && source.position(span.start).column == 1
}

/// Whether a key in brackets, its anchor and tag, and its `:` are not on one line, which go-yaml allows behind `?` only.
pub(super) fn is_split_key(source: &Source, key: Span) -> bool {
    let text = source.text();
    let mut behind = text.get(key.end as usize..).unwrap_or_default().trim_start();
    while behind.starts_with('#') {
        behind = behind.split_once('\n').map_or("", |(_, next)| next).trim_start();
    }
    let colon = text.len() - behind.len();
    let mut before = text.get(..key.start as usize).unwrap_or_default();
    let mut start = before.len();
    loop {
        before = before.trim_end();
        let word = before
            .rsplit(|c: char| c.is_whitespace() || ",[{".contains(c))
            .next();
        let word = word.unwrap_or_default();
        if !word.starts_with(['&', '!']) {
            break;
        }
        start = before.len() - word.len();
        before = before.get(..start).unwrap_or_default();
    }
    let split = text.get(start..colon).is_some_and(|key| key.contains('\n'));
    split && behind.starts_with(':') && !before.ends_with('?')
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
