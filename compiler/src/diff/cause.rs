//! Which lines are responsible for a difference: what decides the flow on both sides.
//!
//! Read from the verdict tables, at one flow for each run of ports that they do not tell apart.

use super::Change;
use crate::cite::{Reason, Ruling};
use crate::connectivity::members::Members;
use crate::connectivity::{Apart, Peer, PortSet};
use crate::resolve::{self, Resolved};
use ir::cluster::{EndpointId, Family};
use ir::flow::Party;
use ir::policy::Direction;
use ir::port::Protocol;
use std::collections::BTreeSet;

/// Why some ports differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The ports.
    pub ports: PortSet,
    /// What was decided; `None` where an end did not exist.
    pub old: Option<Verdict>,
    /// What is decided now; `None` where an end no longer exists.
    pub new: Option<Verdict>,
}

/// What both ends decide about a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The source.
    pub egress: Ruling,
    /// The destination.
    pub ingress: Ruling,
}

impl Verdict {
    /// Whether both let it through.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.egress.allowed && self.ingress.allowed
    }

    /// The decision of one side.
    #[must_use]
    pub fn of(&self, direction: Direction) -> &Ruling {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }
}

/// Both sides, and who their ends are.
pub(super) struct Causes<'a, 'm> {
    old: Side<'a, 'm>,
    new: Side<'a, 'm>,
}

struct Side<'a, 'm> {
    resolved: &'a Resolved<'m>,
    members: Members,
}

impl<'a, 'm> Causes<'a, 'm> {
    pub(super) fn of(old: &'a Resolved<'m>, new: &'a Resolved<'m>, apart: &Apart) -> Self {
        let side = |resolved: &'a Resolved<'m>| Side {
            resolved,
            members: Members::of(&resolved.model.cluster, apart),
        };
        Self {
            old: side(old),
            new: side(new),
        }
    }

    /// The causes of a change; each port that differs has one.
    pub(super) fn explain(&self, change: &Change) -> Vec<Cause> {
        let differing = change.added().or(&change.removed());
        let mut cuts: BTreeSet<(Protocol, u16)> = BTreeSet::new();
        for side in [&self.old, &self.new] {
            cuts.extend(side.cuts(&change.source, Direction::Egress));
            cuts.extend(side.cuts(&change.destination, Direction::Ingress));
        }
        let mut causes: Vec<Cause> = Vec::new();
        for range in differing.ranges() {
            let inner = (range.protocol, range.first)..=(range.protocol, range.last);
            let mut firsts: BTreeSet<u16> = cuts.range(inner).map(|(_, first)| *first).collect();
            firsts.insert(range.first);
            let mut firsts = firsts.into_iter().peekable();
            while let Some(first) = firsts.next() {
                let last = firsts.peek().map_or(range.last, |next| next - 1);
                let ports = PortSet::range(range.protocol, first, last);
                let verdict = |side: &Side<'_, '_>, open: &PortSet| {
                    let open = open.contains(range.protocol, first);
                    side.verdict(&change.source, &change.destination, range.protocol, first, open)
                };
                let (old, new) = (verdict(&self.old, &change.old), verdict(&self.new, &change.new));
                match causes
                    .iter_mut()
                    .find(|cause| cause.old == old && cause.new == new)
                {
                    Some(cause) => cause.ports = cause.ports.or(&ports),
                    None => causes.push(Cause { ports, old, new }),
                }
            }
        }
        causes
    }
}

impl Side<'_, '_> {
    /// Where the rows of an end's table begin.
    fn cuts(&self, peer: &Peer, direction: Direction) -> Vec<(Protocol, u16)> {
        self.members
            .behind(peer)
            .iter()
            .take(1)
            .filter_map(|id| self.resolved.tables(*id))
            .flat_map(|tables| &tables.of(direction).rows)
            .map(|row| (row.protocol, row.first))
            .collect()
    }

    /// What is decided between two ends on a port: of the ways between them one that is `open` as the whole is.
    fn verdict(
        &self,
        source: &Peer,
        destination: &Peer,
        protocol: Protocol,
        port: u16,
        open: bool,
    ) -> Option<Verdict> {
        let mut first = None;
        for (from, to) in self.ways(source, destination) {
            let verdict = Verdict {
                egress: self.ruling(from, to, Direction::Egress, protocol, port)?,
                ingress: self.ruling(to, from, Direction::Ingress, protocol, port)?,
            };
            if verdict.allowed() == open {
                return Some(verdict);
            }
            first.get_or_insert(verdict);
        }
        first
    }

    /// The pairs of parties of two ends, over the addresses that they have.
    fn ways(&self, source: &Peer, destination: &Peer) -> Vec<(Party, Party)> {
        let cluster = &self.resolved.model.cluster;
        let at = |id: EndpointId, address| Party::Endpoint { id, address };
        let towards =
            |id: EndpointId, family: Family| cluster.endpoint(id).and_then(|pod| pod.address(family));
        let pods = |peer: &Peer| self.members.behind(peer).to_vec();
        match (source, destination) {
            (Peer::Outside(blocks), workload) | (workload, Peer::Outside(blocks)) => {
                let leaves = matches!(destination, Peer::Outside(_));
                let mut ways = Vec::new();
                for block in blocks {
                    let address = block.network();
                    for id in pods(workload).into_iter().take(1) {
                        let pod = at(id, towards(id, Family::of(address)));
                        let other = Party::Outside(address);
                        ways.push(if leaves { (pod, other) } else { (other, pod) });
                    }
                }
                ways
            }
            (source, destination) => {
                let (from, to) = (pods(source), pods(destination));
                // Between the pods of one workload: the first two, or the one that stands for both.
                let pair = match (
                    from.first(),
                    to.iter().find(|id| Some(*id) != from.first()).or(to.first()),
                ) {
                    (Some(from), Some(to)) => (*from, *to),
                    _ => return Vec::new(),
                };
                // One pod that stands for itself alone has nobody to talk to.
                if pair.0 == pair.1 && !self.members.are_several(source) {
                    return Vec::new();
                }
                resolve::address_pairs(cluster, pair.0, pair.1)
                    .into_iter()
                    .map(|(source, destination)| (at(pair.0, source), at(pair.1, destination)))
                    .collect()
            }
        }
    }

    /// What `subject` decides about a flow with `peer`.
    fn ruling(
        &self,
        subject: Party,
        peer: Party,
        direction: Direction,
        protocol: Protocol,
        port: u16,
    ) -> Option<Ruling> {
        let model = self.resolved.model;
        let Party::Endpoint { id, .. } = subject else {
            return Some(Ruling::without_lines(true, Reason::NoPolicyOfItsOwn));
        };
        if model.cluster.endpoint(id)?.host_network {
            return Some(Ruling::without_lines(true, Reason::NoPolicyOfItsOwn));
        }
        let peer = match peer {
            Party::Endpoint { id, address } => resolve::as_party(&model.cluster, id, address),
            peer => peer,
        };
        let identities = &self.resolved.identities;
        let identity = match peer {
            // The block may hold addresses of pods; what is meant is the rest of it.
            Party::Outside(address) => identities.addresses().around(address)?,
            peer => identities.of_party(peer)?,
        };
        let table = self.resolved.tables(id)?.of(direction);
        let decision = table.decide(protocol, port, identity)?;
        Some(Ruling::of(model, &decision))
    }
}
