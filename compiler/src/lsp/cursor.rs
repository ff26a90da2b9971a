//! What stands at a place in a document: the object, and the way to the value.

use super::analysis::Analysis;
use super::position;
use crate::load::Object;
use crate::route::{Route, Step};
use crate::source::Span;
use crate::tree::{Document, NodeId, Value};
use ir::origin::Origin;
use lsp_types::{Position, Range};
use std::sync::Arc;

/// A place in an object.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub(super) object: &'a Object,
    /// From the object to the innermost value, or the one whose key it is.
    pub(super) route: Route,
    /// The key or scalar at the place.
    pub(super) span: Span,
}

impl<'a> Cursor<'a> {
    /// The object and value at a position; `None` between objects, and where the model was not made of this text.
    pub(super) fn at(analysis: &'a Analysis, file: &str, at: Position) -> Option<Self> {
        let source = analysis.source(file)?;
        let offset = position::offset(source, at);
        let objects = analysis.understood.input.objects.iter();
        let mut here = objects.filter(|object| {
            let place = &object.place;
            &**place.source.name() == file && holds(place.document.node(place.node).span, offset)
        });
        let object = here.next()?;
        let place = &object.place;
        // The analysis is of this very text, or its places mean nothing here.
        if place.source.text() != source.text() {
            return None;
        }
        let mut steps = Vec::new();
        let span = descend(&place.document, place.node, offset, &mut steps)?;
        Some(Self {
            object,
            route: steps.into_iter().collect(),
            span,
        })
    }

    /// The range of the key or scalar.
    pub(super) fn range(&self) -> Range {
        let source = &self.object.place.source;
        Range {
            start: position::of_offset(source, self.span.start),
            end: position::of_offset(source, self.span.end),
        }
    }

    /// The ways from the object to the value and to everything that holds it, innermost first.
    pub(super) fn routes(&self) -> impl Iterator<Item = Route> {
        let steps = self.route.steps();
        (0..=steps.len())
            .rev()
            .filter_map(|length| Some(steps.get(..length)?.iter().cloned().collect()))
    }

    /// Whether something written at `origin` is the value at the cursor, or holds it: the way there from the object.
    pub(super) fn inside(&self, origin: &Origin) -> bool {
        let place = &self.object.place;
        origin.file == *place.source.name()
            && origin.document == place.document.index
            && self
                .routes()
                .any(|route| *place.route.join(&route).to_string() == *origin.path)
    }

    /// The last key of the way.
    pub(super) fn key(&self) -> Option<&str> {
        self.route.steps().iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(&**key),
            Step::Index(_) => None,
        })
    }

    /// The text of the scalar at a way from the object.
    pub(super) fn text(&self, route: &Route) -> Option<&'a str> {
        let place = &self.object.place;
        let found = place.document.find(place.node, route)?;
        place.document.scalar(found.value).map(|scalar| &*scalar.text)
    }

    /// The way to the mapping or list that holds the value.
    pub(super) fn parent(&self) -> Route {
        let steps = self.route.steps();
        steps
            .get(..steps.len().saturating_sub(1))
            .unwrap_or_default()
            .iter()
            .cloned()
            .collect()
    }
}

/// Whether the place is in the span or at its end, where a cursor behind a word stands.
fn holds(span: Span, offset: u32) -> bool {
    span.start <= offset && offset <= span.end
}

/// Follows what is written at the offset. What an alias or a merge key brings is written elsewhere.
fn descend(document: &Document, node: NodeId, offset: u32, steps: &mut Vec<Step>) -> Option<Span> {
    let mut node = node;
    loop {
        match &document.node(node).value {
            Value::Scalar(_) => {
                let span = document.node(node).span;
                return holds(span, offset).then_some(span);
            }
            Value::Sequence(elements) => {
                let (index, element) = elements
                    .iter()
                    .enumerate()
                    .find(|(_, element)| holds(document.node(**element).span, offset))?;
                steps.push(Step::from(index));
                node = *element;
            }
            Value::Mapping(mapping) => {
                let entry = mapping.entries.iter().find(|entry| {
                    holds(document.node(entry.key).span, offset)
                        || holds(document.node(entry.value).span, offset)
                })?;
                steps.push(Step::Key(Arc::from(&*document.key_text(entry.key))));
                let key = document.node(entry.key).span;
                if holds(key, offset) {
                    return Some(key);
                }
                node = entry.value;
            }
        }
    }
}
