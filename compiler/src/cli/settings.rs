//! What the flags and the configuration file say together. Flags count more.

use super::Failure;
use super::args::{Run, TriageFlags};
use crate::config::{self, Config, FailOn};
use crate::diagnostic::Severity;
use crate::triage::Triage;
use crate::triage::baseline::Baseline;
use crate::triage::date::Date;
use std::fs;
use std::path::Path;

/// Reads the configuration that these flags name, or the one that is found.
pub(super) fn config(run: &Run) -> Result<Config, Failure> {
    if run.no_config {
        return Ok(Config::default());
    }
    // Without a working directory there is nothing above it to find.
    let directory = std::env::current_dir().unwrap_or_default();
    Ok(config::load(run.config.as_deref(), &directory)?)
}

/// What to make of findings. `baseline` says whether those that were there before are to be looked up.
pub(super) fn triage(flags: &TriageFlags, config: &Config, baseline: bool) -> Result<Triage, Failure> {
    let mut triage = Triage::on(flags.today.unwrap_or_else(Date::today));
    triage.select = if flags.select.is_empty() {
        config.select.clone()
    } else {
        flags.select.clone()
    };
    triage.ignore = config.ignore.iter().chain(&flags.ignore).cloned().collect();
    triage.severity.clone_from(&config.severity);
    // What is said on the command line is said last.
    triage.overrides.clone_from(&flags.severity);
    triage.solver = solver(flags, config);
    if baseline {
        let file = flags.baseline.as_deref().or(config.baseline.as_deref());
        triage.baseline = file.map(read_baseline).transpose()?;
    }
    Ok(triage)
}

/// Whether questions are put to the solver.
pub(super) fn solver(flags: &TriageFlags, config: &Config) -> bool {
    !flags.no_solver && config.solver.unwrap_or(true)
}

/// The lowest severity that fails the run.
pub(super) fn fail_on(flags: &TriageFlags, config: &Config) -> Option<Severity> {
    match (flags.fail_on, config.fail_on) {
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
