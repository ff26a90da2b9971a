//! The thread that reads, lowers and checks.
//!
//! It takes the newest job and leaves out those that were overtaken. Each job gives two results: what is found without
//! the solver, at once, and then everything. Where the solver takes long, it is not asked while somebody types.

use super::documents::Opened;
use super::memory::Memory;
use super::workspace::Workspace;
use crate::answers::Directory;
use crate::check::{self, Checked, Options, Understood};
use crate::diagnostic::{self, Finding};
use crate::limits::Limits;
use crate::load::Texts;
use crate::ports::{self, PortName};
use crate::selected::Selected;
use crate::source::Source;
use crate::triage;
use ir::origin::Origin;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use verifier::answers::Answers;

/// How long the solver may have taken last time to be asked while somebody types.
const QUICK: Duration = Duration::from_millis(800);

/// What to look at.
#[derive(Debug)]
pub(super) struct Job {
    /// Which state of the documents this is.
    pub(super) generation: u64,
    pub(super) opened: BTreeMap<Arc<str>, Opened>,
    /// Whether the disk may have changed.
    pub(super) scan: bool,
    /// Whether the solver is asked however long it takes: something was opened or saved, and nobody types.
    pub(super) thorough: bool,
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    Analysis(Box<Analysis>),
    /// A mistake of ours, as a sentence.
    Failed(u64, String),
}

/// What is known of one state of the workspace.
#[derive(Debug, Default)]
pub(super) struct Analysis {
    pub(super) generation: u64,
    /// The directories that the client opened.
    pub(super) roots: Arc<[PathBuf]>,
    /// The versions of open documents that were looked at.
    pub(super) versions: BTreeMap<Arc<str>, i32>,
    /// What the answers rest on: without the files that cannot be read as written, or with what they said before.
    pub(super) understood: Arc<Understood>,
    /// Files of which `understood` holds an older text, or none.
    pub(super) stale: BTreeSet<Arc<str>>,
    /// What is wrong, sorted.
    pub(super) findings: Vec<Finding>,
    /// The newest text of every file.
    pub(super) sources: BTreeMap<Arc<str>, Arc<Source>>,
    /// What the user should be told beside findings.
    pub(super) remarks: Vec<String>,
    names: OnceLock<BTreeMap<String, PortName>>,
}

impl Analysis {
    /// The table of port names; made when it is asked for.
    pub(super) fn names(&self) -> &BTreeMap<String, PortName> {
        let model = &self.understood.model;
        self.names
            .get_or_init(|| ports::names(model, &Selected::by_policies(model)))
    }

    /// A place as texts call it: its file from the workspace's root on, as the editor does.
    pub(super) fn called(&self, place: &Origin) -> Origin {
        // Below several roots, files of one name are told apart.
        let below = match &*self.roots {
            [root] => Path::new(&*place.file).strip_prefix(root).ok(),
            _ => None,
        };
        let file = below.and_then(Path::to_str).map(Arc::from);
        Origin {
            file: file.unwrap_or_else(|| Arc::clone(&place.file)),
            ..place.clone()
        }
    }

    /// The newest text of a file, if the model was made of it.
    pub(super) fn source(&self, name: &str) -> Option<&Arc<Source>> {
        if self.stale.contains(name) {
            return None;
        }
        self.sources.get(name)
    }
}

/// Works until nobody asks any more.
pub(super) fn work(
    roots: Vec<PathBuf>,
    limits: Limits,
    jobs: &Receiver<Job>,
    newest: &AtomicU64,
    tell: &Sender<Outcome>,
) {
    let mut analyst = Analyst {
        workspace: Workspace::new(roots),
        limits,
        last_good: BTreeMap::new(),
        solver_took: Duration::ZERO,
        answers: Answers::kept_in(Arc::new(Memory::default())),
    };
    while let Ok(mut job) = jobs.recv() {
        while let Ok(newer) = jobs.try_recv() {
            job = Job {
                scan: job.scan || newer.scan,
                thorough: job.thorough || newer.thorough,
                ..newer
            };
        }
        let generation = job.generation;
        let is_overtaken = || newest.load(Ordering::Relaxed) != generation;
        let done = catch_unwind(AssertUnwindSafe(|| analyst.run(&job, &is_overtaken, tell)));
        let failure = match done {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "this cannot be analysed; please report it".to_owned(),
        };
        if tell.send(Outcome::Failed(generation, failure)).is_err() {
            return;
        }
    }
}

struct Analyst {
    workspace: Workspace,
    limits: Limits,
    /// Files as they were when they could be read as written.
    last_good: BTreeMap<Arc<str>, Texts>,
    solver_took: Duration,
    answers: Answers,
}

impl Analyst {
    fn run(
        &mut self,
        job: &Job,
        is_overtaken: &dyn Fn() -> bool,
        tell: &Sender<Outcome>,
    ) -> Result<(), check::CheckError> {
        if job.scan {
            self.workspace.scan(&self.limits);
        }
        let settings = &self.workspace.settings;
        let config = &settings.config;
        let options = Options {
            exclude: settings.exclude.clone(),
            limits: self.limits.clone(),
            lower: crate::lower::Options {
                cidr_match: config.cidr_match.unwrap_or_default(),
            },
            cluster_name: config.cluster_name.clone(),
            ..Options::default()
        };
        let wants_solver = config.solver.unwrap_or(true);
        let texts = self.workspace.texts(&job.opened);
        let Some(read) = self.read(&texts, &options, is_overtaken) else {
            return Ok(());
        };
        let checked = check::check(&read.understood, None)?;
        let mut analysis = Analysis {
            generation: job.generation,
            roots: self.workspace.roots.clone(),
            versions: job
                .opened
                .iter()
                .map(|(name, document)| (name.clone(), document.version))
                .collect(),
            sources: texts
                .values()
                .flat_map(Texts::sources)
                .map(|source| (source.name().clone(), source.clone()))
                .collect(),
            understood: Arc::clone(&read.understood),
            stale: read.stale.clone(),
            remarks: self.remarks(),
            ..Analysis::default()
        };
        analysis.findings = self.decided(checked, &read, false);
        let solver_asked =
            wants_solver && !read.understood.blocked() && (job.thorough || self.solver_took <= QUICK);
        if !solver_asked {
            let _ = tell.send(Outcome::Analysis(Box::new(analysis)));
            return Ok(());
        }
        // Answered twice: at once, and with what the solver adds.
        let mut full = Analysis {
            roots: analysis.roots.clone(),
            versions: analysis.versions.clone(),
            understood: Arc::clone(&read.understood),
            stale: analysis.stale.clone(),
            sources: analysis.sources.clone(),
            generation: job.generation,
            ..Analysis::default()
        };
        let _ = tell.send(Outcome::Analysis(Box::new(analysis)));
        if is_overtaken() {
            return Ok(());
        }
        let started = Instant::now();
        let solver = verifier::options::Options {
            answers: match &self.workspace.settings.config.cache {
                Some(place) => Answers::kept_in(Arc::new(Directory::at(place.clone()))),
                None => self.answers.clone(),
            },
            ..verifier::options::Options::default()
        };
        let checked = check::check(&read.understood, Some(&solver))?;
        self.solver_took = started.elapsed();
        full.findings = self.decided(checked, &read, true);
        let _ = tell.send(Outcome::Analysis(Box::new(full)));
        Ok(())
    }

    /// Reads and lowers. Files that cannot be read as written are looked at as they were before, or not at all.
    /// `None` where something newer waits.
    fn read(
        &mut self,
        texts: &BTreeMap<Arc<str>, Texts>,
        options: &Options,
        is_overtaken: &dyn Fn() -> bool,
    ) -> Option<Reading> {
        let understand = |texts: &BTreeMap<Arc<str>, Texts>| {
            check::understand_input(Texts::joined(texts.values()).input(&options.limits), options)
        };
        if is_overtaken() {
            return None;
        }
        let mut understood = understand(texts);
        let mut stale: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut refused = Vec::new();
        let mut instead = texts.clone();
        while understood.blocked() {
            if is_overtaken() {
                return None;
            }
            let bad = blocking(&understood.findings);
            // What blocks and has no place: nothing can be left out.
            if bad.is_empty() {
                break;
            }
            if refused.is_empty() {
                refused.clone_from(&understood.findings);
            } else {
                refused.extend(
                    understood
                        .findings
                        .iter()
                        .filter(|finding| finding.blocks_analysis)
                        .cloned(),
                );
            }
            for name in bad {
                match self.last_good.get(&name) {
                    Some(good) if !stale.contains(&name) => instead.insert(name.clone(), good.clone()),
                    _ => instead.remove(&name),
                };
                stale.insert(name);
            }
            understood = understand(&instead);
        }
        for (name, text) in texts {
            if !stale.contains(name) {
                self.last_good.insert(name.clone(), text.clone());
            }
        }
        self.last_good.retain(|name, _| texts.contains_key(name));
        Some(Reading {
            understood: Arc::new(understood),
            stale,
            refused,
        })
    }

    /// The findings to show: those of the check, and what was wrong with files that it left out.
    fn decided(&self, mut checked: Checked, read: &Reading, solver: bool) -> Vec<Finding> {
        let stale = &read.stale;
        let is_about = |finding: &Finding| {
            let primary = finding.primary();
            primary.is_some_and(|label| stale.contains(&label.origin.file))
        };
        if !stale.is_empty() {
            checked.findings.retain(|finding| !is_about(finding));
            for finding in &mut checked.findings {
                finding.labels.retain(|label| !stale.contains(&label.origin.file));
                finding.fixes.retain(|fix| {
                    let mut edits = fix.edits.iter();
                    edits.all(|edit| !stale.contains(&edit.place.file))
                });
            }
            checked
                .findings
                .extend(read.refused.iter().filter(|finding| is_about(finding)).cloned());
            diagnostic::sort(&mut checked.findings);
        }
        let how = self.workspace.settings.triage(solver);
        let mut findings = triage::triage(&checked, &read.understood, &how).findings;
        findings.extend(self.workspace.settings.findings.iter().cloned());
        findings
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        remarks.extend(self.workspace.settings.failure.clone());
        if self.workspace.is_cut {
            remarks.push("the workspace has too many files: only a part of it is looked at".to_owned());
        }
        remarks
    }
}

struct Reading {
    understood: Arc<Understood>,
    stale: BTreeSet<Arc<str>>,
    /// What was wrong with the newest texts.
    refused: Vec<Finding>,
}

/// The files of findings that block.
fn blocking(findings: &[Finding]) -> BTreeSet<Arc<str>> {
    findings
        .iter()
        .filter(|finding| finding.blocks_analysis)
        .filter_map(Finding::primary)
        .map(|label| label.origin.file.clone())
        .collect()
}
