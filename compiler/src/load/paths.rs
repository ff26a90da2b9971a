//! From the paths on the command line to the text of every file.

use super::{Exclude, LoadError};
use crate::limits::Limits;
use crate::source::{STDIN, Source};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
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
        walk.file(path, true, false)?;
    }
    for argument in arguments {
        if argument.as_os_str() == "-" {
            let mut bytes = Vec::new();
            let reading = stdin.take(limits.bytes.saturating_add(1)).read_to_end(&mut bytes);
            reading.map_err(|error| LoadError::new(Path::new(STDIN), error))?;
            texts.push(Text::new(STDIN, &bytes, limits));
        } else if metadata(argument)?.is_dir() {
            walk.directory(argument)?;
        } else {
            walk.file(argument, is_guarantees(argument), false)?;
        }
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

/// What the file system says of every file that [`read`] would read of `paths`: when it was written and how long it is. Two
/// answers that are equal mean that nothing was saved in between. A path that cannot be read is a state too.
#[must_use]
pub fn states(paths: &[PathBuf], exclude: &Exclude) -> Vec<(PathBuf, Option<(SystemTime, u64)>)> {
    let mut states = Vec::new();
    for path in paths {
        let mut walk = Walk::leaving_out(exclude);
        let walked = match metadata(path) {
            Ok(kind) if kind.is_dir() => walk.directory(path),
            Ok(_) | Err(_) => {
                walk.files.push(Found {
                    path: path.clone(),
                    guarantees: is_guarantees(path),
                    in_directory: false,
                });
                Ok(())
            }
        };
        if walked.is_err() {
            states.push((path.clone(), None));
        }
        states.extend(walk.files.into_iter().map(|Found { path, .. }| {
            let state = fs::metadata(&path).and_then(|kind| Ok((kind.modified()?, kind.len())));
            (path, state.ok())
        }));
    }
    states
}

fn metadata(path: &Path) -> Result<fs::Metadata, LoadError> {
    fs::metadata(path).map_err(|error| LoadError::new(path, error))
}

/// Files found so far, and every real file and directory met, so that none is read twice and no loop is followed.
struct Walk<'e> {
    files: Vec<Found>,
    met: BTreeSet<PathBuf>,
    exclude: &'e Exclude,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    path: PathBuf,
    /// Whether it holds guarantees, and no manifests.
    guarantees: bool,
    /// Whether a directory was named, and not the file.
    in_directory: bool,
}

impl<'e> Walk<'e> {
    fn leaving_out(exclude: &'e Exclude) -> Self {
        Self {
            files: Vec::new(),
            met: BTreeSet::new(),
            exclude,
        }
    }

    fn is_new(&mut self, path: &Path) -> Result<bool, LoadError> {
        let real = fs::canonicalize(path).map_err(|error| LoadError::new(path, error))?;
        Ok(self.met.insert(real))
    }

    fn file(&mut self, path: &Path, guarantees: bool, in_directory: bool) -> Result<(), LoadError> {
        // A pipe (`<(helm template …)`) has no real path, and is one of a kind anyway.
        let is_new = !metadata(path)?.is_file() || self.is_new(path)?;
        if is_new {
            self.files.push(Found {
                path: path.to_owned(),
                guarantees,
                in_directory,
            });
        }
        Ok(())
    }

    /// Manifests and files of guarantees below `root`, by name. Entries that start with a dot and `node_modules` are left
    /// out, as `.git` and `.github` are full of YAML that is not manifests, and so is what the user excludes; name them on
    /// the command line to have them read.
    fn directory(&mut self, root: &Path) -> Result<(), LoadError> {
        let mut pending = vec![root.to_owned()];
        while let Some(directory) = pending.pop() {
            if !self.is_new(&directory)? {
                continue;
            }
            let mut children = Vec::new();
            for entry in fs::read_dir(&directory).map_err(|error| LoadError::new(&directory, error))? {
                children.push(entry.map_err(|error| LoadError::new(&directory, error))?.path());
            }
            children.sort();
            let mut below = Vec::new();
            for child in children {
                let name = child.file_name().unwrap_or_default().to_string_lossy();
                if is_left_out(&name) {
                    continue;
                }
                let kind = metadata(&child);
                if self
                    .exclude
                    .leaves_out(&child, kind.as_ref().is_ok_and(fs::Metadata::is_dir))
                {
                    continue;
                }
                let kind = match kind {
                    Err(error) if !is_read(&child) && leads_nowhere(&child, &error) => continue,
                    kind => kind?,
                };
                if kind.is_dir() {
                    below.push(child);
                } else if kind.is_file() && is_manifest(&child) {
                    self.file(&child, false, true)?;
                } else if kind.is_file() && is_guarantees(&child) {
                    self.file(&child, true, true)?;
                }
            }
            pending.extend(below.into_iter().rev());
        }
        Ok(())
    }
}

/// Whether an entry of a directory is not looked into.
pub(crate) fn is_left_out(name: &str) -> bool {
    name.starts_with('.') || name == "node_modules"
}

/// Whether a file of this name is read where a directory is named.
fn is_read(path: &Path) -> bool {
    is_manifest(path) || is_guarantees(path)
}

/// Whether an entry is a link to what is not there, or to itself. What may be a directory that cannot be entered is an
/// error.
fn leads_nowhere(entry: &Path, error: &LoadError) -> bool {
    error.source.kind() != io::ErrorKind::PermissionDenied
        && fs::symlink_metadata(entry).is_ok_and(|entry| entry.is_symlink())
}

fn is_guarantees(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "guarantees")
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        let extension = extension.to_string_lossy().to_lowercase();
        matches!(&*extension, "yaml" | "yml" | "json")
    })
}
