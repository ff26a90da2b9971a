//! `portcullis-node lab PATH…`: from manifests to a matrix.
//!
//! Exit status: 0 every flow was as predicted; 1 one was not; 2 the job could not be done; 128 and the signal's number
//! when a signal ended it. Everything is taken down in each case.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use compiler::check;
use compiler::compile::Lines;
use compiler::diagnostic::human;
use compiler::load::LoadError;
use ir::evaluator;

use super::cancel::Cancel;
use super::programs::Programs;
use super::run_id::{self, CleanupError};
use super::{LabError, exchange, matrix};
use crate::node::Preference;

/// What the verb is told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Files, directories, or `-` for standard input.
    #[arg(value_name = "PATH", required_unless_present = "cleanup")]
    pub paths: Vec<PathBuf>,
    /// Remove what killed labs left behind, and do nothing else.
    #[arg(long, conflicts_with = "paths")]
    pub cleanup: bool,
    /// The cluster's name, as Cilium's selectors know it; `default` unless said.
    #[arg(long, value_name = "NAME")]
    pub cluster_name: Option<String>,
    /// Seconds that a flow may go without any evidence before it counts as a mismatch.
    #[arg(long, value_name = "SECONDS", default_value_t = exchange::LIMIT.as_secs())]
    pub limit: u64,
}

/// Why the lab could not do its job.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The input cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The input's errors are printed before.
    #[error("the manifests have errors: nothing was probed")]
    Manifests,
    /// The run came to no result.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Leftovers stay.
    #[error(transparent)]
    Cleanup(#[from] CleanupError),
    /// Only root may make namespaces and load programs.
    #[error("the lab needs root: it makes network namespaces and loads programs")]
    NotRoot,
    /// Signals cannot be waited for.
    #[error("cannot prepare for signals: {0}")]
    Signals(io::Error),
    /// The result cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Runs the verb. Called on the process's first thread while it is the only one: the signals are blocked here.
///
/// # Errors
/// When there is no result; exit status 2.
pub fn run(
    arguments: &Arguments,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<ExitCode, CommandError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(CommandError::NotRoot);
    }
    if arguments.cleanup {
        let removed = run_id::remove_leftovers()?;
        for what in &removed {
            writeln!(out, "removed {what}")?;
        }
        writeln!(out, "{} leftovers removed", removed.len())?;
        return Ok(ExitCode::SUCCESS);
    }
    let cancel = Cancel::on_signals().map_err(CommandError::Signals)?;
    let options = check::Options {
        cluster_name: arguments.cluster_name.clone(),
        ..check::Options::default()
    };
    let understood = check::understand(&arguments.paths, &options, &mut io::stdin())?;
    let sources = &understood.input.sources;
    if !understood.findings.is_empty() {
        human::write(err, &understood.findings, sources, human::Options::default())?;
    }
    if understood.blocked() {
        return Err(CommandError::Manifests);
    }
    let text = Lines::of(sources);
    let mut programs = Programs::new(&text, Preference::Best);
    let limit = Duration::from_secs(arguments.limit);
    let report = match super::run(
        &understood.model,
        &evaluator::evaluate,
        &mut programs,
        limit,
        &cancel,
    ) {
        Ok(report) => report,
        Err(error) => {
            if let Some(signal) = cancel.requested().filter(|_| error.is_interruption()) {
                writeln!(
                    err,
                    "portcullis-node: stopped by {signal}; everything is taken down"
                )?;
                return Ok(ExitCode::from(u8::try_from(128 + signal as i32).unwrap_or(2)));
            }
            return Err(error.into());
        }
    };
    out.write_all(matrix::render(&report).as_bytes())?;
    Ok(if report.mismatches().next().is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
