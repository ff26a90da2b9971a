//! The flags.

use super::settings;
use crate::diagnostic::Severity;
use crate::limits::Limits;
use crate::load::Pattern;
use crate::lower::CidrMatch;
use crate::triage::codes::{Codes, UnknownCode};
use crate::triage::date::Date;
use clap::builder::{EnumValueParser, PossibleValue, TypedValueParser};
use clap::{ArgGroup, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Kubernetes network policy, checked, explained and compiled
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The command, with what derived flags cannot say.
pub(super) fn command() -> clap::Command {
    // A list of rules is about no input.
    Cli::command().mut_subcommand("check", |check| {
        check.mut_arg("paths", |paths| {
            paths.required(false).required_unless_present("list")
        })
    })
}

impl Cli {
    /// [`clap::Parser::try_parse_from`], of [`command`].
    pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }

    /// What every verb that reads manifests takes.
    fn run(&self) -> Option<&Run> {
        match &self.command {
            Command::Check(arguments) => Some(&arguments.common.run),
            Command::Connectivity(arguments) => Some(&arguments.common.run),
            Command::Ports(arguments) => Some(&arguments.common.run),
            Command::Query(arguments) => Some(&arguments.common.run),
            Command::Diff(arguments) => Some(&arguments.run),
            Command::Impact(arguments) => Some(&arguments.common.run),
            Command::Prove(arguments) => Some(&arguments.common.run),
            Command::Report(arguments) => Some(&arguments.common.run),
            Command::Compile(arguments) => Some(&arguments.common.run),
            Command::Doctor(arguments) => Some(&arguments.run),
            Command::Explain(_)
            | Command::Lsp(_)
            | Command::Init(_)
            | Command::Completions(_)
            | Command::Man(_) => None,
        }
    }

    pub(super) fn color(&self) -> Color {
        match &self.command {
            Command::Explain(arguments) => arguments.color,
            _ => self.run().map_or(Color::Auto, |run| run.color),
        }
    }

    pub(super) fn jobs(&self) -> Option<NonZeroUsize> {
        self.run()?.jobs
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Are these policies right? Validation, port names, rules that change nothing
    Check(Check),
    /// Who can talk to whom, on what: all workloads and all addresses outside
    Connectivity(super::connectivity::Arguments),
    /// Every port name: who defines it, with which number, who uses it, and every collision
    Ports(super::ports::Arguments),
    /// One flow: is it allowed, and which lines decide
    Query(super::query::Arguments),
    /// Which flows a change of the manifests allows or cuts, and the lines responsible
    Diff(super::diff::Arguments),
    /// What each policy adds: the flows that are allowed, or denied, only because it is there
    Impact(super::impact::Arguments),
    /// Do guarantees hold for every pod that could exist, and if not, which flow shows it
    Prove(super::prove::Arguments),
    /// One page for people: findings, port names, a graph, a matrix, and why each pair may talk or not
    Report(super::report::Arguments),
    /// The programs and tables that enforce the policies, one bundle for a node or for all
    Compile(Compile),
    /// What a finding's code means, with an example and how to fix it
    Explain(super::explain::Arguments),
    /// What this program is and rests on: versions, the solver and where it was loaded from
    Doctor(super::doctor::Arguments),
    /// Findings, and answers about port names and selectors, in an editor that speaks the language server protocol
    Lsp(super::lsp::Arguments),
    /// A commented portcullis.toml to start from
    Init(Init),
    /// Completions for a shell, on standard output
    Completions(Completions),
    /// The manual pages
    Man(Man),
}

/// What every verb takes that reads one set of manifests.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Files, directories (all *.yaml, *.yml and *.json below them), or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) run: Run,
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Whether address blocks match pods and nodes: by each API's own contract, only addresses outside the cluster
    /// (Cilium's default), or every address
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(super) cidr_match: Option<CidrMatchFlag>,

    /// The cluster's name, as Cilium's selectors know it (`io.cilium.k8s.policy.cluster`); `default` unless said
    #[arg(long, value_name = "NAME")]
    pub(super) cluster_name: Option<String>,

    /// The configuration; portcullis.toml in the working directory or above it unless said
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub(super) config: Option<PathBuf>,

    /// Read no configuration
    #[arg(long)]
    pub(super) no_config: bool,

    /// Leave this out of directories: the name of an entry, or a path from here, with *, ? and ** as in a .gitignore
    #[arg(long, value_name = "GLOB", value_parser = settings::pattern)]
    pub(super) exclude: Vec<Pattern>,

    /// How much input is read before it is refused: bytes of a file, documents in it, nodes of a document, nodes after
    /// aliases are expanded, depth. For example bytes=128Mi,documents=200000,expanded-nodes=8000000,depth=200
    #[arg(long, value_name = "NAME=N,…")]
    pub(super) limits: Option<Limits>,

    /// Colours; auto also honours NO_COLOR
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: Color,

    /// Threads to use; all cores unless said
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,

    /// Say nothing about the run itself
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) common: Common,

    /// How to write findings; give it again to write several at once, with FORMAT=FILE into files. What goes to standard
    /// output is human unless said
    #[arg(long, value_parser = CheckOutputParser, value_name = "FORMAT[=FILE]")]
    pub(super) format: Vec<CheckOutput>,

    /// Write to this file what would go to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,

    #[command(flatten)]
    pub(super) triage: TriageFlags,

    /// Write the findings of this run to a baseline; they do not fail it
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "baseline",
        help_heading = "Findings"
    )]
    pub(super) write_baseline: Option<PathBuf>,

    /// A file of guarantees; *.guarantees in the directories are read anyway
    #[arg(long, value_name = "FILE")]
    pub(super) guarantees: Vec<PathBuf>,

    /// Report what these policies allow and those in this path do not, for every pod that could exist
    #[arg(long, value_name = "OLD", conflicts_with = "no_solver")]
    pub(super) against: Vec<PathBuf>,

    /// With --against: such access is an error
    #[arg(long, requires = "against")]
    pub(super) no_new_access: bool,

    /// Write every question to the solver into this directory, as SMT-LIB text with the answer
    #[arg(long, value_name = "DIR", conflicts_with = "no_solver")]
    pub(super) smt_dump: Option<PathBuf>,

    /// Steps before a question is given up as unknown (exit status 3); the same question takes as many on every machine
    #[arg(
        long,
        value_name = "N",
        default_value_t = 50_000_000,
        conflicts_with = "no_solver"
    )]
    pub(super) solver_steps: u32,

    #[command(flatten)]
    pub(super) kept: Kept,

    /// Do not fail when there is no policy to check
    #[arg(long)]
    pub(super) allow_empty: bool,

    /// Check again whenever a file changes
    #[arg(long, conflicts_with_all = ["fix", "diff"])]
    pub(super) watch: bool,

    #[command(flatten)]
    pub(super) fixes: FixFlags,

    /// List accepted findings too
    #[arg(short, long)]
    pub(super) verbose: bool,

    /// Check nothing, and list every rule: its code, level, whether it can be mended, name and what it says; human or
    /// json by --format
    #[arg(long, help_heading = "Findings")]
    pub(super) list: bool,
}

/// What to mend.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fixes", group = ArgGroup::new("mending").args(["fix", "diff"]).multiple(true))]
pub(super) struct FixFlags {
    /// Mend what can be mended safely, and report what is left. What came from standard input is written to standard
    /// output, and the findings to standard error
    #[arg(long)]
    pub(super) fix: bool,

    /// Also apply suggestions, where there is just one: they may not be what was meant, and may change what is allowed
    #[arg(long, requires = "mending")]
    pub(super) unsafe_fixes: bool,

    /// Print what --fix would change, as a unified diff, and write nothing
    #[arg(long)]
    pub(super) diff: bool,
}

/// Where the solver's answers are kept.
#[derive(Debug, Args)]
pub(super) struct Kept {
    /// Keep the solver's answers in this directory, and ask it only what they do not say. Deleting it is always safe
    #[arg(long, value_name = "DIR")]
    pub(super) cache: Option<PathBuf>,
}

/// What to look for, and what to make of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Findings")]
pub(super) struct TriageFlags {
    /// Exit with 1 when there are findings at this level or above; error unless said
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(super) fail_on: Option<FailOn>,

    /// Leave out what only the solver can answer
    #[arg(long)]
    pub(super) no_solver: bool,

    /// Report only these codes, whatever the configuration ignores: PC201, named-port-many-numbers, or a group such as PC2
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(super) select: Vec<Codes>,

    /// Do not report these codes; of two that name a code, the more exact one decides
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(super) ignore: Vec<Codes>,

    /// How much a code matters here: error, warning or note
    #[arg(long, value_name = "CODE=LEVEL", value_delimiter = ',', value_parser = severity)]
    pub(super) severity: Vec<(Codes, Severity)>,

    /// Accept the findings of this file, so that only new ones count
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,

    /// The day on which acceptances with `until=` are judged; today unless said
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(super) today: Option<Date>,
}

fn severity(text: &str) -> Result<(Codes, Severity), String> {
    let (codes, level) = text
        .split_once('=')
        .ok_or("a code and a level are needed, such as PC201=warning")?;
    let level = match level {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        "note" => Severity::Note,
        _ => {
            return Err(format!(
                "`{level}` is no level; the levels are error, warning and note"
            ));
        }
    };
    let codes = codes.parse().map_err(|error: UnknownCode| error.to_string())?;
    Ok((codes, level))
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The file to write, which must not exist; portcullis.toml unless said
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// The directory to write them to
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Compile {
    #[command(flatten)]
    pub(super) common: Common,

    /// The pods of this node alone
    #[arg(long, value_name = "NAME", conflicts_with = "all_nodes")]
    pub(super) node: Option<String>,

    /// One bundle for each node, in a directory of its name
    #[arg(long)]
    pub(super) all_nodes: bool,

    /// The directory to write; replaced as a whole when it is a bundle, refused when it is anything else
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,

    /// Give workloads pods, and pods without a place nodes and addresses, the same way every time
    #[arg(long)]
    pub(super) place: bool,

    /// Pods of a workload that may have several, with --place
    #[arg(long, value_name = "N", default_value_t = crate::placement::REPLICAS, requires = "place")]
    pub(super) replicas: NonZeroUsize,

    /// What becomes of rules that programs alone cannot enforce: refuse to compile, or deny whatever they would decide
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub(super) unsupported: Unsupported,

    /// Print the programs of one pod (namespace/name), or of all, below the lines they come from
    #[arg(long, value_name = "POD", num_args = 0..=1, default_missing_value = "*")]
    pub(super) dump: Option<String>,
}

/// How and where an answer is written, in one of the formats that a verb has.
#[derive(Debug, Args)]
pub(super) struct Written<F: ValueEnum + Clone + Default + Send + Sync + 'static> {
    /// How to write it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) format: F,

    /// The file to write, whole or not at all; standard output unless said
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// For one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
}

/// For what is a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum TableFormat {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
    /// For pages: a table in Markdown
    Md,
}

/// For flows between many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FlowsFormat {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
    /// For pages: a table in Markdown
    Md,
    /// For Graphviz: a graph
    Dot,
}

/// What `check` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckFormat {
    /// For people
    #[default]
    Human,
    /// For programs: docs/schemas/check.v1.json
    Json,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
    /// JUnit XML, for test reports
    Junit,
    /// GitHub workflow commands, for annotations
    Github,
    /// GitLab code quality report
    Gitlab,
    /// Markdown, for a comment under a change
    Md,
}

/// `FORMAT` or `FORMAT=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CheckOutput {
    pub(super) format: CheckFormat,
    pub(super) file: Option<PathBuf>,
}

/// Reads a [`CheckOutput`]; help and completions list the formats.
#[derive(Clone)]
pub(super) struct CheckOutputParser;

impl TypedValueParser for CheckOutputParser {
    type Value = CheckOutput;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<CheckOutput, clap::Error> {
        let text = value.to_string_lossy();
        let (format, file) = match text.split_once('=') {
            Some((format, file)) => (format.to_owned(), Some(file.to_owned())),
            None => (text.into_owned(), None),
        };
        if file.as_deref() == Some("") {
            let kind = clap::error::ErrorKind::InvalidValue;
            return Err(command
                .clone()
                .error(kind, format!("`{format}=` needs the name of a file")));
        }
        Ok(CheckOutput {
            format: EnumValueParser::<CheckFormat>::new().parse_ref(
                command,
                argument,
                OsStr::new(&format),
            )?,
            file: file.map(PathBuf::from),
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = CheckFormat::value_variants().iter();
        Some(Box::new(values.filter_map(ValueEnum::to_possible_value)))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Unsupported {
    #[default]
    Refuse,
    Deny,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum CidrMatchFlag {
    ByApi,
    External,
    All,
}

impl From<CidrMatchFlag> for CidrMatch {
    fn from(flag: CidrMatchFlag) -> Self {
        match flag {
            CidrMatchFlag::ByApi => Self::ByApi,
            CidrMatchFlag::External => Self::External,
            CidrMatchFlag::All => Self::All,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum FailOn {
    Error,
    Warning,
    Note,
    Never,
}

impl FailOn {
    /// The lowest severity that fails the run.
    pub(super) fn level(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Note => Some(Severity::Note),
            Self::Never => None,
        }
    }
}
