//! Which proposed fixes fit the text.

use super::apply::{apply, span};
use crate::diagnostic::{Code, Edit, Finding, Fix};
use crate::limits::Limits;
use crate::load;
use crate::source::{Source, Sources};
use ir::origin::Origin;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Fixes of one file that are tried one by one, when all together make a new mistake. One by one means to read the file
/// again for each; those behind are dropped, and proposed again once the first are applied.
const TRIED: usize = 64;

/// Drops the fixes that do not fit the text, and those after which the file could not be read any more, or a value would
/// be of the wrong type. What is left covers exactly what it replaces.
pub fn settle(findings: &mut [Finding], sources: &Sources, limits: &Limits) {
    narrow(findings, sources);
    try_out(findings, sources, limits);
}

/// The first half of [`settle`]: enough for fixes that put one name in another's place.
pub(crate) fn narrow(findings: &mut [Finding], sources: &Sources) {
    let mut by_name: BTreeMap<&str, &Source> = BTreeMap::new();
    if findings.iter().any(|finding| !finding.fixes.is_empty()) {
        by_name.extend(sources.iter().map(|(_, source)| (&**source.name(), source)));
    }
    for fixes in findings.iter_mut().map(|finding| &mut finding.fixes) {
        fixes.retain_mut(|fix| {
            fix.edits.iter_mut().all(|edit| {
                let source = by_name.get(&*edit.place.file);
                source.is_some_and(|source| narrow_edit(edit, source))
            })
        });
    }
}

/// Makes the edit cover what it replaces and no more. False where it does not occur just once.
fn narrow_edit(edit: &mut Edit, source: &Source) -> bool {
    let Some(whole) = span(&edit.place, source) else {
        return false;
    };
    let Some(was) = edit.was.take() else {
        return true;
    };
    let text = source.slice(whole);
    let mut places = text.match_indices(&*was);
    let (Some((at, _)), None) = (places.next(), places.next()) else {
        return false;
    };
    let offset = |at: usize| whole.start + u32::try_from(at).unwrap_or(u32::MAX);
    let (start, end) = (
        source.position(offset(at)),
        source.position(offset(at + was.len())),
    );
    edit.place = Origin {
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        ..edit.place.clone()
    };
    true
}

/// The second half of [`settle`]: the file is read with the fixes in it.
fn try_out(findings: &mut [Finding], sources: &Sources, limits: &Limits) {
    let mut by_file: BTreeMap<Arc<str>, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        for (which, fix) in finding.fixes.iter().enumerate() {
            let mut files = fix.edits.iter().map(|edit| &edit.place.file);
            if let Some(file) = files.next() {
                by_file.entry(file.clone()).or_default().push((at, which));
            }
        }
    }
    let mut bad: Vec<(usize, usize)> = Vec::new();
    for (file, fixes) in by_file {
        let Some(source) = sources.by_name(&file) else {
            continue;
        };
        let trial = Trial {
            source,
            limits,
            before: mistakes(source.name(), source.text(), limits),
        };
        let of = |(at, which): (usize, usize)| findings.get(at).and_then(|finding| finding.fixes.get(which));
        // An alternative is tried alone.
        let is_sole =
            |(at, _): (usize, usize)| findings.get(at).is_some_and(|finding| finding.fixes.len() == 1);
        let sole: Vec<&Fix> = fixes
            .iter()
            .filter(|fix| is_sole(**fix))
            .filter_map(|fix| of(*fix))
            .collect();
        let all_together = trial.is_good(&sole);
        for (number, fix) in fixes.into_iter().enumerate() {
            let good = if all_together && is_sole(fix) {
                true
            } else {
                number < TRIED && of(fix).is_some_and(|one| trial.is_good(&[one]))
            };
            if !good {
                bad.push(fix);
            }
        }
    }
    for (at, finding) in findings.iter_mut().enumerate() {
        let mut which = 0;
        finding.fixes.retain(|_| {
            let keep = bad.binary_search(&(at, which)).is_err();
            which += 1;
            keep
        });
    }
}

/// One file, to be read with edits in it.
struct Trial<'a> {
    source: &'a Source,
    limits: &'a Limits,
    before: BTreeMap<(Code, String), usize>,
}

impl Trial<'_> {
    fn is_good(&self, fixes: &[&Fix]) -> bool {
        let edits = fixes.iter().flat_map(|fix| &fix.edits);
        let Some(text) = apply(self.source, edits) else {
            return false;
        };
        let after = mistakes(self.source.name(), &text, self.limits);
        after
            .iter()
            .all(|(mistake, count)| self.before.get(mistake).is_some_and(|before| count <= before))
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
