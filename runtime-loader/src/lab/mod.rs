//! The lab: this machine becomes a small cluster, and real packets say whether the policies mean on the wire what
//! the reference evaluator says they mean.
//!
//! The story of a run, in order: [`command`] (what the user asks) → [`place`] (workloads become pods with nodes and addresses) → [`party`] (who speaks)
//! → [`ports`] (which ports matter) → [`probe`] (what is asked, and what is predicted) → [`topology`] (namespaces,
//! links, routes) → the [`Enforcer`] attaches programs → links come up → [`exchange`] (real packets) → [`evidence`]
//! (what was seen, judged) → [`matrix`] (what is shown).
//!
//! Invariants:
//! - a pod's interface comes up only after its programs are attached;
//! - denied means that the right program said so, not that nothing was heard;
//! - everything is taken down again, whatever happens short of SIGKILL; after that, [`run_id::remove_leftovers`]
//!   finds it.

pub mod cancel;
pub mod command;
pub mod evidence;
pub mod exchange;
mod handshake;
pub mod matrix;
mod message;
pub mod party;
pub mod place;
pub mod ports;
pub mod probe;
pub mod programs;
pub mod run_id;
mod sockets;
pub mod topology;

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use ir::flow::{Flow, Judgement};
use ir::model::Model;

use cancel::Cancel;
use evidence::{DropSource, Observation};
use party::Party;
use probe::Probe;
use run_id::RunId;
use topology::Topology;

pub use sockets::raise_open_files;

/// Why a run of the lab came to no result. A verdict that differs is a result.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The cluster cannot be laid out.
    #[error(transparent)]
    Place(#[from] place::PlaceError),
    /// The input is too large for one machine's ports.
    #[error(transparent)]
    TooManyProbes(#[from] probe::TooManyProbes),
    /// The cluster cannot be built.
    #[error("cannot build the cluster: {0}")]
    Topology(#[from] topology::TopologyError),
    /// Programs cannot be attached or taken off.
    #[error("cannot enforce the policies: {0}")]
    Enforce(String),
    /// Pins stay.
    #[error(transparent)]
    Pins(run_id::CleanupError),
    /// Probing failed.
    #[error("cannot probe: {0}")]
    Exchange(#[from] exchange::ExchangeError),
    /// The process cannot be prepared.
    #[error("cannot {action}: {source}")]
    Process {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// The system call's error.
        source: io::Error,
    },
}

impl LabError {
    /// Whether a signal ended the run.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(
            self,
            Self::Topology(topology::TopologyError::Interrupted)
                | Self::Exchange(exchange::ExchangeError::Interrupted)
        )
    }
}

/// Whoever puts policies in force on the nodes of the lab.
pub trait Enforcer {
    /// Attaches to every pod's device; the pods' links are down. Gives the places where drops are read.
    ///
    /// # Errors
    /// A sentence about what failed. What was attached until then is for [`Self::detach`].
    fn attach(
        &mut self,
        run: RunId,
        model: &Model,
        topology: &Topology,
    ) -> Result<Vec<Box<dyn DropSource>>, String>;

    /// Takes off whatever was attached and removes its pins. Called once after [`Self::attach`], also after a failure
    /// or a panic, while the devices still are.
    ///
    /// # Errors
    /// A sentence about what stays.
    fn detach(&mut self) -> Result<(), String>;
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was decided where the manifests are silent.
    pub notes: Vec<String>,
    /// The placed cluster and its policies.
    pub model: Model,
    /// Who spoke.
    pub parties: Vec<Party>,
    /// On which ports.
    pub ports: BTreeSet<u16>,
    /// What was asked.
    pub probes: Vec<Probe>,
    /// What was seen of each.
    pub seen: Vec<Observation>,
}

impl Report {
    /// The probes with another outcome than predicted, or without evidence for it.
    pub fn mismatches(&self) -> impl Iterator<Item = (&Probe, &Observation)> {
        self.probes
            .iter()
            .zip(&self.seen)
            .filter(|(probe, seen)| !evidence::as_predicted(probe, seen))
    }
}

/// Runs the lab once. Needs root.
///
/// # Errors
/// When no result was reached; everything is taken down then, too.
pub fn run(
    input: &Model,
    predict: &dyn Fn(&Model, &Flow) -> Judgement,
    enforcer: &mut dyn Enforcer,
    limit: Duration,
    cancel: &Cancel,
) -> Result<Report, LabError> {
    let process = |action| move |source| LabError::Process { action, source };
    raise_open_files().map_err(process("raise the limit of open files"))?;
    let run = RunId::of_this_process().map_err(process("name the run"))?;

    let place::Placed { model, notes } = place::place(input)?;
    let parties = party::parties(&model);
    let ports = ports::that_matter(&model);
    let probes = probe::plan(&parties, &ports, &|flow| predict(&model, flow))?;

    let topology = Topology::build(run, &model, &parties, cancel)?;
    let enforcement = Enforcement {
        enforcer,
        run,
        done: false,
    };
    let mut drops = enforcement
        .enforcer
        .attach(run, &model, &topology)
        .map_err(LabError::Enforce)?;
    topology.bring_up(&parties, &model.cluster, cancel)?;
    let seen = exchange::run(&topology, &parties, &ports, &probes, &mut drops, limit, cancel)?;
    drop(drops);
    enforcement.finish()?;
    Ok(Report {
        notes,
        model,
        parties,
        ports,
        probes,
        seen,
    })
}

/// Takes the programs off and removes the run's pins, however the run ends.
struct Enforcement<'a> {
    enforcer: &'a mut dyn Enforcer,
    run: RunId,
    done: bool,
}

impl Enforcement<'_> {
    fn finish(mut self) -> Result<(), LabError> {
        self.done = true;
        self.take_off()
    }

    fn take_off(&mut self) -> Result<(), LabError> {
        let detached = self.enforcer.detach().map_err(LabError::Enforce);
        // Also when detaching failed: without its pin a link ends with this process at the latest.
        let removed = run_id::remove_pins(&self.run.pin_directory());
        detached.and(removed.map_err(LabError::Pins))
    }
}

impl Drop for Enforcement<'_> {
    fn drop(&mut self) {
        if !self.done {
            // The error that ended the run is the one to report.
            let _ = self.take_off();
        }
    }
}
