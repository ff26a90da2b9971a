//! The flags.

use crate::diagnostic::Severity;
use crate::lower::CidrMatch;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Kubernetes network policy, checked, explained and compiled
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, max_term_width = 100)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Cli {
    pub(super) fn common(&self) -> &Common {
        match &self.command {
            Command::Check(arguments) => &arguments.common,
            Command::Connectivity(arguments) => &arguments.common,
            Command::Query(arguments) => &arguments.common,
            Command::Compile(arguments) => &arguments.common,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Are these policies right? Validation, port names, rules that change nothing
    Check(Check),
    /// Who can talk to whom, on what: all workloads and all addresses outside
    Connectivity(Connectivity),
    /// One flow: is it allowed, and which lines decide
    Query(Query),
    /// The programs and tables that enforce the policies, one bundle for a node or for all
    Compile(Compile),
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Files, directories (all *.yaml, *.yml and *.json below them), or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    /// Whether address blocks match pods and nodes: by each API's own contract, only addresses outside the cluster
    /// (Cilium's default), or every address
    #[arg(long, value_enum, default_value_t, value_name = "WHICH")]
    pub(super) cidr_match: CidrMatchFlag,

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

    /// How to write findings
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) format: Format,

    /// Exit with 1 when there are findings at this level or above
    #[arg(long, value_enum, default_value_t, value_name = "LEVEL")]
    pub(super) fail_on: FailOn,

    /// Leave out what only the solver can answer
    #[arg(long)]
    pub(super) no_solver: bool,

    /// Do not fail when there is no policy to check
    #[arg(long)]
    pub(super) allow_empty: bool,
}

#[derive(Debug, Args)]
pub(super) struct Connectivity {
    #[command(flatten)]
    pub(super) common: Common,

    /// How to write connections
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) format: Format,

    /// Do not fail when there is no workload
    #[arg(long)]
    pub(super) allow_empty: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
FROM and TO are namespace/name of a workload or pod, an address (203.0.113.7, 2001:db8::7), or a pod that need not \
exist: namespace{app=web,tier=front}.
PORT is a number or a name with a protocol (8080/TCP, 53/UDP, http), or an ICMP type (icmp/8, icmpv6/128).
Exit status: 0 allowed, 1 denied, 2 no answer.")]
pub(super) struct Query {
    #[command(flatten)]
    pub(super) common: Common,

    /// Who opens the flow
    #[arg(long, value_name = "FROM")]
    pub(super) from: String,

    /// Who receives it
    #[arg(long, value_name = "TO")]
    pub(super) to: String,

    /// Destination port
    #[arg(long, value_name = "PORT")]
    pub(super) port: String,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) format: Format,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
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

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum CidrMatchFlag {
    #[default]
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

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum FailOn {
    #[default]
    Error,
    Warning,
    Note,
    Never,
}

impl FailOn {
    /// Whether a finding of this severity fails the run.
    pub(super) fn fails(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity == Severity::Error,
            Self::Warning => severity <= Severity::Warning,
            Self::Note => true,
            Self::Never => false,
        }
    }
}
