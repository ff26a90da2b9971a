//! The files that are read where a directory is named.
//!
//! Manifests and files of guarantees, by name. Entries that start with a dot and `node_modules` are left out, as `.git`
//! and `.github` are full of YAML that is not manifests, and so is what the user excludes; name them on the command line
//! to have them read. What the run itself writes is no input either. Symbolic links are followed.

use super::{Exclude, LoadError};
use std::collections::BTreeSet;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Path, PathBuf};

/// Files found so far, and every real file and directory met, so that none is read twice and no loop is followed.
pub(crate) struct Walk<'e> {
    pub(crate) files: Vec<Found>,
    /// What could not be looked at; the rest was.
    pub(crate) faults: Vec<LoadError>,
    met: BTreeSet<PathBuf>,
    pub(crate) exclude: &'e Exclude,
    /// How many more entries of directories are looked at.
    pub(crate) left: usize,
    /// Whether directories that are marked as a cache are left out, such as cargo's `target`.
    pub(crate) without_caches: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// The same without links.
    pub(crate) real: PathBuf,
    /// Whether it holds guarantees, and no manifests.
    pub(super) guarantees: bool,
    /// Whether a directory was named, and not the file.
    pub(super) in_directory: bool,
}

impl<'e> Walk<'e> {
    pub(crate) fn leaving_out(exclude: &'e Exclude) -> Self {
        Self {
            files: Vec::new(),
            faults: Vec::new(),
            met: BTreeSet::new(),
            exclude,
            left: usize::MAX,
            without_caches: false,
        }
    }

    /// What is at a path that somebody named.
    pub(super) fn path(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(kind) if kind.is_dir() => self.directory(path),
            _ => self.file(path, is_guarantees(path)),
        }
    }

    /// A file that somebody named, whatever it is called.
    pub(super) fn file(&mut self, path: &Path, guarantees: bool) {
        let real = fs::metadata(path).and_then(|kind| match kind.is_file() {
            true => fs::canonicalize(path),
            // A pipe (`<(helm template …)`) has no real path, and is one of a kind anyway.
            false => Ok(path.to_owned()),
        });
        if let Some(real) = self.known(path, real) {
            self.found(path.to_owned(), real, guarantees, false);
        }
    }

    /// What is below a directory.
    pub(crate) fn directory(&mut self, root: &Path) {
        let mut pending = vec![root.to_owned()];
        let real_root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        while let Some(directory) = pending.pop() {
            let Some(real) = self.known(&directory, fs::canonicalize(&directory)) else {
                continue;
            };
            // https://bford.info/cachedir/
            let is_cache =
                || self.without_caches && directory != root && directory.join("CACHEDIR.TAG").exists();
            if !self.met.insert(real.clone()) || is_cache() {
                continue;
            }
            let children = fs::read_dir(&directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            let mut children = self.known(&directory, children).unwrap_or_default();
            children.sort_by_key(DirEntry::file_name);
            let walked = real_root.join(directory.strip_prefix(root).unwrap_or(&directory));
            let mut below = Vec::new();
            for child in &children {
                let Some(left) = self.left.checked_sub(1) else {
                    return;
                };
                self.left = left;
                below.extend(self.entry(child, &walked, &real));
            }
            pending.extend(below.into_iter().rev());
        }
    }

    /// Looks at an entry of a directory: how the walk came there from the real path of its root, and the directory's real
    /// path. One that is to be looked into is given back.
    fn entry(&mut self, entry: &DirEntry, walked: &Path, directory: &Path) -> Option<PathBuf> {
        let (path, name) = (entry.path(), entry.file_name());
        if is_left_out(&name.to_string_lossy()) {
            return None;
        }
        let kind = kind(entry);
        let is_directory = kind.as_ref().is_ok_and(|(_, kind)| kind.is_dir());
        let leaves_out = |above: &Path| self.exclude.leaves_out(&above.join(&name), is_directory);
        if leaves_out(walked) || (walked != directory && leaves_out(directory)) {
            return None;
        }
        let (is_link, kind) = match kind {
            Err(error) if !is_read(&path) && leads_nowhere(entry, &error) => return None,
            kind => self.known(&path, kind)?,
        };
        if kind.is_dir() {
            return Some(path);
        }
        if kind.is_file() && is_read(&path) {
            let real = match is_link {
                true => self.known(&path, fs::canonicalize(&path))?,
                false => directory.join(name),
            };
            if !self.exclude.is_written(&real) {
                let guarantees = is_guarantees(&path);
                self.found(path, real, guarantees, true);
            }
        }
        None
    }

    fn found(&mut self, path: PathBuf, real: PathBuf, guarantees: bool, in_directory: bool) {
        if self.met.insert(real.clone()) {
            self.files.push(Found {
                path,
                real,
                guarantees,
                in_directory,
            });
        }
    }

    /// What is known of a path, or a fault.
    fn known<T>(&mut self, path: &Path, known: io::Result<T>) -> Option<T> {
        known
            .map_err(|error| self.faults.push(LoadError::new(path, error)))
            .ok()
    }
}

/// Whether an entry is a link, and what it is or leads to.
fn kind(entry: &DirEntry) -> io::Result<(bool, FileType)> {
    let kind = entry.file_type()?;
    match kind.is_symlink() {
        true => Ok((true, fs::metadata(entry.path())?.file_type())),
        false => Ok((false, kind)),
    }
}

/// Whether an entry is a link to what is not there, or to itself. What may be a directory that cannot be entered is an
/// error.
fn leads_nowhere(entry: &DirEntry, error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::PermissionDenied && entry.file_type().is_ok_and(|kind| kind.is_symlink())
}

/// Whether an entry of a directory is not looked into.
pub(crate) fn is_left_out(name: &str) -> bool {
    name.starts_with('.') || name == "node_modules"
}

/// Whether a file of this name is read where a directory is named.
pub(crate) fn is_read(path: &Path) -> bool {
    is_guarantees(path)
        || path.extension().is_some_and(|extension| {
            let extension = extension.to_string_lossy().to_lowercase();
            matches!(&*extension, "yaml" | "yml" | "json")
        })
}

/// Whether a file holds guarantees, and no manifests.
pub(super) fn is_guarantees(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "guarantees")
}
