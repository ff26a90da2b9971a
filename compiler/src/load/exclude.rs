//! What of a directory is not read: patterns as in a `.gitignore`.
//!
//! A pattern without `/` is the name of an entry of any directory. One with `/` in front or inside is a path from where it
//! is written: from the configuration's directory, or from where the command runs. One that ends in `/` fits directories
//! only. `*` stands for any characters of a name, `?` for one, and `**` for any number of directories. What is below an
//! excluded directory is not looked at; what is named on the command line is read whatever it is called.

use crate::diagnostic::repository::{below, plain};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::{fs, io};
use thiserror::Error;

/// What of directories is not read.
#[derive(Clone, Debug, Default)]
pub struct Exclude {
    /// Where relative paths start.
    here: PathBuf,
    /// Where the configuration is, if elsewhere.
    configured: Option<PathBuf>,
    /// With the directories that they are written in, without links.
    patterns: Vec<(PathBuf, Pattern)>,
    /// Directories, and those that they are read like, without links.
    alike: Vec<(PathBuf, PathBuf)>,
    /// Without links.
    written: BTreeSet<PathBuf>,
}

/// A pattern as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    /// Whether it is a path, and not a name.
    is_path: bool,
    directories_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `**`
    Directories,
    Name(String),
}

/// Why text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotAPattern {
    /// It would exclude nothing, or everything.
    #[error("`{0}` names nothing; write a name such as `templates`, or a path such as `chart/templates`")]
    Empty(String),
    /// A sign that `.gitignore` knows and is not known here.
    #[error("`{0}` is not known in a pattern; `*`, `?` and `**` are")]
    Sign(char),
    /// A way through `.` or `..`, which no entry is called.
    #[error("`{0}` leads through `.` or `..`; write it from where patterns start, without them")]
    Dots(String),
}

impl Exclude {
    /// Nothing yet, for paths that start in `here`.
    #[must_use]
    pub fn from(here: impl Into<PathBuf>) -> Self {
        Self {
            here: here.into(),
            ..Self::default()
        }
    }

    /// Patterns that are written in the directory `base`.
    #[must_use]
    pub fn with(mut self, base: &Path, patterns: &[Pattern]) -> Self {
        let base = self.real(base);
        self.patterns
            .extend(patterns.iter().map(|pattern| (base.clone(), pattern.clone())));
        self
    }

    /// [`Self::with`], for the patterns of the configuration that is in the directory `base`.
    #[must_use]
    pub fn configured(mut self, base: &Path, patterns: &[Pattern]) -> Self {
        self.configured = Some(self.real(base));
        self.with(base, patterns)
    }

    /// The patterns that leave out a directory: on the command line, and in the configuration.
    pub(super) fn patterns_of(&self, directory: &Path) -> [String; 2] {
        let whole = plain(&self.here.join(directory));
        let configured = self.configured.as_ref().unwrap_or(&self.here);
        [&self.here, configured].map(|base| pattern_of(&whole, base))
    }

    /// What is left out below one of `others` is left out below each of `roots` as well: both hold the same, in two states.
    #[must_use]
    pub fn alike(mut self, roots: &[PathBuf], others: &[PathBuf]) -> Self {
        let pairs = roots
            .iter()
            .flat_map(|root| others.iter().map(move |other| (root, other)));
        self.alike = pairs
            .map(|(root, other)| (self.real(root), self.real(other)))
            .collect();
        self
    }

    /// Files that the run itself writes, whether they are there yet or not: what it said last time is no input.
    #[must_use]
    pub fn with_written<'p>(mut self, files: impl IntoIterator<Item = &'p PathBuf>) -> Self {
        let real = |file: &PathBuf| {
            let file = self.here.join(file);
            fs::canonicalize(&file).or_else(|_| {
                let directory = fs::canonicalize(file.parent().unwrap_or(&file))?;
                io::Result::Ok(directory.join(file.file_name().unwrap_or_default()))
            })
        };
        // Where the directory is missing, no walk comes by.
        self.written = files.into_iter().filter_map(|file| real(file).ok()).collect();
        self
    }

    /// Whether the run writes the file with this real path.
    #[must_use]
    pub fn is_written(&self, real: &Path) -> bool {
        self.written.contains(real)
    }

    /// A path without links; one that is not there, as it reads.
    fn real(&self, path: &Path) -> PathBuf {
        let whole = self.here.join(path);
        fs::canonicalize(&whole).unwrap_or_else(|_| plain(&whole))
    }

    /// Whether an entry of a directory is not looked at. The directory is named without links above the one that is read.
    #[must_use]
    pub fn leaves_out(&self, entry: &Path, is_directory: bool) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let whole = plain(&self.here.join(entry));
        let mut alike = self.alike.iter().filter_map(|(root, other)| {
            let below = whole.strip_prefix(root).ok()?;
            Some(other.join(below))
        });
        let fits = |entry: &Path| {
            self.patterns.iter().any(|(base, pattern)| {
                (is_directory || !pattern.directories_only) && pattern.fits(entry, base)
            })
        };
        fits(&whole) || alike.any(|entry| fits(&entry))
    }
}

impl Pattern {
    /// A pattern that is written in `directory`. An absolute path below it, as shells complete one, is one from there.
    ///
    /// # Errors
    /// When the text is no pattern.
    pub fn written_in(directory: &Path, text: &str) -> Result<Self, NotAPattern> {
        let is_directory = |above: &&Path| {
            above.is_absolute() && fs::canonicalize(above).is_ok_and(|above| above == directory)
        };
        let above = Path::new(text).ancestors().find(is_directory);
        match above.and_then(|above| text.get(above.as_os_str().len()..)) {
            Some(below) => format!("/{below}").parse(),
            None => text.parse(),
        }
    }

    fn fits(&self, entry: &Path, base: &Path) -> bool {
        let names = |path: &Path| -> Vec<String> {
            let names = path.components().filter_map(|component| match component {
                Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            });
            names.collect()
        };
        if self.is_path {
            entry
                .strip_prefix(base)
                .is_ok_and(|below| fits_path(&self.parts, &names(below)))
        } else {
            fits_path(
                &self.parts,
                &names(Path::new(entry.file_name().unwrap_or_default())),
            )
        }
    }
}

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        if let Some(sign) = text.chars().find(|sign| matches!(sign, '[' | ']' | '\\')) {
            return Err(NotAPattern::Sign(sign));
        }
        if text.starts_with('!') {
            return Err(NotAPattern::Sign('!'));
        }
        // From here is what a `/` in front says.
        let from_here = text.strip_prefix('.').filter(|rest| rest.starts_with('/'));
        let whole = from_here.unwrap_or(text);
        let names = whole.strip_suffix('/').unwrap_or(whole);
        // At any depth is where a name is looked for anyway.
        let names = names
            .strip_prefix("**/")
            .filter(|rest| !rest.contains('/'))
            .unwrap_or(names);
        let parts: Vec<_> = names
            .split('/')
            .filter(|name| !name.is_empty())
            .map(|name| match name {
                "**" => Part::Directories,
                name => Part::Name(name.to_owned()),
            })
            .collect();
        let is = |word: &str| parts.iter().any(|part| *part == Part::Name(word.to_owned()));
        if is(".") || is("..") {
            return Err(NotAPattern::Dots(text.to_owned()));
        }
        if parts.iter().all(|part| *part == Part::Directories) {
            return Err(NotAPattern::Empty(text.to_owned()));
        }
        Ok(Self {
            parts,
            is_path: names.contains('/'),
            directories_only: text.ends_with('/'),
        })
    }
}

/// What leaves out a directory where it is written in `base`: its path, or its name where no pattern is that path.
fn pattern_of(directory: &Path, base: &Path) -> String {
    let path = below(directory, base).map(|path| format!("/{}", path.to_string_lossy()));
    match path {
        Some(path) if path.parse::<Pattern>().is_ok() => {
            let inside = path.trim_start_matches('/');
            // A name alone would fit in every directory.
            let is_path = inside.contains('/') && inside.parse::<Pattern>().is_ok();
            if is_path { inside.to_owned() } else { path }
        }
        _ => format!("{}/", directory.file_name().unwrap_or_default().to_string_lossy()),
    }
}

/// Whether the parts fit all of the names.
fn fits_path(parts: &[Part], names: &[String]) -> bool {
    let is_any = |part: &Part| *part == Part::Directories;
    fits(parts, names, is_any, |part, name| match part {
        Part::Directories => true,
        Part::Name(part) => fits_name(part, name),
    })
}

fn fits_name(part: &str, name: &str) -> bool {
    let (part, name): (Vec<_>, Vec<_>) = (part.chars().collect(), name.chars().collect());
    let fits_one = |wanted: &char, character: &char| *wanted == '?' || wanted == character;
    fits(&part, &name, |sign| *sign == '*', fits_one)
}

/// Whether `pattern` fits all of `text`, where some of its elements stand for any number of the text's. Where what follows
/// such a one does not fit, it takes one element more; one before it never needs to.
fn fits<P, T>(
    pattern: &[P],
    text: &[T],
    is_any: impl Fn(&P) -> bool,
    fits_one: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut any: Option<(usize, usize)> = None;
    while let Some(element) = text.get(read) {
        match pattern.get(at) {
            Some(wanted) if is_any(wanted) => {
                any = Some((at + 1, read));
                at += 1;
            }
            Some(wanted) if fits_one(wanted, element) => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((behind, taken)) = any else { return false };
                any = Some((behind, taken + 1));
                (at, read) = (behind, taken + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(is_any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves_out(pattern: &str, entry: &str, is_directory: bool) -> bool {
        let exclude = Exclude::from("/repository/team").with(Path::new(".."), &[pattern.parse().unwrap()]);
        exclude.leaves_out(Path::new(entry), is_directory)
    }

    #[test]
    fn a_name_fits_in_every_directory_and_a_path_from_where_it_is_written() {
        for (pattern, entry, expected) in [
            ("templates", "../a/templates", true),
            ("templates", "/elsewhere/templates", true),
            ("templates", "../templates/a.yaml", false),
            ("**/templates", "../a/b/templates", true),
            ("*.tpl.yaml", "a.tpl.yaml", true),
            ("*.tpl.yaml", "a.yaml", false),
            ("?.yaml", "ä.yaml", true),
            ("?.yaml", "ab.yaml", false),
            ("a*b*c", "a-bb-bc", true),
            ("a*b*c", "a-bb-cb", false),
            ("team/chart", "chart", true),
            ("team/chart", "./../team/chart", true),
            ("team/chart", "/repository/team/chart", true),
            ("team/chart", "/elsewhere/team/chart", false),
            ("/team", "../team", true),
            ("/team", "team", false),
            ("./team", "../team", true),
            ("./team", "team", false),
            ("./**/team", "team", true),
            ("./**/team", "/elsewhere/team", false),
            ("charts/*/templates", "../charts/shop/templates", true),
            ("charts/*/templates", "../charts/templates", false),
            ("charts/**/templates", "../charts/templates", true),
            ("charts/**/templates", "../charts/a/b/templates", true),
            ("**/shop/templates", "charts/shop/templates", true),
            ("charts/**", "../charts/a/b.yaml", true),
            ("**/a/**/b/*.yaml", "../a/x/b/y/a/b/c.yaml", true),
            ("**/a/**/b/*.yaml", "../a/x/b/y/a/b/c/d.yaml", false),
        ] {
            assert_eq!(leaves_out(pattern, entry, true), expected, "{pattern} {entry}");
        }
        assert!(leaves_out("chart/", "chart", true) && !leaves_out("chart/", "chart", false));
    }

    #[test]
    fn an_absolute_path_below_the_directory_is_one_from_there() {
        let directory = std::env::temp_dir().canonicalize().unwrap();
        let written = |text: &str| Pattern::written_in(&directory, text);
        let whole = directory.join("chart/*/templates/");
        assert_eq!(written(whole.to_str().unwrap()), "/chart/*/templates/".parse());
        assert_eq!(written("/templates"), "/templates".parse());
        assert_eq!(written("templates"), "templates".parse());
        assert!(written(directory.to_str().unwrap()).is_err());
    }

    #[test]
    fn what_is_left_out_of_one_state_is_left_out_of_the_other() {
        let exclude = Exclude::from("/repository")
            .with(Path::new(""), &["team/chart/templates".parse().unwrap()])
            .alike(&["../before".into()], &["team".into()]);
        for (entry, expected) in [
            ("team/chart/templates", true),
            ("/before/chart/templates", true),
            ("/before/team/chart/templates", false),
            ("/elsewhere/chart/templates", false),
        ] {
            assert_eq!(exclude.leaves_out(Path::new(entry), true), expected, "{entry}");
        }
    }

    #[test]
    fn many_directories_end() {
        let pattern = format!("{}b", "**/a/**/".repeat(200));
        let entry = |last| format!("../{}{last}", "a/".repeat(1000));
        assert!(leaves_out(&pattern, &entry("b"), true));
        assert!(!leaves_out(&pattern, &entry("c"), true));
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        let wrong = |text: &str| text.parse::<Pattern>().unwrap_err();
        for text in ["", "/", "./", "**", "./**", "**/**/"] {
            assert_eq!(wrong(text), NotAPattern::Empty(text.to_owned()));
        }
        for (text, sign) in [("!a", '!'), ("[ab]", '['), ("a\\*", '\\')] {
            assert_eq!(wrong(text), NotAPattern::Sign(sign));
        }
        for text in [".", "././a", "./../a", "../a", "a/../b"] {
            assert_eq!(wrong(text), NotAPattern::Dots(text.to_owned()));
        }
    }
}
