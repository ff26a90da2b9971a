//! What is on the disk below the workspace's roots.
//!
//! The same files that `check` would read, without what is generated or fetched: a directory whose name starts with a
//! dot, `node_modules`, and any that is marked as a cache. One entry that cannot be read does not hide the others.

use super::documents::{Opened, workspace_text};
use crate::config::{self, Config, ConfigError};
use crate::diagnostic::{Finding, Repository};
use crate::limits::Limits;
use crate::load::{Exclude, Texts, is_beside_manifests, is_left_out};
use crate::source::Sources;
use crate::triage::Triage;
use crate::triage::baseline::Baseline;
use crate::triage::date::Date;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Entries looked at before the rest is left out: somebody opened their home directory.
const MOST_ENTRIES: usize = 100_000;

/// Files as they were read last.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) roots: Arc<[PathBuf]>,
    files: BTreeMap<Arc<str>, File>,
    /// What the repository decided.
    pub(super) settings: Settings,
    /// Whether there were too many entries to look at all of them.
    pub(super) is_cut: bool,
}

#[derive(Debug)]
struct File {
    state: Option<(SystemTime, u64)>,
    texts: Texts,
}

/// What `portcullis.toml` says.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) config: Config,
    /// What is wrong with it.
    pub(super) findings: Vec<Finding>,
    /// Its text, where something is wrong with it.
    pub(super) sources: Sources,
    /// Why it, or the baseline that it names, cannot be used.
    pub(super) failure: Option<String>,
    baseline: Option<Baseline>,
    repository: Repository,
    exclude: Exclude,
}

impl Workspace {
    pub(super) fn new(roots: Vec<PathBuf>) -> Self {
        Self {
            roots: roots.into(),
            ..Self::default()
        }
    }

    /// Looks at the disk again. Files that look the same are not read.
    pub(super) fn scan(&mut self, limits: &Limits) {
        let mut before = std::mem::take(&mut self.files);
        self.settings = self
            .roots
            .first()
            .map_or_else(Settings::default, |root| Settings::of(root));
        let mut walk = Walk {
            found: Vec::new(),
            left: MOST_ENTRIES,
            exclude: &self.settings.exclude,
        };
        for root in &*self.roots {
            walk.directory(root);
        }
        self.is_cut = walk.left == 0;
        for path in walk.found {
            let Some(name) = path.to_str() else {
                continue;
            };
            let state = fs::metadata(&path)
                .and_then(|kind| Ok((kind.modified()?, kind.len())))
                .ok();
            let file = match before.remove(name) {
                Some(file) if state.is_some() && file.state == state => file,
                _ => match read(&path, limits) {
                    Some(bytes) => File {
                        state,
                        texts: if is_beside_manifests(&path, &bytes) {
                            Texts::default()
                        } else {
                            workspace_text(name, &bytes, limits)
                        },
                    },
                    None => continue,
                },
            };
            self.files.insert(name.into(), file);
        }
    }

    /// Every file, open documents in the place of what is on the disk.
    pub(super) fn texts(&self, opened: &BTreeMap<Arc<str>, Opened>) -> BTreeMap<Arc<str>, Texts> {
        let mut texts: BTreeMap<Arc<str>, Texts> = self
            .files
            .iter()
            .map(|(name, file)| (name.clone(), file.texts.clone()))
            .collect();
        for (name, document) in opened {
            if self.reads(name) {
                texts.insert(name.clone(), document.texts.clone());
            }
        }
        texts
    }

    /// Whether a document belongs to what is checked: what is outside the roots does, as somebody opened it.
    fn reads(&self, name: &str) -> bool {
        let path = Path::new(name);
        let root = self.roots.iter().find(|root| path.starts_with(root));
        let Some(root) = root else {
            return !path.is_absolute() || is_read(path);
        };
        let mut below = path.ancestors().take_while(|entry| entry != root);
        is_read(path)
            && below.all(|entry| {
                let name = entry.file_name().unwrap_or_default().to_string_lossy();
                let exclude = &self.settings.exclude;
                !is_left_out(&name) && !exclude.leaves_out(entry, entry != path)
            })
    }
}

fn read(path: &Path, limits: &Limits) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(limits.bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

struct Walk<'e> {
    found: Vec<PathBuf>,
    left: usize,
    exclude: &'e Exclude,
}

impl Walk<'_> {
    fn directory(&mut self, root: &Path) {
        let mut pending = vec![root.to_owned()];
        while let Some(directory) = pending.pop() {
            // https://bford.info/cachedir/: cargo's `target`, and other tools'.
            if directory != root && directory.join("CACHEDIR.TAG").exists() {
                continue;
            }
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                if self.left == 0 {
                    return;
                }
                self.left -= 1;
                let name = entry.file_name();
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                let path = entry.path();
                if is_left_out(&name.to_string_lossy()) || self.exclude.leaves_out(&path, kind.is_dir()) {
                    continue;
                }
                // A link to a directory may lead in a circle; one to a file is a file.
                if kind.is_dir() {
                    pending.push(path);
                } else if is_read(&path)
                    && (kind.is_file() || fs::metadata(&path).is_ok_and(|to| to.is_file()))
                {
                    self.found.push(path);
                }
            }
        }
    }
}

fn is_read(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        let extension = extension.to_string_lossy().to_lowercase();
        matches!(&*extension, "yaml" | "yml" | "json" | "guarantees")
    })
}

impl Settings {
    fn of(root: &Path) -> Self {
        let mut settings = Self {
            repository: Repository::around(root),
            ..Self::default()
        };
        let Some(file) = config::above(root) else {
            return settings;
        };
        match config::load(Some(&file), root) {
            Ok(config) => {
                settings.exclude = Exclude::from(root).with(config.directory(), &config.exclude);
                settings.config = config;
            }
            Err(ConfigError::Wrong { findings, sources }) => {
                settings.findings = findings;
                settings.sources = sources;
            }
            Err(error) => settings.failure = Some(error.to_string()),
        }
        if let Some(path) = &settings.config.baseline {
            let name = path.display().to_string();
            let read = fs::read_to_string(path)
                .map_err(|error| error.to_string())
                .and_then(|text| Baseline::read(&name, &text).map_err(|error| error.to_string()));
            match read {
                Ok(baseline) => settings.baseline = Some(baseline),
                Err(error) => settings.failure = Some(format!("`{name}`: {error}")),
            }
        }
        settings
    }

    /// What to make of findings.
    pub(super) fn triage(&self, solver: bool) -> Triage {
        let mut triage = Triage::on(Date::today());
        triage.chosen.clone_from(&self.config.chosen);
        triage.severity.clone_from(&self.config.severity);
        triage.baseline.clone_from(&self.baseline);
        triage.repository.clone_from(&self.repository);
        triage.solver = solver;
        triage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_generated_or_hidden_is_left_out() {
        let root = std::env::temp_dir().join(format!("portcullis-walk-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for file in [
            "a.yaml",
            "deep/b.yml",
            "deep/c.txt",
            "node_modules/x/d.yaml",
            ".git/e.yaml",
            "target/f.json",
            "target/CACHEDIR.TAG",
            "chart/templates/g.yaml",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a: 1\n").unwrap();
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&root, root.join("deep/circle")).unwrap();
            std::os::unix::fs::symlink(root.join("absent"), root.join("dangling.yaml")).unwrap();
        }
        fs::write(root.join(config::FILE), "exclude = ['chart/templates']\n").unwrap();
        let mut workspace = Workspace::new(vec![root.clone()]);
        workspace.scan(&Limits::default());
        let names: Vec<_> = workspace.files.keys().cloned().collect();
        let expected = ["a.yaml", "deep/b.yml"].map(|file| root.join(file).to_str().unwrap().into());
        assert_eq!(names, expected);
        assert!(workspace.reads(root.join("new.yaml").to_str().unwrap()));
        assert!(!workspace.reads(root.join("node_modules/new.yaml").to_str().unwrap()));
        assert!(!workspace.reads(root.join("chart/templates/new.yaml").to_str().unwrap()));
        assert!(!workspace.reads(root.join("new.toml").to_str().unwrap()));
        assert!(workspace.reads("untitled:Untitled-1"));
        fs::remove_dir_all(&root).unwrap();
    }
}
