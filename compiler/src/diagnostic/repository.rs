//! How files are called by who does not know where a command ran: by their path from the repository's root.

use crate::source::STDIN;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The repository around a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    root: PathBuf,
    /// Where relative paths start.
    here: PathBuf,
}

impl Repository {
    /// With this root, for paths that start in `here`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, here: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            here: here.into(),
        }
    }

    /// The one that holds `here`, or `here` itself.
    #[must_use]
    pub fn around(here: &Path) -> Self {
        let root = here.ancestors().find(|above| above.join(".git").exists());
        Self::new(root.unwrap_or(here), here)
    }

    /// A file's path from the root, with `/`, or as it was named where it is not below; standard input keeps its name.
    #[must_use]
    pub fn path(&self, file: &str) -> String {
        if file == STDIN {
            return file.to_owned();
        }
        let named = Path::new(file);
        match below(&self.whole(file), &self.root) {
            Some(below) => slashed(&below),
            None => slashed(named.strip_prefix(".").unwrap_or(named)),
        }
    }

    /// The paths of files from the nearest place that all are below: where relative paths start, the root, or the file
    /// system's.
    #[must_use]
    pub fn paths_together(&self, files: &[&str]) -> Vec<String> {
        let from = |base: &PathBuf| -> Option<Vec<_>> {
            let paths = files.iter().map(|file| below(&self.whole(file), base));
            paths.map(|path| Some(slashed(&path?))).collect()
        };
        let without_root = |file: &&str| {
            let whole = self.whole(file);
            let names = whole
                .components()
                .filter(|name| matches!(name, Component::Normal(_)));
            slashed(&names.collect::<PathBuf>())
        };
        from(&self.here)
            .or_else(|| from(&self.root))
            .unwrap_or_else(|| files.iter().map(without_root).collect())
    }

    fn whole(&self, file: &str) -> PathBuf {
        plain(&self.here.join(file))
    }
}

fn slashed(path: &Path) -> String {
    let path = path.to_string_lossy();
    if cfg!(windows) {
        path.replace('\\', "/")
    } else {
        path.into_owned()
    }
}

/// A path below a directory, as it reads, or without links where only that is.
pub(crate) fn below(path: &Path, directory: &Path) -> Option<PathBuf> {
    if path.is_absolute() != directory.is_absolute() {
        return None;
    }
    if let Ok(below) = path.strip_prefix(directory) {
        return Some(below.to_owned());
    }
    let [path, directory] = [path, directory].map(fs::canonicalize);
    Some(path.ok()?.strip_prefix(directory.ok()?).ok()?.to_owned())
}

/// A path without `.`, and without `..` where what it leads out of is written, as it reads.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match (component, plain.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                plain.pop();
            }
            (other, _) => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_leads_where_it_led() {
        for (path, same) in [
            ("./a/../b/./c", "b/c"),
            ("a/../../b", "../b"),
            ("../../a/..", "../.."),
            ("/../a", "/a"),
            ("a/..", ""),
        ] {
            assert_eq!(plain(Path::new(path)), Path::new(same), "{path}");
        }
    }

    #[test]
    fn files_are_named_from_the_root() {
        let at_root = Repository::new("/repository", "/repository");
        for (file, path) in [
            ("/repository/a/b.yaml", "a/b.yaml"),
            ("./a.yaml", "a.yaml"),
            ("a.yaml", "a.yaml"),
            ("/elsewhere/a.yaml", "/elsewhere/a.yaml"),
            ("../a.yaml", "../a.yaml"),
            ("<stdin>", "<stdin>"),
        ] {
            assert_eq!(at_root.path(file), path);
        }
        let below = Repository::new("/repository", "/repository/team");
        for (files, paths) in [
            (["./a.yaml", "/repository/team/b/c.yaml"], ["a.yaml", "b/c.yaml"]),
            (["./a.yaml", "../m.yaml"], ["team/a.yaml", "m.yaml"]),
            (["a.yaml", "../../m.yaml"], ["repository/team/a.yaml", "m.yaml"]),
        ] {
            assert_eq!(below.paths_together(&files), paths);
        }
        for (file, path) in [
            ("a.yaml", "team/a.yaml"),
            ("../b/m.yaml", "b/m.yaml"),
            ("./../team/a.yaml", "team/a.yaml"),
            ("../../a.yaml", "../../a.yaml"),
        ] {
            assert_eq!(below.path(file), path);
        }
    }
}
