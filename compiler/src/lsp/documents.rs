//! Documents that are open in the editor: their text is the client's, whatever is on the disk.

use super::{position, uri};
use crate::limits::Limits;
use crate::load::Texts;
use lsp_types::TextDocumentContentChangeEvent;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Open documents, by the names of their files.
#[derive(Debug, Default)]
pub(super) struct Documents(BTreeMap<Arc<str>, Document>);

#[derive(Debug)]
struct Document {
    uri: String,
    version: i32,
    text: String,
    /// The text as it is read; made when it is asked for.
    read: Option<Texts>,
}

/// An open document as an analysis sees it.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) version: i32,
    pub(super) texts: Texts,
}

impl Documents {
    pub(super) fn open(&mut self, uri: &str, version: i32, text: String) {
        let document = Document {
            uri: uri.to_owned(),
            version,
            text,
            read: None,
        };
        self.0.insert(uri::name(uri).into(), document);
    }

    /// Edits a document. False when it is not open.
    pub(super) fn change(
        &mut self,
        uri: &str,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
    ) -> bool {
        let Some(document) = self.0.get_mut(&*uri::name(uri)) else {
            return false;
        };
        for change in changes {
            document.text = position::edited(&document.text, change.range, &change.text);
        }
        document.version = version;
        document.read = None;
        true
    }

    pub(super) fn close(&mut self, uri: &str) -> bool {
        self.0.remove(&*uri::name(uri)).is_some()
    }

    /// The version that the client sent last.
    pub(super) fn version(&self, name: &str) -> Option<i32> {
        self.0.get(name).map(|document| document.version)
    }

    /// The URI of a file: as the client wrote it, where it is open.
    pub(super) fn uri(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(document) => document.uri.clone(),
            None => uri::of(name),
        }
    }

    /// All of them, as an analysis sees them.
    pub(super) fn opened(&mut self, limits: &Limits) -> BTreeMap<Arc<str>, Opened> {
        let opened = self.0.iter_mut().map(|(name, document)| {
            let texts = document
                .read
                .get_or_insert_with(|| workspace_text(name, document.text.as_bytes(), limits));
            let opened = Opened {
                version: document.version,
                texts: texts.clone(),
            };
            (name.clone(), opened)
        });
        opened.collect()
    }
}

/// One file as it is read.
pub(super) fn workspace_text(name: &str, bytes: &[u8], limits: &Limits) -> Texts {
    if name.ends_with(".guarantees") {
        Texts::of_bytes([], [(name, bytes)], limits)
    } else {
        Texts::of_bytes([(name, bytes)], [], limits)
    }
}
