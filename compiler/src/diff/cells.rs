//! The pairs of ends whose open ports differ, addresses outside cut where either side tells them apart.

use crate::connectivity::{Connection, Peer, PortSet, blocks};
use ipnet::IpNet;
use ir::cluster::Family;
use std::collections::{BTreeMap, BTreeSet};

/// One pair of ends, with the ports of both sides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) source: Peer,
    pub(super) destination: Peer,
    pub(super) old: PortSet,
    pub(super) new: PortSet,
}

/// A workload by namespace, name and kind: what one is on both sides, whatever else changes about it.
type Key = (String, String, String);

/// Addresses that all have the same ports, with the ports.
type Groups = Vec<(PortSet, Vec<IpNet>)>;

/// One side of a pair.
#[derive(Default)]
struct Sides<T> {
    old: T,
    new: T,
}

impl<T> Sides<T> {
    fn of(&mut self, is_new: bool) -> &mut T {
        if is_new { &mut self.new } else { &mut self.old }
    }
}

/// The pairs that differ, sorted.
pub(super) fn differing(old: &[Connection], new: &[Connection]) -> Vec<Cell> {
    let mut names: BTreeMap<Key, Peer> = BTreeMap::new();
    let mut inside: BTreeMap<(Key, Key), Sides<PortSet>> = BTreeMap::new();
    // By workload, and whether the flows leave it.
    let mut outside: BTreeMap<(Key, bool), Sides<Groups>> = BTreeMap::new();
    for (is_new, connection) in old
        .iter()
        .map(|connection| (false, connection))
        .chain(new.iter().map(|connection| (true, connection)))
    {
        let mut named = |peer: &Peer| -> Option<Key> {
            let key = key(peer)?;
            // As the new side has it, where it has it.
            names.insert(key.clone(), peer.clone());
            Some(key)
        };
        let ports = (*connection.ports).clone();
        match (&*connection.source, &*connection.destination) {
            (Peer::Outside(blocks), workload) => {
                if let Some(key) = named(workload) {
                    let groups = outside.entry((key, false)).or_default().of(is_new);
                    groups.push((ports, blocks.clone()));
                }
            }
            (workload, Peer::Outside(blocks)) => {
                if let Some(key) = named(workload) {
                    let groups = outside.entry((key, true)).or_default().of(is_new);
                    groups.push((ports, blocks.clone()));
                }
            }
            (source, destination) => {
                if let (Some(source), Some(destination)) = (named(source), named(destination)) {
                    *inside.entry((source, destination)).or_default().of(is_new) = ports;
                }
            }
        }
    }
    let peer = |key: &Key| names.get(key).cloned();
    let pairs = inside.iter().filter_map(|((source, destination), sides)| {
        (sides.old != sides.new).then_some(())?;
        Some(Cell {
            source: peer(source)?,
            destination: peer(destination)?,
            old: sides.old.clone(),
            new: sides.new.clone(),
        })
    });
    let mut cells: Vec<Cell> = pairs.collect();
    for ((workload, leaves), sides) in &outside {
        for ((old, new), blocks) in regrouped(&sides.old, &sides.new) {
            let Some(workload) = peer(workload) else {
                continue;
            };
            let (source, destination) = if *leaves {
                (workload, Peer::Outside(blocks))
            } else {
                (Peer::Outside(blocks), workload)
            };
            cells.push(Cell {
                source,
                destination,
                old,
                new,
            });
        }
    }
    cells.sort();
    cells
}

fn key(peer: &Peer) -> Option<Key> {
    match peer {
        Peer::Workload {
            namespace,
            name,
            kind,
            ..
        } => Some((namespace.clone(), name.clone(), kind.clone())),
        Peer::Outside(_) => None,
    }
}

/// The addresses whose ports differ, by the ports of both sides.
fn regrouped(old: &Groups, new: &Groups) -> BTreeMap<(PortSet, PortSet), Vec<IpNet>> {
    let mut grouped: BTreeMap<(PortSet, PortSet), Vec<IpNet>> = BTreeMap::new();
    for family in Family::BOTH {
        let (old, new) = (intervals(old, family), intervals(new, family));
        let cuts: BTreeSet<u128> = old
            .iter()
            .chain(&new)
            .flat_map(|(first, last, _)| [Some(*first), last.checked_add(1)])
            .flatten()
            .collect();
        let (mut before, mut after) = (old.iter().peekable(), new.iter().peekable());
        let mut ranges: BTreeMap<(PortSet, PortSet), Vec<(u128, u128)>> = BTreeMap::new();
        let mut cuts = cuts.into_iter().peekable();
        while let Some(first) = cuts.next() {
            let last = cuts.peek().map_or(blocks::top(family), |next| next - 1);
            let ports = (ports_at(&mut before, first), ports_at(&mut after, first));
            if ports.0 != ports.1 {
                ranges.entry(ports).or_default().push((first, last));
            }
        }
        for (ports, ranges) in ranges {
            grouped
                .entry(ports)
                .or_default()
                .extend(blocks::of_ranges(family, &ranges));
        }
    }
    grouped
}

type Interval<'g> = (u128, u128, &'g PortSet);

/// First and last address of each block of a family with its ports, sorted. The blocks of one side are disjoint.
fn intervals(groups: &Groups, family: Family) -> Vec<Interval<'_>> {
    let mut intervals: Vec<Interval<'_>> = groups
        .iter()
        .flat_map(|(ports, blocks)| blocks.iter().map(move |block| (block, ports)))
        .filter(|(block, _)| Family::of(block.addr()) == family)
        .map(|(block, ports)| {
            (
                blocks::number(block.network()),
                blocks::number(block.broadcast()),
                ports,
            )
        })
        .collect();
    intervals.sort_unstable();
    intervals
}

/// The ports at an address; asked with ascending addresses.
fn ports_at<'g>(
    intervals: &mut std::iter::Peekable<impl Iterator<Item = &'g Interval<'g>>>,
    address: u128,
) -> PortSet {
    while intervals.next_if(|(_, last, _)| *last < address).is_some() {}
    match intervals.peek() {
        Some((first, _, ports)) if *first <= address => (*ports).clone(),
        _ => PortSet::NONE,
    }
}
