//! What the flags and the configuration file say together. Flags count more.

use super::Failure;
use super::args::{self, Kept, Run, TriageFlags};
use crate::answers::Directory;
use crate::config::{self, Config, FailOn};
use crate::diagnostic::{Repository, Severity, escape};
use crate::load::{Exclude, NotAPattern, Pattern};
use crate::triage::Triage;
use crate::triage::baseline::Baseline;
use crate::triage::codes::Choice;
use crate::triage::date::Date;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use verifier::answers::Answers;

/// Reads the configuration that these flags name, or the one that is found.
pub(super) fn config(run: &Run) -> Result<Config, Failure> {
    if run.no_config {
        return Ok(Config::default());
    }
    Ok(config::load(run.config.as_deref(), &here())?)
}

/// The working directory. Without one there is nothing above it to find.
fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

/// What to make of findings. `baseline` says whether those that were there before are to be looked up.
pub(super) fn triage(flags: &TriageFlags, config: &Config, baseline: bool) -> Result<Triage, Failure> {
    let mut triage = Triage::on(flags.today.unwrap_or_else(Date::today));
    triage.chosen.clone_from(&config.chosen);
    triage.asked = Choice {
        select: flags.select.clone(),
        ignore: flags.ignore.clone(),
    };
    triage.severity.clone_from(&config.severity);
    triage.overrides.clone_from(&flags.severity);
    triage.solver = solver(flags, config);
    triage.repository = Repository::around(&here());
    if baseline {
        let file = flags.baseline.as_deref().or(config.baseline.as_deref());
        triage.baseline = file.map(read_baseline).transpose()?;
    }
    Ok(triage)
}

/// What of directories is not read: what the file leaves out, from its own directory, and what flags do, from here.
pub(super) fn exclude(run: &Run, config: &Config) -> Exclude {
    Exclude::from(here())
        .configured(config.directory(), &config.exclude)
        .with(Path::new(""), &run.exclude)
}

/// A pattern on the command line.
pub(super) fn pattern(text: &str) -> Result<Pattern, NotAPattern> {
    Pattern::written_in(&here(), text)
}

/// Whether questions are put to the solver.
pub(super) fn solver(flags: &TriageFlags, config: &Config) -> bool {
    !flags.no_solver && config.solver.unwrap_or(true)
}

/// Where the solver's answers are kept, if anywhere.
pub(super) fn answers(kept: &Kept, config: &Config) -> Memory {
    let place = kept.cache.as_ref().or(config.cache.as_ref());
    let directory = place.map(|place| Arc::new(Directory::at(place.clone())));
    Memory {
        answers: directory
            .clone()
            .map_or_else(Answers::default, |directory| Answers::kept_in(directory)),
        directory,
        place: place.cloned().unwrap_or_default(),
    }
}

/// The solver's answers of this run and of those before.
pub(super) struct Memory {
    /// For the verifier.
    pub(super) answers: Answers,
    directory: Option<Arc<Directory>>,
    place: PathBuf,
}

impl Memory {
    /// Makes room for the next run and says what came of this one, where answers are kept.
    pub(super) fn tell(&self, quiet: bool, err: &mut dyn Write) -> io::Result<()> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        directory.make_room();
        if let Some(trouble) = directory.trouble() {
            let place = self.place.display().to_string();
            writeln!(
                err,
                "note: answers cannot be kept in `{}`: {}",
                escape::message(&place),
                escape::message(trouble)
            )?;
        }
        if !quiet {
            writeln!(
                err,
                "cache: {} of the solver known, {} asked",
                super::count(
                    usize::try_from(self.answers.remembered()).unwrap_or(usize::MAX),
                    "answer"
                ),
                self.answers.asked()
            )?;
        }
        Ok(())
    }
}

/// The lowest severity that fails the run.
pub(super) fn fail_on(flag: Option<args::FailOn>, config: &Config) -> Option<Severity> {
    match (flag, config.fail_on) {
        (Some(flag), _) => flag.level(),
        (None, Some(FailOn::Level(level))) => Some(level),
        (None, Some(FailOn::Never)) => None,
        (None, None) => Some(Severity::Error),
    }
}

fn read_baseline(path: &Path) -> Result<Baseline, Failure> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Said(format!("cannot read the baseline `{name}`: {error}")))?;
    Baseline::read(&name, &text).map_err(|error| Failure::Said(format!("`{name}`: {error}")))
}
