//! Mappings and sequences, entry by entry.

use super::{Error, Frame, Reader, Record};
use crate::diagnostic::{Applicability, Code};
use crate::tree::{Entry, NodeId, Resolved};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// The entries of a mapping, or none.
pub(super) struct Entries<'a> {
    reader: Reader<'a>,
    entries: &'a [Entry],
    next: usize,
    record: Option<Record>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(reader: Reader<'a>, entries: &'a [Entry], record: Option<Record>) -> Self {
        Self {
            reader,
            entries,
            next: 0,
            record,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(entry) = self.entries.get(self.next) else {
            return Ok(None);
        };
        let document = self.reader.sink.document;
        let text = document.key_text(entry.key);
        match self.record {
            Some(record) if !record.fields.contains(&&*text) => {
                self.reader.unknown_field(entry.key, entry.value, record)
            }
            Some(_) => {}
            None => {
                let frame = Frame {
                    parent: Some(self.reader.frame),
                    key: Some(entry.key),
                    index: 0,
                    record: None,
                };
                let key = Reader {
                    node: entry.key,
                    frame: &frame,
                    ..self.reader
                };
                key.check_free_key();
            }
        }
        seed.deserialize(Key(&text)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.entries.get(self.next) else {
            return Err(serde::de::Error::custom("a value was asked for before its key"));
        };
        self.next += 1;
        let frame = Frame {
            parent: Some(self.reader.frame),
            key: Some(entry.key),
            index: 0,
            record: None,
        };
        let reader = Reader {
            node: entry.value,
            frame: &frame,
            sink: self.reader.sink,
        };
        seed.deserialize(reader).map_err(|error| error.or_at(&reader))
    }

    fn size_hint(&self) -> Option<usize> {
        // Capped: the size is the author's, the memory is ours.
        Some(self.entries.len().saturating_sub(self.next).min(1024))
    }
}

impl Reader<'_> {
    /// A key that the author chose, such as a label's. Unquoted it may not be the text it looks like.
    fn check_free_key(&self) {
        let document = self.sink.document;
        let Some(scalar) = document.scalar(self.node) else {
            return;
        };
        if !scalar.is_string() && *document.key_text(self.node) != *scalar.text {
            self.key_changes_meaning(scalar.value());
        }
    }

    fn key_changes_meaning(&self, value: Resolved) {
        let document = self.sink.document;
        let written = document.scalar(self.node).map_or("", |scalar| &*scalar.text);
        let read = document.key_text(self.node);
        let code = match value {
            Resolved::Bool(_) => Code::YAML_BOOLEAN,
            _ => Code::WRONG_TYPE,
        };
        self.sink.report(super::Problem {
            code,
            route: self.frame.route(self.sink),
            span: document.node(self.node).span,
            message: format!("Kubernetes reads the unquoted key `{written}` as `{read}`"),
            label: format!("this key is `{read}`"),
            help: Some(format!("quote it: \"{written}\"")),
            unrendered: None,
            related: None,
            // Kubernetes takes the key as it reads it, so this is another one.
            fix: Some(super::Draft {
                applicability: Applicability::Suggestion,
                title: "quote it".to_owned(),
                span: document.node(self.node).span,
                was: None,
                replacement: format!("\"{written}\""),
            }),
        });
    }
}

/// A key: text.
struct Key<'t>(&'t str);

impl<'de> serde::Deserializer<'de> for Key<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// The elements of a sequence, or none.
pub(super) struct Elements<'a> {
    reader: Reader<'a>,
    elements: &'a [NodeId],
    next: usize,
}

impl<'a> Elements<'a> {
    pub(super) fn new(reader: Reader<'a>, elements: &'a [NodeId]) -> Self {
        Self {
            reader,
            elements,
            next: 0,
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(&node) = self.elements.get(self.next) else {
            return Ok(None);
        };
        let frame = Frame {
            parent: Some(self.reader.frame),
            key: None,
            index: self.next,
            record: None,
        };
        self.next += 1;
        let reader = Reader {
            node,
            frame: &frame,
            sink: self.reader.sink,
        };
        seed.deserialize(reader)
            .map(Some)
            .map_err(|error| error.or_at(&reader))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len().saturating_sub(self.next).min(1024))
    }
}
