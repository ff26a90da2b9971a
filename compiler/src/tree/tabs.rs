//! Tabs where Kubernetes' reader takes none.
//!
//! YAML 1.2 takes a tab wherever white space may stand and does not indent. go-yaml, a port of libyaml, goes by other
//! rules, and what it refuses never reaches a cluster:
//!
//! - Between tokens (`yaml_parser_scan_to_next_token`) a tab is white space where no key can begin: in brackets, and behind
//!   something on the same line. Where a line begins it is refused, whether a value, a comment or nothing follows, and
//!   so it is behind `-`, `?`, and a `:` that no key stands before.
//! - A plain scalar (`yaml_parser_scan_plain_scalar`) takes the blanks before its further lines, and those of blank lines
//!   behind it, with tabs that stand further in than the block collection around it.
//! - In a block scalar (`yaml_parser_scan_block_scalar_breaks`) a tab is text behind the indentation, and refused before it
//!   is reached, or known.
//! - In quotes a tab is text or folded.

use super::Style;
use crate::source::{Source, Span};
use serde::de::IgnoredAny;

/// A tab that is refused, and why.
pub(super) type Refused = (Span, &'static str);

const INDENTS: &str = "a tab is used as indentation, where Kubernetes' reader takes spaces alone";
const BEHIND_INDICATOR: &str = "Kubernetes' reader takes no tab behind `-`, `?` and `:`; write a space";

/// The parts of a stream in which tabs have been looked at.
#[derive(Default)]
pub(super) struct Tabs {
    seen: Vec<Span>,
    /// Where documents end.
    ends: Vec<u32>,
}

impl Tabs {
    /// Looks at a scalar, which reads as `value`; `around` is where the block collection around it begins.
    pub(super) fn scalar(
        &mut self,
        source: &Source,
        span: Span,
        style: Style,
        value: &str,
        around: Option<u32>,
    ) -> Option<Refused> {
        let text = source.text();
        let around = around.map(|start| column(text, start as usize));
        let mut start = span.start as usize;
        let (end, refused) = match style {
            // A value that is left out is nothing to scan.
            Style::Plain if span.start == span.end => return None,
            Style::Plain => plain(text, start, span.end as usize, around),
            Style::SingleQuoted | Style::DoubleQuoted => (span.end as usize, None),
            Style::Literal | Style::Folded => {
                start = indicator(text, start, value)?;
                block(text, start, around)
            }
        };
        self.seen.push(Span::new(offset(start), offset(end)));
        refused.map(|at| (run(text, at), INDENTS))
    }

    /// Looks at a comment, or at what stands in brackets.
    pub(super) fn skip(&mut self, span: Span) {
        self.seen.push(span);
    }

    /// A document ends here.
    pub(super) fn end(&mut self, at: u32) {
        self.ends.push(at);
    }

    /// The first tab between tokens that is refused, and in which document. In JSON none is.
    pub(super) fn between(mut self, source: &Source) -> Option<(u32, Refused)> {
        let text = source.text();
        self.seen.sort_unstable();
        let mut seen = self.seen.iter().peekable();
        let mut behind = 0;
        let mut line = Line::default();
        for (at, _) in text.match_indices('\t') {
            while let Some(span) = seen.next_if(|span| span.start as usize <= at) {
                behind = behind.max(span.end as usize);
            }
            if at < behind {
                continue;
            }
            line.go_on(text, at);
            if let Some(reason) = line.refuses() {
                let document = self.ends.iter().filter(|end| **end as usize <= at).count();
                return Some((offset(document), (run(text, at), reason)));
            }
        }
        None
    }
}

/// Whether it is JSON, which Kubernetes reads as such: there a tab is white space everywhere. What only looks like JSON at
/// first is read as YAML after all.
pub(crate) fn is_json(text: &str) -> bool {
    let values = || serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    text.trim_start().starts_with('{') && values().all(|value| value.is_ok())
}

/// What stands on a line before a tab. Each part of the text is looked at once.
#[derive(Default)]
struct Line<'t> {
    /// Up to where it has been looked at: a tab, or the start of the text.
    end: usize,
    last: Option<&'t str>,
    /// Whether there is more than `-`, `?` and `:`.
    has_text: bool,
}

impl<'t> Line<'t> {
    /// Goes on to the tab at `at`, which may stand on a later line.
    fn go_on(&mut self, text: &'t str, at: usize) {
        let mut passed = text.get(self.end..at).unwrap_or_default();
        if let Some((_, line)) = passed.rsplit_once('\n') {
            *self = Self::default();
            passed = line;
        }
        self.end = at;
        let words = passed.trim_start_matches('\u{feff}').split([' ', '\t']);
        for word in words.filter(|word| !word.is_empty()) {
            self.last = Some(word);
            self.has_text |= !matches!(word, "-" | "?" | ":");
        }
    }

    /// Why a tab is refused here.
    fn refuses(&self) -> Option<&'static str> {
        match self.last {
            None => Some(INDENTS),
            Some("-" | "?") => Some(BEHIND_INDICATOR),
            Some(":") if !self.has_text => Some(BEHIND_INDICATOR),
            Some(_) => None,
        }
    }
}

/// Up to where a plain scalar is scanned, and the first tab that indents too little.
fn plain(text: &str, start: usize, end: usize, around: Option<usize>) -> (usize, Option<usize>) {
    let indent = around.map_or(0, |column| column + 1);
    let behind = text.get(end..).unwrap_or_default();
    let end = text.len() - behind.trim_start_matches([' ', '\t', '\r', '\n']).len();
    let scanned = text.get(start..end).unwrap_or_default();
    let mut lines = scanned.match_indices('\n').map(|(at, _)| start + at + 1);
    let refused = lines.find_map(|line| {
        let rest = text.get(line..end)?;
        let blanks = rest.find(|c: char| matches!(c, '\t' | '\n') || !c.is_whitespace())?;
        let is_tab = rest.get(blanks..)?.starts_with('\t');
        (is_tab && blanks < indent).then_some(line + blanks)
    });
    (end, refused)
}

/// The `|` or `>` of a block scalar. Its span begins there only where nothing of the stream is left; else behind the
/// indentation of its first line.
fn indicator(text: &str, start: usize, value: &str) -> Option<usize> {
    let (above, rest) = text.split_at_checked(start)?;
    if value.trim_matches('\n').is_empty() && rest.starts_with(['|', '>']) {
        return Some(start);
    }
    let mut lines = above.get(..line_start(text, start))?.split_inclusive('\n').rev();
    let header = lines.find(|line| !line.trim().is_empty())?;
    let behind: usize = lines.map(str::len).sum();
    let is_indicator = |at: usize| {
        let said = header.get(at + 1..).unwrap_or_default();
        let said = said.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        let comment = said.trim_start_matches([' ', '\t']);
        comment.trim_start().is_empty() || (comment.len() < said.len() && comment.starts_with('#'))
    };
    let mut found = header.match_indices(['|', '>']).map(|(at, _)| at);
    Some(behind + found.find(|at| is_indicator(*at))?)
}

/// Where a block scalar ends, and the first tab in the place of its indentation.
fn block(text: &str, start: usize, around: Option<usize>) -> (usize, Option<usize>) {
    let mut lines = text.get(start..).unwrap_or_default().split_inclusive('\n');
    let header = lines.next().unwrap_or_default();
    let indicators = header.chars().skip(1);
    let mut digits = indicators
        .take_while(|c| !c.is_whitespace())
        .filter_map(|c| c.to_digit(10));
    let mut indent = digits.next().map(|more| around.unwrap_or(0) + more as usize);
    let mut at = start + header.len();
    let mut widest = 0;
    for line in lines {
        let spaces = line.bytes().take_while(|byte| *byte == b' ').count();
        let spaces = indent.map_or(spaces, |indent| spaces.min(indent));
        widest = widest.max(spaces);
        let rest = line.get(spaces..).unwrap_or_default();
        if indent.is_none_or(|indent| spaces < indent) && rest.starts_with('\t') {
            return (at, Some(at + spaces));
        }
        if !rest.trim_end_matches(['\r', '\n']).is_empty() {
            let least = around.map_or(1, |column| column + 1);
            if spaces < *indent.get_or_insert(widest.max(least)) {
                return (at, None);
            }
        }
        at += line.len();
    }
    (at, None)
}

/// The column in which a block collection begins: that of its first key's anchor or tag, where it has one.
fn column(text: &str, start: usize) -> usize {
    let line = line_start(text, start);
    let mut before = text.get(line..start).unwrap_or_default();
    loop {
        let shorter = before.trim_end_matches([' ', '\t']);
        let word = shorter.rsplit([' ', '\t']).next().unwrap_or_default();
        if !word.starts_with(['&', '!']) {
            return before.chars().count();
        }
        before = before.get(..shorter.len() - word.len()).unwrap_or_default();
    }
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |end| end + 1)
}

/// All the tabs in one place.
fn run(text: &str, at: usize) -> Span {
    let rest = text.get(at..).unwrap_or_default();
    let length = rest.len() - rest.trim_start_matches('\t').len();
    Span::new(offset(at), offset(at + length))
}

/// Texts longer than `u32::MAX` bytes are refused before parsing.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
