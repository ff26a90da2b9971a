//! Which proposed fixes fit the text.

use super::apply::{apply_within, span};
use crate::diagnostic::{Code, Edit, Finding, Fix};
use crate::limits::Limits;
use crate::load::{self, Input};
use crate::source::{Source, Span};
use ir::origin::Origin;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Drops the fixes that do not fit the text, those that would change other places too, and those after which the file could
/// not be read any more, or a value would be of the wrong type. What is left covers exactly what it replaces.
pub fn settle(findings: &mut [Finding], input: &Input, limits: &Limits) {
    narrow(findings, input);
    try_out(findings, input, limits);
}

/// The first half of [`settle`]: enough for fixes that put one name in another's place.
pub(crate) fn narrow(findings: &mut [Finding], input: &Input) {
    let mut by_name: BTreeMap<&str, &Source> = BTreeMap::new();
    if findings.iter().any(|finding| !finding.fixes.is_empty()) {
        by_name.extend(input.sources.iter().map(|(_, source)| (&**source.name(), source)));
    }
    for fixes in findings.iter_mut().map(|finding| &mut finding.fixes) {
        fixes.retain_mut(|fix| {
            fix.edits.iter_mut().all(|edit| {
                let source = by_name.get(&*edit.place.file);
                let place = source.and_then(|source| narrow_edit(edit, source));
                place.is_some_and(|place| !is_shared(place, &edit.place.file, input))
            })
        });
    }
}

/// Whether a place touches text that an alias repeats elsewhere, where it may mean something else.
fn is_shared(place: Span, file: &str, input: &Input) -> bool {
    let Some(shared) = input.shared.get(file) else {
        return false;
    };
    let behind = shared.partition_point(|span| span.start <= place.end);
    let last = behind.checked_sub(1).and_then(|index| shared.get(index));
    last.is_some_and(|span| place.start <= span.end)
}

/// Makes the edit cover what it replaces and no more. `None` where that does not occur just once.
fn narrow_edit(edit: &mut Edit, source: &Source) -> Option<Span> {
    let whole = span(&edit.place, source)?;
    let Some(was) = edit.was.take() else {
        return Some(whole);
    };
    let text = source.slice(whole);
    let mut places = text.match_indices(&*was);
    let (Some((at, _)), None) = (places.next(), places.next()) else {
        return None;
    };
    let offset = |at: usize| whole.start + u32::try_from(at).unwrap_or(u32::MAX);
    let exact = Span::new(offset(at), offset(at + was.len()));
    let (start, end) = (source.position(exact.start), source.position(exact.end));
    edit.place = Origin {
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        ..edit.place.clone()
    };
    Some(exact)
}

/// A fix by its place in the list: which finding's, and which of that.
type Number = (usize, usize);

/// A fix to be tried.
type Proposed<'f> = (Number, &'f Fix);

/// The second half of [`settle`]: each file is read with the fixes in it.
fn try_out(findings: &mut [Finding], input: &Input, limits: &Limits) {
    // Alternatives are not tried together.
    let mut together: BTreeMap<(Arc<str>, usize), Vec<Proposed<'_>>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        for (which, fix) in finding.fixes.iter().enumerate() {
            if let Some(edit) = fix.edits.first() {
                let group = together.entry((edit.place.file.clone(), which)).or_default();
                group.push(((at, which), fix));
            }
        }
    }
    let mut bad = BTreeSet::new();
    for ((file, _), mut fixes) in together {
        if let Some(source) = input.sources.by_name(&file) {
            fixes.sort_by_key(|(_, fix)| fix.edits.first().map(|edit| &edit.place));
            Trial::of(source, limits).sift(&fixes, &mut bad);
        }
    }
    for (at, finding) in findings.iter_mut().enumerate() {
        let mut which = 0;
        finding.fixes.retain(|_| {
            let keep = !bad.contains(&(at, which));
            which += 1;
            keep
        });
    }
}

/// One file, to be read with edits in it.
struct Trial<'a> {
    source: &'a Source,
    limits: &'a Limits,
    /// Where documents start that can be read by themselves, as lines.
    starts: Vec<u32>,
    /// How many more bytes may be read.
    left: Cell<usize>,
}

impl<'a> Trial<'a> {
    /// How often a file may be read. Bad fixes in many documents take twice the logarithm of the number of fixes; only many
    /// of them in one large document take more.
    const READINGS: usize = 64;
    /// How many bytes may be read of any file.
    const AT_LEAST: usize = 16 << 20;

    fn of(source: &'a Source, limits: &'a Limits) -> Self {
        let lines = (1..=source.line_count()).filter_map(|line| Some((line, source.line(line)?.1)));
        let mut starts = vec![1];
        // A directive is in front of its document's `---`.
        if !lines.clone().any(|(_, text)| text.starts_with('%')) {
            let is_marker = |text: &str| {
                text.strip_prefix("---")
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
            };
            starts.extend(lines.filter(|(_, text)| is_marker(text)).map(|(line, _)| line));
        }
        let bytes = source.text().len().saturating_mul(Self::READINGS);
        Self {
            source,
            limits,
            starts,
            left: Cell::new(bytes.max(Self::AT_LEAST)),
        }
    }

    /// Finds the bad ones of fixes that are in order. What is not good together is halved: a half is read with the documents
    /// that it is in, and a bad fix costs the others nothing. What must not be read any more counts as bad; it is proposed
    /// again once the others are applied.
    fn sift(&self, fixes: &[Proposed<'_>], bad: &mut BTreeSet<Number>) {
        if fixes.is_empty() || self.are_good(fixes) {
            return;
        }
        if let [(number, _)] = fixes {
            bad.insert(*number);
            return;
        }
        let (first, rest) = fixes.split_at(fixes.len() / 2);
        self.sift(first, bad);
        self.sift(rest, bad);
    }

    fn are_good(&self, fixes: &[Proposed<'_>]) -> bool {
        let edits = || fixes.iter().flat_map(|(_, fix)| &fix.edits);
        let Some(part) = self.part(edits()) else {
            return false;
        };
        let before = self.source.slice(part);
        let Some(left) = self.left.get().checked_sub(before.len()) else {
            return false;
        };
        self.left.set(left);
        let Some(after) = apply_within(self.source, part, edits()) else {
            return false;
        };
        let name = self.source.name();
        let (before, after) = (
            mistakes(name, before, self.limits),
            mistakes(name, &after, self.limits),
        );
        after
            .iter()
            .all(|(mistake, count)| before.get(mistake).is_some_and(|before| count <= before))
    }

    /// The documents that the edits are in.
    fn part<'e>(&self, edits: impl Iterator<Item = &'e Edit> + Clone) -> Option<Span> {
        let first = edits.clone().map(|edit| edit.place.line).min()?;
        let last = edits.map(|edit| edit.place.end_line).max()?;
        let start = self
            .starts
            .partition_point(|&start| start <= first)
            .checked_sub(1)?;
        let next = self.starts.partition_point(|&start| start <= last);
        let offset = |line: u32| self.source.line(line).map(|(offset, _)| offset);
        let end = match self.starts.get(next) {
            Some(&line) => offset(line)?,
            None => u32::try_from(self.source.text().len()).ok()?,
        };
        Some(Span::new(offset(*self.starts.get(start)?)?, end))
    }
}

/// The mistakes that an edit must not add: what cannot be read, is there twice, or is of the wrong type. Others may
/// appear: what a misspelt field hid is read at last.
fn mistakes(name: &Arc<str>, text: &str, limits: &Limits) -> BTreeMap<(Code, String), usize> {
    let input = load::load_bytes([(&**name, text.as_bytes())], limits);
    let mut mistakes = BTreeMap::new();
    for finding in input.findings {
        let is_wrong = matches!(
            finding.code,
            Code::UNPARSABLE
                | Code::DUPLICATE_KEY
                | Code::WRONG_TYPE
                | Code::LIMIT_EXCEEDED
                | Code::YAML_BOOLEAN
                | Code::DOCUMENT_BOUNDARY
                | Code::AMBIGUOUS_CHARACTER
        );
        if is_wrong {
            *mistakes.entry((finding.code, finding.message)).or_default() += 1;
        }
    }
    mistakes
}
