//! What the flags and the configuration file say together. Flags count more.

use super::Failure;
use super::args::{Check, Run};
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

/// What to make of the findings of `check`.
pub(super) fn triage(arguments: &Check, config: &Config) -> Result<Triage, Failure> {
    let flags = &arguments.triage;
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
    triage.solver = solver(arguments, config);
    if flags.write_baseline.is_none() {
        let file = flags.baseline.as_deref().or(config.baseline.as_deref());
        triage.baseline = file.map(baseline).transpose()?;
    }
    Ok(triage)
}

/// Whether questions are put to the solver.
pub(super) fn solver(arguments: &Check, config: &Config) -> bool {
    !arguments.no_solver && config.solver.unwrap_or(true)
}

/// The lowest severity that fails the run.
pub(super) fn fail_on(arguments: &Check, config: &Config) -> Option<Severity> {
    match (arguments.fail_on, config.fail_on) {
        (Some(flag), _) => flag.level(),
        (None, Some(FailOn::Level(level))) => Some(level),
        (None, Some(FailOn::Never)) => None,
        (None, None) => Some(Severity::Error),
    }
}

fn baseline(path: &Path) -> Result<Baseline, Failure> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Said(format!("cannot read the baseline `{name}`: {error}")))?;
    Baseline::read(&name, &text).map_err(|error| Failure::Said(format!("`{name}`: {error}")))
}
