//! The command line of `portcullis-node`. With `main` the only place that prints.
//!
//! Exit status: 0 done; 1 an answer that nobody wants to hear (`status`: a program is not in force; `lab`: a flow did
//! not go as predicted); 2 the job could not be done.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use nix::sched::{CloneFlags, setns};

use crate::attach::{Hook, Mechanism};
use crate::bundle::{Bundle, BundleError, BundledProgram};
use crate::conntrack::conntrack_entries;
use crate::counters::Counters;
use crate::device::{DevicePlace, EndpointName, NamespaceNumber};
use crate::lab::command::{self, CommandError};
use crate::load::LoadError;
use crate::netns::NETNS_DIR;
use crate::node::{Applied, Node, NodeError, Others, Preference, Wanted};
use crate::pins::{CONNTRACK, DEFAULT_ROOT, PinsError};

/// Enforce compiled network policy on this node.
#[derive(Debug, Parser)]
#[command(name = "portcullis-node", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Turn this machine into a small cluster and see whether real packets do what the policies say.
    Lab(command::Arguments),
    /// Attach a compiled bundle to this node's endpoints, and take off what it does not speak of.
    ///
    /// An endpoint's device is `lxc` and 12 hex digits of its name's SHA-256, unless `--device` gives another.
    /// Endpoints without a device are not on this node; they are named and left out.
    Load {
        /// The directory that `portcullis compile` wrote.
        directory: PathBuf,
        #[command(flatten)]
        place: Place,
        /// The device that carries an endpoint, where it is not the usual one.
        #[arg(long = "device", value_name = "NAMESPACE/NAME=DEVICE", value_parser = device)]
        devices: Vec<(EndpointName, String)>,
        /// How to attach.
        #[arg(long, value_enum, default_value_t = Attach::Auto)]
        attach: Attach,
    },
    /// Take everything off.
    ///
    /// Refuses, and changes nothing, where a clsact filter is in another network namespace: it can be removed only
    /// there. tcx links are taken off from anywhere.
    Unload {
        #[command(flatten)]
        place: Place,
        /// Forget clsact filters in other network namespaces. For namespaces that are gone: in one that is not, the
        /// filters stay in force, and only `tc` can remove them.
        #[arg(long)]
        forget_elsewhere: bool,
    },
    /// What is attached, and what it counted.
    Status {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The network namespace with the endpoints' devices, by its name under /run/netns.
    #[arg(long, value_name = "NAME")]
    netns: Option<String>,
    /// The directory for pins, on a BPF file system.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_ROOT)]
    pins: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Attach {
    /// tcx where the kernel has it, clsact elsewhere.
    Auto,
    /// tcx links (Linux 6.6 and newer).
    Tcx,
    /// Filters under a clsact qdisc.
    Clsact,
}

impl From<Attach> for Preference {
    fn from(attach: Attach) -> Self {
        match attach {
            Attach::Auto => Self::Best,
            Attach::Tcx => Self::Only(Mechanism::Tcx),
            Attach::Clsact => Self::Only(Mechanism::Clsact),
        }
    }
}

/// Why a verb could not do its job.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Pins(#[from] PinsError),
    #[error("cannot enter the network namespace `{name}`: {source}")]
    Netns { name: String, source: io::Error },
    #[error("none of the bundle's {0} endpoints has a device here")]
    NothingToDo(usize),
    #[error(transparent)]
    Lab(#[from] CommandError),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

fn device(text: &str) -> Result<(EndpointName, String), String> {
    let parts = text.split_once('=').and_then(|(endpoint, device)| {
        let (namespace, name) = endpoint.split_once('/')?;
        let whole = ![namespace, name, device].iter().any(|part| part.is_empty());
        whole.then(|| (EndpointName::new(namespace, name), device.to_owned()))
    });
    parts.ok_or_else(|| "expected NAMESPACE/NAME=DEVICE".to_owned())
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output, mistakes to standard error; a closed pipe is nobody's loss.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    let result = match arguments.verb {
        Verb::Lab(arguments) => command::run(&arguments, &mut out, &mut err).map_err(CliError::from),
        Verb::Load {
            directory,
            place,
            devices,
            attach,
        } => load(&directory, &place, &devices, attach.into(), &mut err),
        Verb::Unload {
            place,
            forget_elsewhere,
        } => unload(&place, forget_elsewhere, &mut err),
        Verb::Status { place } => status(&place, &mut out),
    };
    result.unwrap_or_else(|error| {
        let _ = writeln!(err, "portcullis-node: {error}");
        if let CliError::Node(NodeError::Load { source, .. }) = &error
            && let LoadError::Rejected { log, .. } = &**source
        {
            let _ = writeln!(err, "\nThe kernel verifier's log:\n{}", log.text().trim_end());
        }
        ExitCode::from(2)
    })
}

fn enter(place: &Place) -> Result<(), CliError> {
    let Some(name) = &place.netns else { return Ok(()) };
    let entered = File::open(Path::new(NETNS_DIR).join(name))
        .and_then(|namespace| setns(namespace, CloneFlags::CLONE_NEWNET).map_err(io::Error::from));
    entered.map_err(|source| CliError::Netns {
        name: name.clone(),
        source,
    })
}

fn load(
    directory: &Path,
    place: &Place,
    devices: &[(EndpointName, String)],
    preference: Preference,
    err: &mut impl Write,
) -> Result<ExitCode, CliError> {
    let bundle = Bundle::read(directory)?;
    enter(place)?;
    let (mut wanted, mut absent) = (Vec::new(), BTreeSet::new());
    for BundledProgram {
        endpoint,
        direction,
        object,
    } in bundle.programs
    {
        let given = devices.iter().find(|(named, _)| *named == endpoint);
        let device = given.map_or_else(|| endpoint.host_device(), |(_, device)| device.clone());
        if Hook::find(&device, direction).is_some() {
            wanted.push(Wanted {
                endpoint,
                device,
                direction,
                object,
            });
        } else if absent.insert(endpoint.clone()) {
            writeln!(err, "{endpoint} is not on this node: no device `{device}`")?;
        }
    }
    if wanted.is_empty() {
        return Err(CliError::NothingToDo(absent.len()));
    }
    let mut node = Node::open(&place.pins, preference)?;
    let Applied {
        attached,
        replaced,
        unchanged,
        removed,
    } = match node.apply(&wanted, Others::Remove) {
        // The bundle is in force, and something else beside it.
        Err(error @ NodeError::Leftover { .. }) => {
            node.pins().note_bundle(Some(&bundle.digest))?;
            return Err(error.into());
        }
        applied => applied?,
    };
    node.pins().note_bundle(Some(&bundle.digest))?;
    writeln!(
        err,
        "{} programs in force: {attached} attached, {replaced} replaced, {unchanged} as before; {removed} taken off",
        attached + replaced + unchanged
    )?;
    Ok(ExitCode::SUCCESS)
}

fn unload(place: &Place, forget_elsewhere: bool, err: &mut impl Write) -> Result<ExitCode, CliError> {
    enter(place)?;
    let removed = match Node::open_existing(&place.pins)? {
        Some(node) => {
            if forget_elsewhere {
                for DevicePlace { namespace, device } in node.forget_elsewhere()? {
                    writeln!(
                        err,
                        "forgotten, not removed: the filter on `{device}` in {namespace}"
                    )?;
                }
            }
            node.unload()?
        }
        None => 0,
    };
    writeln!(err, "{removed} programs taken off")?;
    Ok(ExitCode::SUCCESS)
}

fn status(place: &Place, out: &mut impl Write) -> Result<ExitCode, CliError> {
    enter(place)?;
    let Some(node) = Node::open_existing(&place.pins)? else {
        writeln!(out, "nothing is loaded")?;
        return Ok(ExitCode::SUCCESS);
    };
    let here = NamespaceNumber::here()?;
    let mut missing = false;
    for slot in node.slots()? {
        let DevicePlace { namespace, device } = slot.place;
        let Some(in_force) = slot.in_force else {
            missing = true;
            write!(out, "{} {} on {device}: ", slot.endpoint, slot.direction)?;
            if namespace == here {
                writeln!(out, "NOT IN FORCE")?;
            } else {
                writeln!(out, "UNKNOWN from here, it is in {namespace}")?;
            }
            continue;
        };
        let generation = in_force.generation;
        let counters = Counters::read(&generation.counters, slot.direction)?;
        writeln!(
            out,
            "{} {} on {} by {}: object {} (generation {}), {} passed, {} dropped",
            slot.endpoint,
            slot.direction,
            device,
            in_force.mechanism.name(),
            generation.digest,
            generation.generation,
            counters.passed(),
            counters.dropped(),
        )?;
        for (reason, count) in counters.iter().filter(|(_, count)| count.packets > 0) {
            writeln!(
                out,
                "    {:<15} {:>12} packets {:>15} bytes",
                reason.name(),
                count.packets,
                count.bytes
            )?;
        }
    }
    if let Some(entries) = conntrack_entries(&node.pins().shared_map(CONNTRACK))? {
        writeln!(out, "conntrack: {entries} flows")?;
    }
    if let Some(digest) = node.pins().bundle()? {
        writeln!(out, "bundle: sha256:{digest}")?;
    }
    Ok(if missing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
