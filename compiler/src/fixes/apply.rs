//! Edits put into a text.

use crate::diagnostic::{Applicability, Edit, Finding, Fix};
use crate::source::{Position, Source, Span};
use ir::origin::Origin;
use std::collections::BTreeMap;

/// The bytes that a place covers in its source.
pub(super) fn span(place: &Origin, source: &Source) -> Option<Span> {
    let offset = |line, column| source.offset(Position { line, column });
    let start = offset(place.line, place.column)?;
    let end = offset(place.end_line, place.end_column)?;
    (start <= end).then(|| Span::new(start, end))
}

/// The text with these edits, in any order. `None` where two of them touch, or one does not fit.
#[must_use]
pub fn apply<'e>(source: &Source, edits: impl IntoIterator<Item = &'e Edit>) -> Option<String> {
    let end = u32::try_from(source.text().len()).ok()?;
    apply_within(source, Span::new(0, end), edits)
}

/// [`apply`], for a part of the text that all of them are in.
pub(super) fn apply_within<'e>(
    source: &Source,
    part: Span,
    edits: impl IntoIterator<Item = &'e Edit>,
) -> Option<String> {
    let mut placed = Vec::new();
    for edit in edits {
        placed.push((span(&edit.place, source)?, &*edit.replacement));
    }
    placed.sort();
    let end = part.end as usize;
    let text = source.text().get(..end)?;
    let mut done = part.start as usize;
    let mut out = String::with_capacity(end - done + 64);
    for (index, (span, replacement)) in placed.iter().enumerate() {
        let start = span.start as usize;
        if index > 0 && start <= done {
            return None;
        }
        out.push_str(text.get(done..start)?);
        out.push_str(replacement);
        done = span.end as usize;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

/// Fixes to apply in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection<'f> {
    /// The fixes, with their findings, in the order of findings.
    pub fixes: Vec<(&'f Finding, &'f Fix)>,
}

/// Picks fixes of the findings that count: a safe one, or with `suggestions` the only one. Of those that touch each
/// other the first is taken.
#[must_use]
pub fn select(findings: &[Finding], suggestions: bool) -> Selection<'_> {
    let mut taken = Taken::default();
    let mut selection = Selection::default();
    for finding in findings.iter().filter(|finding| finding.counts()) {
        let Some(fix) = wanted(finding, suggestions) else {
            continue;
        };
        if fix.edits.iter().all(|edit| taken.is_free(&edit.place)) {
            fix.edits.iter().for_each(|edit| taken.take(&edit.place));
            selection.fixes.push((finding, fix));
        }
    }
    selection
}

/// The fix to apply without asking. Several suggestions are alternatives, of which a person picks one.
fn wanted(finding: &Finding, suggestions: bool) -> Option<&Fix> {
    let safe = |fix: &&Fix| fix.applicability == Applicability::Safe;
    match finding.fixes.iter().find(safe) {
        Some(fix) => Some(fix),
        None => match finding.fixes.as_slice() {
            [only] if suggestions => Some(only),
            _ => None,
        },
    }
}

/// Places in files that do not touch each other: by where they start, where they end.
#[derive(Default)]
struct Taken<'f>(BTreeMap<&'f str, BTreeMap<LineColumn, LineColumn>>);

type LineColumn = (u32, u32);

impl<'f> Taken<'f> {
    fn is_free(&self, place: &Origin) -> bool {
        let before = self.0.get(&*place.file).and_then(|places| {
            let mut starting = places.range(..=(place.end_line, place.end_column));
            starting.next_back()
        });
        before.is_none_or(|(_, end)| *end < (place.line, place.column))
    }

    fn take(&mut self, place: &'f Origin) {
        let places = self.0.entry(&place.file).or_default();
        places.insert((place.line, place.column), (place.end_line, place.end_column));
    }
}

impl<'f> Selection<'f> {
    /// The edits, by file.
    #[must_use]
    pub fn by_file(&self) -> BTreeMap<&'f str, Vec<&'f Edit>> {
        let mut by_file: BTreeMap<&str, Vec<&Edit>> = BTreeMap::new();
        for edit in self.fixes.iter().flat_map(|(_, fix)| &fix.edits) {
            by_file.entry(&edit.place.file).or_default().push(edit);
        }
        by_file
    }
}
