//! Acceptances in comments and annotations, with the lines that they speak for.

use super::Place;
use crate::diagnostic::{Finding, ObjectName};
use crate::route::Route;
use crate::source::{Source, Span};
use crate::tree::{Comment, Placement, Value};
use crate::triage::acceptance::{self, Acceptance, Covers, Fault, Statement};
use ir::origin::Origin;

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
    let source = &place.source;
    let mut found = Read::default();
    for comment in &place.document.comments {
        let Some(read) = acceptance::comment(source.slice(comment.span)) else {
            continue;
        };
        let origin = place.origin_at(&Route::root(), comment.span);
        let line = match comment.placement {
            Placement::Trailing => origin.line,
            Placement::OwnLine => next_line(source, origin.line),
        };
        let removal = removal(place, *comment, &origin);
        found.add(read, origin, Covers::Line(line), removal);
    }
    found
}

/// What goes when a comment goes: its line, or what is between the value and the end of the line.
fn removal(place: &Place, comment: Comment, origin: &Origin) -> Option<Origin> {
    let source = &place.source;
    let (start, line) = source.line(origin.line)?;
    let span = match comment.placement {
        Placement::OwnLine => {
            let next = source.line(origin.line.saturating_add(1))?;
            Span::new(start, next.0)
        }
        Placement::Trailing => {
            let before = line.get(..comment.span.start.checked_sub(start)? as usize)?;
            let value = u32::try_from(before.trim_end().len()).ok()?;
            Span::new(start + value, comment.span.end)
        }
    };
    Some(place.origin_at(&Route::root(), span))
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

/// Those in the annotations of an object.
pub(super) fn in_annotations(place: &Place, name: &ObjectName) -> Read {
    let document = &place.document;
    let mut found = Read::default();
    let annotations = document
        .entry(place.node, "metadata")
        .and_then(|metadata| document.entry(metadata.value, "annotations"));
    let Some(mapping) = annotations.and_then(|annotations| document.mapping(annotations.value)) else {
        return found;
    };
    let object = place.origin(&Route::root());
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
        let route = Route::root().then("metadata").then("annotations").then(&*key);
        let covers = Covers::Object {
            first: object.line,
            last: object.end_line,
            name: name.clone(),
        };
        found.add(read, place.key_origin(&route), covers, None);
    }
    found
}
