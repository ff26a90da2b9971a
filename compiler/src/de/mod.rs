//! Typed objects from the tree: a serde `Deserializer` that collects everything wrong instead of stopping.
//!
//! serde stops at the first error, and Kubernetes' generated types accept misspelt fields in silence. Here a value of
//! the wrong type is recorded as a [`Problem`] and replaced by the type's zero, an unknown field is recorded with the
//! names it may have meant, and reading goes on, so that one pass over an object finds all of them. An object with
//! an error among its problems holds such replacements and must not be taken for what its author wrote.
//!
//! What null, numbers and keys mean follows Kubernetes: YAML becomes JSON, and Go's decoder reads `null` as absent.

mod access;
mod problem;
pub mod suggest;
mod value;

#[cfg(test)]
mod tests;

pub use problem::{Draft, Problem};

use crate::route::{Route, Step};
use crate::source::Span;
use crate::tree::{Document, NodeId};
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::fmt;

/// What came of reading one object.
#[derive(Debug)]
pub struct Reading<T> {
    /// The object; `None` when a problem could not be read past.
    pub value: Option<T>,
    /// Everything wrong with it, in the order met.
    pub problems: Vec<Problem>,
}

/// Reads the value at `node` as a `T`. Routes in problems start with `prefix`, the node's own place.
pub fn read<T: DeserializeOwned>(document: &Document, node: NodeId, prefix: &Route) -> Reading<T> {
    let sink = Sink {
        document,
        prefix,
        problems: RefCell::default(),
    };
    let root = Frame {
        parent: None,
        key: None,
        index: 0,
        record: None,
    };
    let reader = Reader {
        node,
        frame: &root,
        sink: &sink,
    };
    let value = match T::deserialize(reader) {
        Ok(value) => Some(value),
        Err(error) => {
            let (span, route) = error
                .place
                .unwrap_or_else(|| (document.node(node).span, prefix.clone()));
            sink.problems
                .borrow_mut()
                .push(Problem::fatal(span, route, error.message));
            None
        }
    };
    Reading {
        value,
        problems: sink.problems.into_inner(),
    }
}

/// The document being read and the problems met so far.
struct Sink<'a> {
    document: &'a Document,
    prefix: &'a Route,
    problems: RefCell<Vec<Problem>>,
}

impl Sink<'_> {
    fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }
}

/// Where reading is: a list from the innermost value out, kept on the stack.
#[derive(Clone, Copy)]
struct Frame<'a> {
    parent: Option<&'a Frame<'a>>,
    /// The key that leads here, when a mapping does.
    key: Option<NodeId>,
    /// The index that leads here, when a sequence does.
    index: usize,
    /// The type whose fields the enclosing mapping holds.
    record: Option<Record>,
}

/// A struct of the API: its name and the names of its fields.
#[derive(Clone, Copy)]
struct Record {
    name: &'static str,
    fields: &'static [&'static str],
}

impl Frame<'_> {
    fn route(&self, sink: &Sink<'_>) -> Route {
        let mut steps: Vec<Step> = Vec::new();
        let mut frame = self;
        while let Some(parent) = frame.parent {
            steps.push(match frame.key {
                Some(key) => Step::from(&*sink.document.key_text(key)),
                None => Step::from(frame.index),
            });
            frame = parent;
        }
        sink.prefix
            .steps()
            .iter()
            .cloned()
            .chain(steps.into_iter().rev())
            .collect()
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: NodeId,
    frame: &'a Frame<'a>,
    sink: &'a Sink<'a>,
}

/// Why reading an object could not go on.
#[derive(Debug)]
struct Error {
    message: String,
    place: Option<(Span, Route)>,
}

impl Error {
    /// Remembers the innermost place.
    fn or_at(mut self, reader: &Reader<'_>) -> Self {
        if self.place.is_none() {
            self.place = Some((reader.span(), reader.frame.route(reader.sink)));
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            place: None,
        }
    }
}
