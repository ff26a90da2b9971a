//! One lossless parse of YAML and JSON: a tree of nodes with byte spans, raw text, style, tags and comments.
//!
//! The only parser in the program: everything typed is read from this tree, so no two readers can disagree about
//! what a manifest says. Scalars mean what Kubernetes' own reader (`sigs.k8s.io/yaml`, the v2 line of go-yaml) makes
//! of them, see [`scalar`]; merge keys are expanded as it does, see [`merge`]. Aliases share the node they name, so
//! their expansion costs a walk, not memory, and its size is bounded before anyone walks it.

mod dialect;
pub mod merge;
pub mod parse;
pub mod scalar;
mod tabs;
#[cfg(test)]
mod tests;

use crate::route::{Route, Step};
use crate::source::Span;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

pub use parse::{StreamFault, StreamFaultKind, parse};
pub use scalar::{Resolved, Scalar, Style};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use tabs::is_json;

/// Names one [`Node`] of a [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// A value as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value's own characters: quotes and brackets included, tag and anchor not. Empty for a value left out.
    pub span: Span,
    /// What is written.
    pub value: Value,
}

/// An explicit tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Where it is written.
    pub span: Span,
    /// Whether it is one that Kubernetes' reader accepts for this value and that changes nothing but the type.
    pub understood: bool,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, and what it resolves to.
    Scalar(Scalar),
    /// Elements in order.
    Sequence(Box<[NodeId]>),
    /// Entries in the order written, merged ones first.
    Mapping(Mapping),
}

/// A mapping whose keys are distinct; what had to be left out for that is in [`Document::faults`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// Key and value nodes. Every key is a scalar.
    pub entries: Box<[Entry]>,
}

/// One entry of a [`Mapping`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, a scalar.
    pub key: NodeId,
    /// The value.
    pub value: NodeId,
}

/// What is wrong with a mapping's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingFault {
    /// The same key twice; the first is kept. Readers differ on which one counts.
    Duplicate {
        /// The key that is kept.
        first: NodeId,
        /// The key that repeats it.
        second: NodeId,
    },
    /// The key is a mapping, a sequence, null or has a tag that is not understood; the entry is left out.
    NotText(NodeId),
    /// The value of `<<` is neither a mapping nor a sequence of mappings; it is left out.
    MergeOfScalar(NodeId),
    /// A key stands before a `<<` that brings it too: go-yaml v2 takes the merged value, the YAML merge
    /// specification the explicit one. The explicit one is kept.
    MergeOrder {
        /// The key in this mapping.
        explicit: NodeId,
        /// The key it meets in the merged mapping.
        merged: NodeId,
    },
}

/// Where a comment stands relative to the values around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On a line of its own.
    OwnLine,
    /// Behind a value.
    Trailing,
}

/// A comment; its text is the source's at `span`, `#` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// From `#` to the end of the line.
    pub span: Span,
    /// Whether something stands before it on the line.
    pub placement: Placement,
}

/// A file's documents.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Documents that parsed, empty ones included, in order.
    pub documents: Vec<Document>,
    /// What is wrong with the stream. After a syntax error or an exceeded limit, a document is missing above.
    pub faults: Vec<StreamFault>,
}

/// One document: an arena of nodes and its root.
#[derive(Clone, Debug)]
pub struct Document {
    /// Index in the stream, from 0; documents that failed to parse count.
    pub index: u32,
    nodes: Box<[Node]>,
    rare: Rare,
    root: NodeId,
    /// Comments in the document and directly before it, in order.
    pub comments: Vec<Comment>,
}

/// What few nodes have, beside them: most documents hold none of it.
#[derive(Clone, Debug, Default)]
struct Rare {
    tags: BTreeMap<NodeId, Tag>,
    faults: BTreeMap<NodeId, Box<[MappingFault]>>,
    /// What an alias names.
    shared: BTreeSet<NodeId>,
}

/// A value found by a [`Route`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The key it stands behind, when the last step is a key.
    pub key: Option<NodeId>,
    /// The value.
    pub value: NodeId,
}

/// Whether two values say the same: equal texts of equal types, equal elements in order, equal entries in any order.
#[must_use]
pub fn same(one: (&Document, NodeId), other: (&Document, NodeId)) -> bool {
    let (first, second) = (one.0, other.0);
    match (&first.node(one.1).value, &second.node(other.1).value) {
        (Value::Scalar(one), Value::Scalar(other)) => {
            one.text == other.text && one.is_string() == other.is_string()
        }
        (Value::Sequence(one), Value::Sequence(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(&one, &other)| same((first, one), (second, other)))
        }
        (Value::Mapping(mapping), Value::Mapping(others)) => {
            let theirs = others.entries.iter();
            let theirs: HashMap<_, _> = theirs
                .map(|entry| (second.key_text(entry.key), entry.value))
                .collect();
            mapping.entries.len() == theirs.len()
                && mapping.entries.iter().all(|entry| {
                    let found = theirs.get(&first.key_text(entry.key));
                    found.is_some_and(|found| same((first, entry.value), (second, *found)))
                })
        }
        _ => false,
    }
}

impl Document {
    /// The root node.
    #[must_use]
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// The node with this id. An id of another document gives an arbitrary node or an empty null.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        static ABSENT: LazyLock<Node> = LazyLock::new(|| Node {
            span: Span::default(),
            value: Value::Sequence(Box::default()),
        });
        self.nodes.get(id.0 as usize).unwrap_or_else(|| &ABSENT)
    }

    /// The node's explicit tag, such as `!!str`.
    #[must_use]
    pub fn tag(&self, id: NodeId) -> Option<&Tag> {
        self.rare.tags.get(&id)
    }

    /// Why a mapping must not be trusted, if so.
    #[must_use]
    pub fn faults(&self, mapping: NodeId) -> &[MappingFault] {
        self.rare.faults.get(&mapping).map_or(&[], |faults| faults)
    }

    /// What is written once and stands in several places: the values that aliases name, in order and without those inside
    /// of others.
    #[must_use]
    pub fn shared(&self) -> Vec<Span> {
        let shared = self.rare.shared.iter().map(|&id| self.node(id).span);
        let mut spans: Vec<Span> = shared.collect();
        // Of two that start together, the longer one first.
        spans.sort_by_key(|span| (span.start, Reverse(span.end)));
        spans.dedup_by(|next, kept| kept.contains(*next));
        spans
    }

    /// How many nodes are written.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The node as a scalar.
    #[must_use]
    pub fn scalar(&self, id: NodeId) -> Option<&Scalar> {
        match &self.node(id).value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// The node as a mapping.
    #[must_use]
    pub fn mapping(&self, id: NodeId) -> Option<&Mapping> {
        match &self.node(id).value {
            Value::Mapping(mapping) => Some(mapping),
            Value::Sequence(_) | Value::Scalar(_) => None,
        }
    }

    /// Whether the node is null, written or left out.
    #[must_use]
    pub fn is_null(&self, id: NodeId) -> bool {
        self.scalar(id).is_some_and(Scalar::is_null)
    }

    /// The text of a key as Kubernetes sees it: `010` is the key `8`, `yes` is the key `true`.
    #[must_use]
    pub fn key_text(&self, key: NodeId) -> Cow<'_, str> {
        self.scalar(key).map_or(Cow::Borrowed(""), Scalar::key_text)
    }

    /// The entry of a mapping with this key.
    #[must_use]
    pub fn entry(&self, mapping: NodeId, key: &str) -> Option<Entry> {
        self.mapping(mapping)?
            .entries
            .iter()
            .find(|entry| self.key_text(entry.key) == key)
            .copied()
    }

    /// The value behind a key, when it is a string.
    #[must_use]
    pub fn text(&self, mapping: NodeId, key: &str) -> Option<&str> {
        let scalar = self.scalar(self.entry(mapping, key)?.value)?;
        scalar.is_string().then_some(&*scalar.text)
    }

    /// Follows `route` from `from`; through aliases it arrives where the value is written.
    #[must_use]
    pub fn find(&self, from: NodeId, route: &Route) -> Option<Found> {
        self.find_steps(from, route.steps())
    }

    /// [`Self::find`] for part of a route.
    #[must_use]
    pub fn find_steps(&self, from: NodeId, steps: &[Step]) -> Option<Found> {
        let mut found = Found {
            key: None,
            value: from,
        };
        for step in steps {
            found = match (step, &self.node(found.value).value) {
                (Step::Key(key), Value::Mapping(_)) => {
                    let entry = self.entry(found.value, key)?;
                    Found {
                        key: Some(entry.key),
                        value: entry.value,
                    }
                }
                (Step::Index(index), Value::Sequence(elements)) => Found {
                    key: None,
                    value: *elements.get(*index as usize)?,
                },
                _ => return None,
            };
        }
        Some(found)
    }

    /// The span to point at for a value: its own, or its key's when the value is left out (`port:`).
    #[must_use]
    pub fn span_of(&self, found: Found) -> Span {
        let own = self.node(found.value).span;
        match found.key {
            Some(key) if own.start == own.end => self.node(key).span,
            _ => own,
        }
    }
}
