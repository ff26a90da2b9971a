//! `portcullis.toml`: what a repository decides once, so that every run in it decides the same.
//!
//! A key that is not known is refused with its place and the nearest one that is: a setting that silently does nothing
//! is worse than none. `docs/schemas/config.json` is the JSON Schema of the file, for editors.

pub(crate) mod read;
#[cfg(test)]
mod tests;

use crate::diagnostic::{Finding, Severity};
use crate::load::Pattern;
use crate::lower::CidrMatch;
use crate::source::{Source, Sources};
use crate::triage::codes::{Choice, Codes};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file's name.
pub const FILE: &str = "portcullis.toml";

/// What `portcullis init` writes: every setting, explained, none of them changed.
pub const TEMPLATE: &str = include_str!("template.toml");

/// What the file says; what it leaves out is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The file, when there is one.
    pub path: Option<PathBuf>,
    /// What of directories is not read, from [`Self::directory`].
    pub exclude: Vec<Pattern>,
    /// Which codes are reported.
    pub chosen: Choice,
    /// How much codes matter here.
    pub severity: Vec<(Codes, Severity)>,
    /// The level that fails a run.
    pub fail_on: Option<FailOn>,
    /// The baseline, from where the command runs.
    pub baseline: Option<PathBuf>,
    /// What address blocks match.
    pub cidr_match: Option<CidrMatch>,
    /// The cluster's name.
    pub cluster_name: Option<String>,
    /// Whether questions are put to the solver.
    pub solver: Option<bool>,
    /// Where the solver's answers are kept, from where the command runs.
    pub cache: Option<PathBuf>,
    /// Whether it is fine that there is no policy.
    pub allow_empty: Option<bool>,
}

impl Config {
    /// The directory of the file, from where the command runs; paths in it mean places beside it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        let path = self.path.as_deref();
        path.and_then(Path::parent).unwrap_or(Path::new(""))
    }
}

/// Which findings fail a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Those at this level or above.
    Level(Severity),
    /// None.
    Never,
}

/// Why there is no configuration to go by.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {error}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file says what is not known.
    #[error("the configuration cannot be read as written, so nothing was done")]
    Wrong {
        /// What is wrong with it.
        findings: Vec<Finding>,
        /// Its text.
        sources: Sources,
    },
}

/// Reads the file given, or the first found from `directory` upwards, or none.
///
/// # Errors
/// See [`ConfigError`].
pub fn load(given: Option<&Path>, directory: &Path) -> Result<Config, ConfigError> {
    let Some(path) = given.map(Path::to_owned).or_else(|| find(directory)) else {
        return Ok(Config::default());
    };
    let bytes = fs::read(&path).map_err(|error| ConfigError::Unreadable {
        path: path.clone(),
        error,
    })?;
    let source = Source::new(path.to_string_lossy(), &String::from_utf8_lossy(&bytes));
    let (mut config, findings) = read::read(&source);
    if !findings.is_empty() {
        let mut sources = Sources::default();
        sources.push(source);
        return Err(ConfigError::Wrong { findings, sources });
    }
    config.path = Some(path);
    let beside = config.directory().to_owned();
    config.baseline = config.baseline.map(|baseline| beside.join(baseline));
    config.cache = config.cache.map(|cache| beside.join(cache));
    Ok(config)
}

/// The file in `directory` or above it; as it is reached from there where it is in it.
fn find(directory: &Path) -> Option<PathBuf> {
    let path = above(directory)?;
    Some(path.strip_prefix(directory).map(Path::to_owned).unwrap_or(path))
}

/// The file in `directory` or above it, as far as the repository's root: what lies outside is not this project's.
#[must_use]
pub fn above(directory: &Path) -> Option<PathBuf> {
    for above in directory.ancestors() {
        let path = above.join(FILE);
        if path.is_file() {
            return Some(path);
        }
        if above.join(".git").exists() {
            return None;
        }
    }
    None
}
