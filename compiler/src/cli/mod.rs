//! The `portcullis` command: flags in, text out, exit statuses.
//!
//! Answers and findings go to standard output, everything about the run itself to standard error. The only module of
//! this crate that writes to either.

mod args;
mod check;
mod compile;
mod connectivity;
mod diff;
mod doctor;
mod explain;
mod fix;
mod impact;
mod lsp;
mod output;
mod ports;
mod progress;
mod prove;
mod query;
mod report;
mod settings;
mod setup;
mod smt_dump;
mod terminal;
mod unified;
mod watch;

use crate::check::{Options, Understood, understand};
use crate::config::{Config, ConfigError};
use crate::diagnostic::json::Scope;
use crate::diagnostic::{Counts, Finding, human};
use args::{Cli, Command, Run};
use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::Terminal;

/// What a run came to; the numbers are a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Nothing at or above the failing level.
    Fine,
    /// Findings; for `query`, denied; for `diff`, differences.
    Found,
    /// The job could not be done.
    Failed,
    /// The solver gave up on a question, and nothing else failed.
    Incomplete,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Fine => 0,
            Status::Found => 1,
            Status::Failed => 2,
            Status::Incomplete => 3,
        }
        .into()
    }
}

/// Why a verb could not do its job; printed as one sentence.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Input or output failed.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// A path could not be read.
    #[error(transparent)]
    Load(#[from] crate::load::LoadError),
    /// The configuration is not what it should be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Anything else, in a sentence.
    #[error("{0}")]
    Said(String),
}

impl Failure {
    fn said(error: impl std::fmt::Display) -> Self {
        Self::Said(error.to_string())
    }
}

/// Runs the command with these arguments (the first is the program's name).
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::read(arguments) {
        Ok(cli) => cli,
        // clap's own statuses: 0 for help and version, 2 for flags that are wrong.
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return match error.print() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Status::Failed.into(),
                _ => code.into(),
            };
        }
    };
    let mut terminal = Terminal::new(cli.color());
    if let Some(jobs) = cli.jobs() {
        // Fails only where the pool exists already, as when tests run the command twice in one process.
        let _ = rayon::ThreadPoolBuilder::new()
            .num_threads(jobs.get())
            .build_global();
    }
    let outcome = match &cli.command {
        Command::Check(arguments) => check::run(arguments, &mut terminal),
        Command::Connectivity(arguments) => connectivity::run(arguments, &mut terminal),
        Command::Ports(arguments) => ports::run(arguments, &mut terminal),
        Command::Query(arguments) => query::run(arguments, &mut terminal),
        Command::Diff(arguments) => diff::run(arguments, &mut terminal),
        Command::Impact(arguments) => impact::run(arguments, &mut terminal),
        Command::Prove(arguments) => prove::run(arguments, &mut terminal),
        Command::Doctor(arguments) => doctor::run(arguments, &mut terminal),
        Command::Report(arguments) => report::run(arguments, &mut terminal),
        Command::Compile(arguments) => compile::run(arguments, &mut terminal),
        Command::Explain(arguments) => explain::run(arguments, &mut terminal),
        Command::Lsp(arguments) => lsp::run(arguments),
        Command::Init(arguments) => setup::init(arguments, &mut terminal),
        Command::Completions(arguments) => setup::completions(arguments, &mut terminal),
        Command::Man(arguments) => setup::man(arguments, &mut terminal),
    };
    match outcome {
        Ok(status) => status.into(),
        Err(failure) => {
            tell(&failure, &mut terminal);
            Status::Failed.into()
        }
    }
}

/// Says on standard error why a verb could not do its job. With that gone too there is nobody left to tell.
fn tell(failure: &Failure, terminal: &mut Terminal) {
    if let Failure::Config(ConfigError::Wrong { findings, sources }) = failure {
        let options = terminal.err_options();
        let _ = human::write(&mut terminal.err, findings, sources, options);
    }
    let sentence = failure.to_string();
    let _ = writeln!(
        terminal.err,
        "error: {}",
        crate::diagnostic::escape::one_line(&sentence)
    );
}

/// What was read, which is given back beside the run: nobody waits for millions of pieces of memory to be freed, at
/// the end of a program least of all.
struct Kept(Understood);

impl Deref for Kept {
    type Target = Understood;

    fn deref(&self) -> &Understood {
        &self.0
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let understood = std::mem::take(&mut self.0);
        // Without a thread it is freed here.
        let _ = std::thread::Builder::new().spawn(move || drop(understood));
    }
}

/// Reads and lowers what is at `paths`.
fn read(paths: &[PathBuf], run: &Run) -> Result<Kept, Failure> {
    read_with(paths, &[], run, &settings::config(run)?)
}

/// [`read`], for what is compared with the state that is at `others`: of both the same is left out.
fn read_state(paths: &[PathBuf], others: &[PathBuf], run: &Run) -> Result<Kept, Failure> {
    let mut options = reading(&[], run, &settings::config(run)?);
    options.exclude = options.exclude.alike(paths, others);
    Ok(Kept(understand(paths, &options, &mut io::stdin())?))
}

/// [`read`], and files of guarantees, for a verb that has read the configuration already.
fn read_with(paths: &[PathBuf], guarantees: &[PathBuf], run: &Run, config: &Config) -> Result<Kept, Failure> {
    let options = reading(guarantees, run, config);
    Ok(Kept(understand(paths, &options, &mut io::stdin())?))
}

/// How input is read.
fn reading(guarantees: &[PathBuf], run: &Run, config: &Config) -> Options {
    let cidr_match = run.cidr_match.map(Into::into).or(config.cidr_match);
    Options {
        guarantees: guarantees.to_vec(),
        exclude: settings::exclude(run, config),
        limits: run.limits.clone().unwrap_or_default(),
        lower: crate::lower::Options {
            cidr_match: cidr_match.unwrap_or_default(),
        },
        cluster_name: run.cluster_name.clone().or_else(|| config.cluster_name.clone()),
    }
}

/// For verbs whose answer would rest on a guess otherwise: shows what blocks it, and says so.
///
/// Findings that do not block are `check`'s subject; here they are counted.
fn refuse_blocked(
    understood: &Understood,
    run: &Run,
    terminal: &mut Terminal,
) -> Result<Option<Status>, Failure> {
    let (blocking, others): (Vec<Finding>, Vec<Finding>) = understood
        .findings
        .iter()
        .cloned()
        .partition(|finding| finding.blocks_analysis);
    if !blocking.is_empty() {
        let options = terminal.err_options();
        human::write(&mut terminal.err, &blocking, &understood.input.sources, options)?;
        writeln!(
            terminal.err,
            "error: a refused input would leave every answer a guess, so there is none ({})",
            human::summary(Counts::of(&blocking))
        )?;
        return Ok(Some(Status::Failed));
    }
    if !others.is_empty() && !run.quiet {
        writeln!(
            terminal.err,
            "note: {} in the input; `portcullis check` shows them",
            human::summary(Counts::of(&others))
        )?;
    }
    Ok(None)
}

/// For verbs that tell of workloads and policies: says so where there is neither, unless the flag or the configuration
/// accepts that.
fn refuse_empty(
    understood: &Understood,
    allowed: bool,
    config: &Config,
    terminal: &mut Terminal,
) -> Result<Option<Status>, Failure> {
    let model = &understood.model;
    let is_empty = model.cluster.endpoints().is_empty() && model.policies().is_empty();
    if !is_empty || allowed || config.allow_empty == Some(true) {
        return Ok(None);
    }
    writeln!(
        terminal.err,
        "error: there is neither a workload nor a policy here (--allow-empty accepts that)"
    )?;
    Ok(Some(Status::Failed))
}

/// What was read, for programs.
fn scope(understood: &Understood) -> Scope {
    Scope {
        files: understood.input.sources.len(),
        objects: understood.input.objects.len(),
        skipped: understood.input.skipped.values().sum(),
    }
}

/// What was read, for people.
fn scope_line(understood: &Understood) -> String {
    let read = read_line(understood);
    let skipped: usize = understood.input.skipped.values().sum();
    if skipped == 0 {
        return read;
    }
    let kinds: Vec<_> = understood
        .input
        .skipped
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let shown = 6;
    let more = match kinds.len().saturating_sub(shown) {
        0 => String::new(),
        more => format!(", {more} more kinds"),
    };
    let kinds = kinds.get(..kinds.len().min(shown)).unwrap_or_default().join(", ");
    let line = format!("{read}; skipped {skipped} of other kinds: {kinds}{more}");
    crate::diagnostic::escape::message(&line).into_owned()
}

/// How much was read of the kinds that matter.
fn read_line(understood: &Understood) -> String {
    let files = count(understood.input.sources.len(), "file");
    let objects = count(understood.input.objects.len(), "object");
    format!("{files}, {objects}")
}

fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}
