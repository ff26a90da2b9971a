//! Files whose text is in memory, to be read as often as it is edited.

use super::paths::{self, Text};
use super::{Exclude, Input, LoadError, read_texts};
use crate::limits::Limits;
use crate::source::Source;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

/// Texts with their names, in the order of these.
#[derive(Clone, Debug, Default)]
pub struct Texts(Vec<Text>);

impl Texts {
    /// What is at these paths, see [`load_all`](super::load_all).
    ///
    /// # Errors
    /// As [`load`](super::load).
    pub fn gather(
        paths: &[PathBuf],
        guarantees: &[PathBuf],
        exclude: &Exclude,
        limits: &Limits,
        stdin: &mut dyn Read,
    ) -> Result<Self, LoadError> {
        paths::read(paths, guarantees, exclude, limits, stdin).map(Self)
    }

    /// Names and bytes, and those of guarantees, in any order.
    #[must_use]
    pub fn of_bytes<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        guarantees: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        limits: &Limits,
    ) -> Self {
        let manifests = files.into_iter().map(|file| (file, false));
        let texts = manifests
            .chain(guarantees.into_iter().map(|file| (file, true)))
            .map(|((name, bytes), guarantees)| Text {
                guarantees,
                ..Text::new(name, bytes, limits)
            });
        let mut texts: Vec<_> = texts.collect();
        texts.sort_by(|a, b| (a.source.name(), a.source.text()).cmp(&(b.source.name(), b.source.text())));
        Self(texts)
    }

    /// All of several, whose names differ.
    #[must_use]
    pub fn joined<'t>(several: impl IntoIterator<Item = &'t Self>) -> Self {
        let mut texts: Vec<_> = several.into_iter().flat_map(|texts| texts.0.clone()).collect();
        texts.sort_by(|a, b| a.source.name().cmp(b.source.name()));
        Self(texts)
    }

    /// Reads them.
    #[must_use]
    pub fn input(&self, limits: &Limits) -> Input {
        read_texts(&self.0, limits)
    }

    /// The same files, some with another text.
    #[must_use]
    pub fn with(&self, texts: &BTreeMap<Arc<str>, String>) -> Self {
        let replaced = self.0.iter().map(|text| match texts.get(text.source.name()) {
            Some(new) => Text {
                source: Source::new(text.source.name().clone(), &[text.source.mark(), new].concat()).into(),
                ..text.clone()
            },
            None => text.clone(),
        });
        Self(replaced.collect())
    }

    /// The sources that hold what was read byte for byte, in order: without what is not UTF-8 or too long.
    pub fn faithful(&self) -> impl Iterator<Item = &Arc<Source>> {
        let faithful = self.0.iter().filter(|text| text.fault.is_none());
        faithful.map(|text| &text.source)
    }

    /// The sources, in order.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.0.iter().map(|text| &text.source)
    }
}
