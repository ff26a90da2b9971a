//! What is on the disk below the workspace's roots.
//!
//! The same files that `check` would read, without directories that are marked as a cache. One entry that cannot be read
//! does not hide the others. A file that is open under another name than it was found by, as links lead there, is the
//! same file.

use super::documents::{Opened, workspace_text};
use crate::config::{self, Config, ConfigError};
use crate::diagnostic::{Finding, Repository};
use crate::limits::Limits;
use crate::load::{Exclude, Texts, Walk, is_beside_manifests, is_left_out, is_read};
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
    /// The names of files by their paths without links.
    names: BTreeMap<PathBuf, Arc<str>>,
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
    pub(super) exclude: Exclude,
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
        let mut walk = Walk::leaving_out(&self.settings.exclude);
        walk.left = MOST_ENTRIES;
        walk.without_caches = true;
        for root in &*self.roots {
            walk.directory(root);
        }
        self.is_cut = walk.left == 0;
        self.names.clear();
        for found in walk.files {
            let path = found.path;
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
            let name: Arc<str> = name.into();
            self.names.insert(found.real, name.clone());
            self.files.insert(name, file);
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
            let path = Path::new(&**name);
            // What is not on the disk has no other name.
            let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            let is_read = match self.names.get(&real) {
                // Of several names that are open, the first one counts.
                Some(found) => texts.remove(found).is_some(),
                None => self.reads(path),
            };
            if is_read {
                texts.insert(name.clone(), document.texts.clone());
            }
        }
        texts
    }

    /// Whether a document belongs to what is checked: what is outside the roots does, as somebody opened it.
    fn reads(&self, path: &Path) -> bool {
        let Some(root) = self.roots.iter().find(|root| path.starts_with(root)) else {
            return !path.is_absolute() || is_read(path);
        };
        let real_root = fs::canonicalize(root).unwrap_or_else(|_| root.clone());
        let mut below = path.ancestors().take_while(|entry| entry != root);
        is_read(path)
            && below.all(|entry| {
                let name = entry.file_name().unwrap_or_default().to_string_lossy();
                let exclude = &self.settings.exclude;
                let real = real_root.join(entry.strip_prefix(root).unwrap_or(entry));
                !is_left_out(&name) && !exclude.leaves_out(&real, entry != path)
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
                settings.exclude = Exclude::from(root).configured(config.directory(), &config.exclude);
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
        let reads = |file: &str| workspace.reads(&root.join(file));
        assert!(reads("new.yaml"));
        assert!(!reads("node_modules/new.yaml"));
        assert!(!reads("chart/templates/new.yaml"));
        assert!(!reads("new.toml"));
        assert!(workspace.reads(Path::new("untitled:Untitled-1")));
        fs::remove_dir_all(&root).unwrap();
    }
    /// As `check` does: what a link leads to is read, and read once.
    #[cfg(unix)]
    #[test]
    fn a_file_is_read_once_by_whatever_name_it_is_open() {
        use std::os::unix::fs::symlink;
        let scratch = std::env::temp_dir().join(format!("portcullis-links-{}", std::process::id()));
        let _ = fs::remove_dir_all(&scratch);
        let root = scratch.join("root");
        for file in ["root/base/a.yaml", "root/overlay/b.yaml", "beside/c.yaml"] {
            let path = scratch.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "kind: Other\n").unwrap();
        }
        symlink("../base/a.yaml", root.join("overlay/a.yaml")).unwrap();
        symlink("../beside", root.join("more")).unwrap();
        symlink(&root, scratch.join("link")).unwrap();
        let limits = Limits::default();
        let mut workspace = Workspace::new(vec![scratch.join("link")]);
        workspace.scan(&limits);
        let read = |opened: &[&str]| -> Vec<String> {
            let opened = opened.iter().map(|file| {
                let name: Arc<str> = scratch.join(file).to_str().unwrap().into();
                let texts = workspace_text(&name, b"kind: Other\n", &limits);
                (name, Opened { version: 1, texts })
            });
            let texts = workspace.texts(&opened.collect());
            let below = |name: &Arc<str>| {
                Some(
                    Path::new(&**name)
                        .strip_prefix(&scratch)
                        .ok()?
                        .to_str()?
                        .to_owned(),
                )
            };
            texts.keys().filter_map(below).collect()
        };
        let on_disk = ["link/base/a.yaml", "link/more/c.yaml", "link/overlay/b.yaml"];
        assert_eq!(read(&[]), on_disk);
        assert_eq!(read(&["link/base/a.yaml"]), on_disk);
        assert_eq!(
            read(&["link/overlay/a.yaml"]),
            ["link/more/c.yaml", "link/overlay/a.yaml", "link/overlay/b.yaml"]
        );
        assert_eq!(
            read(&["root/base/a.yaml", "root/overlay/a.yaml", "beside/c.yaml"]),
            ["beside/c.yaml", "link/overlay/b.yaml", "root/base/a.yaml"]
        );
        fs::remove_dir_all(&scratch).unwrap();
    }
}
