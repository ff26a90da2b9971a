//! What a change of the input does to flows: those it adds, those it cuts, and the lines responsible on both sides.
//!
//! Concrete: between the workloads that are in the input and the addresses outside, read from the connections of both
//! sides ([`crate::connectivity`]). A workload of one side only has all of its flows added or cut, and is named as
//! such. That nothing changes here says nothing about pods that could exist: it is not a proof, and is never called
//! one. A comparison over all pods is another question, with formulas instead of connections; it takes the same two
//! models and has a file of its own beside these.
//!
//! Invariant: the changes, applied to the old connections, give the new ones; between equal inputs there are none.

mod cause;
mod cells;
pub mod dot;
pub mod human;
pub mod json;
pub mod rows;
#[cfg(test)]
mod tests;

pub use cause::{Cause, Verdict};

use crate::connectivity::{Apart, Connectivity, Peer, PortSet};
use crate::resolve::Resolved;
use cause::Causes;
use ir::cluster::Cluster;
use std::collections::BTreeSet;

/// What differs between two inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The flows that differ, sorted by their ends.
    pub changes: Vec<Change>,
    /// Workloads of the old input only, sorted.
    pub only_old: Vec<Peer>,
    /// Workloads of the new input only, sorted.
    pub only_new: Vec<Peer>,
}

/// The flows from one end to another, where they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who opens them.
    pub source: Peer,
    /// Who receives them.
    pub destination: Peer,
    /// Ports that were open.
    pub old: PortSet,
    /// Ports that are open now.
    pub new: PortSet,
    /// Why, for all ports that differ.
    pub causes: Vec<Cause>,
}

/// What sort of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing was open before.
    Added,
    /// Nothing is open now.
    Removed,
    /// Some ports were open, and others are now.
    Changed,
}

impl Kind {
    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl Change {
    /// What sort of change it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (self.old.is_empty(), self.new.is_empty()) {
            (true, _) => Kind::Added,
            (false, true) => Kind::Removed,
            (false, false) => Kind::Changed,
        }
    }

    /// Ports that are open now and were not.
    #[must_use]
    pub fn added(&self) -> PortSet {
        self.new.without(&self.old)
    }

    /// Ports that were open and are not now.
    #[must_use]
    pub fn removed(&self) -> PortSet {
        self.old.without(&self.new)
    }
}

impl Diff {
    /// How many changes are of a kind.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.changes.iter().filter(|change| change.kind() == kind).count()
    }
}

/// Compares two inputs.
#[must_use]
pub fn diff(old: &Resolved<'_>, new: &Resolved<'_>) -> Diff {
    let (before, after) = (Connectivity::of(old), Connectivity::of(new));
    let apart = apart(&before, &after);
    let differing = cells::differing(&before.connections(&apart), &after.connections(&apart));
    let causes = Causes::of(old, new, &apart);
    let changes = differing.into_iter().map(|cell| {
        let mut change = Change {
            source: cell.source,
            destination: cell.destination,
            old: cell.old,
            new: cell.new,
            causes: Vec::new(),
        };
        change.causes = causes.explain(&change);
        change
    });
    Diff {
        changes: changes.collect(),
        only_old: beyond(&old.model.cluster, &new.model.cluster),
        only_new: beyond(&new.model.cluster, &old.model.cluster),
    }
}

/// Workloads whose pods are told one by one: those that either side has to, so that both have the same ends.
fn apart(old: &Connectivity<'_, '_>, new: &Connectivity<'_, '_>) -> Apart {
    old.apart().union(&new.apart()).cloned().collect()
}

/// The workloads of one cluster that the other does not have.
fn beyond(cluster: &Cluster, other: &Cluster) -> Vec<Peer> {
    let workloads = |cluster: &Cluster| -> BTreeSet<(String, String, String)> {
        cluster
            .endpoints()
            .iter()
            .map(|pod| {
                let workload = &pod.workload;
                (
                    pod.namespace.clone(),
                    workload.name.clone(),
                    workload.kind.clone(),
                )
            })
            .collect()
    };
    let known = workloads(other);
    workloads(cluster)
        .into_iter()
        .filter(|workload| !known.contains(workload))
        .map(|(namespace, name, kind)| Peer::Workload {
            namespace,
            name,
            kind,
            host_network: false,
        })
        .collect()
}
