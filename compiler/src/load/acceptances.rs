//! Acceptances in comments and annotations, with the lines that they speak for.

use super::{Place, object};
use crate::diagnostic::{Finding, ObjectName};
use crate::route;
use crate::route::Route;
use crate::source::{Source, Span};
use crate::tree::{Comment, Placement, Value};
use crate::triage::acceptance::{self, Acceptance, Covers, Fault, Statement};
use ir::origin::Origin;
use std::cell::LazyCell;
use verifier::guarantee;

/// What was read of one kind: acceptances, and findings for those that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) acceptances: Vec<Acceptance>,
    pub(super) findings: Vec<Finding>,
}

impl Read {
    fn add(
        &mut self,
        read: Result<Statement, Fault>,
        origin: Origin,
        covers: Covers,
        removal: Option<Origin>,
    ) {
        match read {
            Ok(statement) => self.acceptances.push(Acceptance {
                statement,
                origin,
                covers,
                removal,
            }),
            Err(fault) => self.findings.push(fault.finding(origin)),
        }
    }
}

/// Those in the comments of a document.
pub(super) fn in_comments(place: &Place) -> Read {
    let document = &place.document;
    let content = document.node(document.root()).span;
    let comments = document.comments.iter().copied();
    read(&place.source, document.index, content, comments)
}

/// Those in the comments of a file of guarantees.
pub(super) fn in_guarantees(source: &Source) -> Read {
    let comments = guarantee::comments(source.text()).filter_map(|range| {
        let span = Span::new(u32::try_from(range.start).ok()?, u32::try_from(range.end).ok()?);
        let (start, line) = source.line(source.position(span.start).line)?;
        let before = line.get(..span.start.checked_sub(start)? as usize)?;
        let placement = if before.trim().is_empty() {
            Placement::OwnLine
        } else {
            Placement::Trailing
        };
        Some(Comment { span, placement })
    });
    read(source, 0, Span::default(), comments)
}

/// Those of a document, whose YAML is in `content`.
fn read(source: &Source, document: u32, content: Span, comments: impl Iterator<Item = Comment>) -> Read {
    let mut found = Read::default();
    let keeping = LazyCell::new(|| {
        let scalar = first_keeping_scalar(source.slice(content))?;
        Some(content.start as usize + scalar)
    });
    for comment in comments {
        let Some(read) = acceptance::comment(source.slice(comment.span)) else {
            continue;
        };
        let at = |span| object::origin(source, document, &Route::root(), span);
        let origin = at(comment.span);
        let line = match comment.placement {
            Placement::Trailing => origin.line,
            Placement::OwnLine => next_line(source, origin.line),
        };
        let removal = removal(source, comment, origin.line, &|| *keeping).map(at);
        found.add(read, origin, Covers::Line(line), removal);
    }
    found
}

/// What goes when a comment on this line goes: the line, or what is between the value and its end.
fn removal(
    source: &Source,
    comment: Comment,
    line: u32,
    keeping: &dyn Fn() -> Option<usize>,
) -> Option<Span> {
    let (start, text) = source.line(line)?;
    match comment.placement {
        Placement::OwnLine => {
            let (end, next) = source.line(line.saturating_add(1))?;
            // Without the comment, a blank line behind it would belong to a block scalar before it that keeps them.
            let is_behind = |scalar: usize| scalar < start as usize;
            if next.trim().is_empty() && keeping().is_some_and(is_behind) {
                return None;
            }
            Some(Span::new(start, end))
        }
        Placement::Trailing => {
            let before = text.get(..comment.span.start.checked_sub(start)? as usize)?;
            let value = u32::try_from(before.trim_end().len()).ok()?;
            Some(Span::new(start + value, comment.span.end))
        }
    }
}

/// Where a text has its first block scalar that keeps the blank lines behind it (`|+`), or something that looks like one.
fn first_keeping_scalar(text: &str) -> Option<usize> {
    let is_keeping = |word: &&str| word.starts_with(['|', '>']) && word.contains('+');
    let word = text.split_whitespace().find(is_keeping)?;
    Some(word.as_ptr() as usize - text.as_ptr() as usize)
}

/// The first line behind this one that is more than a comment.
fn next_line(source: &Source, line: u32) -> u32 {
    let is_comment = |line: u32| {
        let text = source.line(line).map(|(_, text)| text.trim_start());
        text.is_some_and(|text| text.starts_with('#'))
    };
    (line.saturating_add(1)..)
        .find(|&next| !is_comment(next))
        .unwrap_or(line)
}

/// Those in the annotations of an object and of its pod template. An object's speak for all of it; a template's for the
/// template, as its pods carry them.
pub(super) fn in_annotations(place: &Place, name: &ObjectName) -> Read {
    let mut found = Read::default();
    for holder in [
        Route::root(),
        route!["spec", "template"],
        route!["spec", "jobTemplate"],
        route!["spec", "jobTemplate", "spec", "template"],
    ] {
        in_metadata(place, &holder, name, &mut found);
    }
    found
}

fn in_metadata(place: &Place, holder: &Route, name: &ObjectName, found: &mut Read) {
    let document = &place.document;
    let annotations = holder.then("metadata").then("annotations");
    let Some(mapping) = document
        .find(place.node, &annotations)
        .and_then(|annotations| document.mapping(annotations.value))
    else {
        return;
    };
    let path = place.origin(holder).path;
    for entry in &mapping.entries {
        let key = document.key_text(entry.key);
        // A value that is no text is a finding already, and says nothing here.
        let value = match &document.node(entry.value).value {
            Value::Scalar(scalar) => &*scalar.text,
            Value::Sequence(_) | Value::Mapping(_) => "",
        };
        let Some(read) = acceptance::annotation(&key, value) else {
            continue;
        };
        let covers = Covers::Object {
            path: path.clone(),
            name: name.clone(),
        };
        found.add(read, place.key_origin(&annotations.then(&*key)), covers, None);
    }
}
