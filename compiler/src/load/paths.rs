//! From the paths on the command line to the text of every file.

use super::walk::{Found, Walk, is_guarantees};
use super::{Exclude, LoadError};
use crate::limits::Limits;
use crate::source::{STDIN, Source};
use rayon::prelude::*;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A source as it was read.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) source: Arc<Source>,
    pub(super) fault: Option<TextFault>,
    /// Whether it holds guarantees, and no manifests.
    pub(super) guarantees: bool,
}

/// Why a source is not parsed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextFault {
    /// Not UTF-8 from this byte on.
    NotUtf8 { at: usize, utf16: bool },
    /// Longer than this many bytes.
    TooLong(u64),
}

impl Text {
    pub(super) fn new(name: &str, bytes: &[u8], limits: &Limits) -> Self {
        let longest = limits.bytes.min(u64::from(u32::MAX));
        if bytes.len() as u64 > longest {
            return Self {
                source: Source::new(name, "").into(),
                fault: Some(TextFault::TooLong(longest)),
                guarantees: false,
            };
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Self {
                source: Source::new(name, text).into(),
                fault: None,
                guarantees: false,
            },
            Err(error) => Self {
                source: Source::new(name, &String::from_utf8_lossy(bytes)).into(),
                fault: Some(TextFault::NotUtf8 {
                    at: error.valid_up_to(),
                    utf16: matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]),
                }),
                guarantees: false,
            },
        }
    }
}

/// Reads everything that `paths` name, and the files of guarantees that `guarantees` name whatever they are called,
/// once each, in the order of their names.
pub(super) fn read(
    paths: &[PathBuf],
    guarantees: &[PathBuf],
    exclude: &Exclude,
    limits: &Limits,
    stdin: &mut dyn Read,
) -> Result<Vec<Text>, LoadError> {
    let mut arguments: Vec<&PathBuf> = paths.iter().collect();
    arguments.sort();
    arguments.dedup();
    let mut walk = Walk::leaving_out(exclude);
    let mut texts = Vec::new();
    let mut named = guarantees.to_vec();
    named.sort();
    for path in &named {
        walk.file(path, true);
    }
    for argument in arguments {
        if argument.as_os_str() == "-" {
            let mut bytes = Vec::new();
            let reading = stdin.take(limits.bytes.saturating_add(1)).read_to_end(&mut bytes);
            reading.map_err(|error| LoadError::new(Path::new(STDIN), error))?;
            texts.push(Text::new(STDIN, &bytes, limits));
        } else {
            walk.path(argument);
        }
    }
    if let Some(fault) = walk.faults.into_iter().next() {
        return Err(fault);
    }
    walk.files.sort();
    let read: Vec<_> = walk.files.par_iter().map(|found| file(found, limits)).collect();
    for text in read {
        texts.extend(text?);
    }
    texts.sort_by(|a, b| a.source.name().cmp(b.source.name()));
    Ok(texts)
}

/// `None` for a file that only lies beside manifests.
fn file(found: &Found, limits: &Limits) -> Result<Option<Text>, LoadError> {
    let path = &*found.path;
    let file = fs::File::open(path).map_err(|error| LoadError::new(path, error))?;
    let mut bytes = Vec::new();
    let reading = file.take(limits.bytes.saturating_add(1)).read_to_end(&mut bytes);
    reading.map_err(|error| LoadError::new(path, error))?;
    if found.in_directory && is_beside_manifests(path, &bytes) {
        return Ok(None);
    }
    Ok(Some(Text {
        guarantees: found.guarantees,
        ..Text::new(&path.to_string_lossy(), &bytes, limits)
    }))
}

/// Whether a file holds no object of any API: it has neither of the words that one needs, and no escape that could stand
/// for a letter of them. Repositories are full of such files, and some are JSON with comments, or larger than any
/// manifest. A kustomization needs neither word, nor do guarantees.
pub(crate) fn is_beside_manifests(path: &Path, bytes: &[u8]) -> bool {
    let name = path.file_stem().unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    !name.eq_ignore_ascii_case("kustomization")
        && !is_guarantees(path)
        && !["apiVersion", "kind", r"\u", r"\x", r"\U"]
            .iter()
            .any(|word| text.contains(word))
}

/// What the file system says of every file that would be read of `paths`: when it was written and how long it is. Two
/// answers that are equal mean that nothing was saved in between. A path that cannot be read is a state too.
#[must_use]
pub fn states(paths: &[PathBuf], exclude: &Exclude) -> Vec<(PathBuf, Option<(SystemTime, u64)>)> {
    let mut states = Vec::new();
    for path in paths {
        let mut walk = Walk::leaving_out(exclude);
        walk.path(path);
        states.extend(walk.faults.into_iter().map(|fault| (fault.path, None)));
        states.extend(walk.files.into_iter().map(|Found { path, .. }| {
            let state = fs::metadata(&path).and_then(|kind| Ok((kind.modified()?, kind.len())));
            (path, state.ok())
        }));
    }
    states
}
