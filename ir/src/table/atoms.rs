//! The ports of one protocol, cut wherever a rule begins or ends to match: between two cuts nothing changes.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::iter::Peekable;

use super::rule::{Contribution, RuleInForce};
use crate::port::Protocol;

/// A walk over the atoms of a protocol, which keeps what matches on the way.
pub(super) struct Atoms {
    highest: u16,
    changes: Peekable<btree_map::IntoIter<u16, Vec<Change>>>,
    /// By the position of the rule.
    matching: BTreeMap<usize, Matched>,
}

/// At some port, a part of a rule begins or ends to match.
struct Change {
    rule: usize,
    part: Part,
    begins: bool,
}

#[derive(Clone, Copy)]
enum Part {
    /// One of its ranges, on which it matches all of its peers.
    Range,
    /// One of its numbers behind names.
    Named(usize),
}

/// What of a rule matches here.
#[derive(Default)]
struct Matched {
    ranges: usize,
    named: BTreeSet<usize>,
}

impl Atoms {
    pub(super) fn of(protocol: Protocol, rules: &[RuleInForce]) -> Self {
        let highest = protocol.highest_port();
        let mut changes: BTreeMap<u16, Vec<Change>> = BTreeMap::from([(0, Vec::new())]);
        let mut matching: BTreeMap<usize, Matched> = BTreeMap::new();
        // A rule that matches no peer matches nothing.
        let rules = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| !rule.peers.is_empty());
        for (index, rule) in rules {
            if rule.any_port {
                matching.entry(index).or_default().ranges += 1;
                continue;
            }
            let ranges = rule.ranges.iter().map(|range| (*range, Part::Range));
            let named = rule.named.iter().enumerate();
            let named = named.map(|(part, (p, number, _))| ((*p, *number, *number), Part::Named(part)));
            for ((_, first, last), part) in ranges
                .chain(named)
                .filter(|((p, first, last), _)| *p == protocol && first <= last)
            {
                let mut change = |at, begins| {
                    let rule = index;
                    changes.entry(at).or_default().push(Change { rule, part, begins });
                };
                change(first, true);
                if let Some(behind) = last.checked_add(1).filter(|behind| *behind <= highest) {
                    change(behind, false);
                }
            }
        }
        Self {
            highest,
            changes: changes.into_iter().peekable(),
            matching,
        }
    }

    /// Goes on to the next atom: its first and last port.
    pub(super) fn next_atom(&mut self) -> Option<(u16, u16)> {
        let (first, changes) = self.changes.next()?;
        for change in changes {
            let matched = self.matching.entry(change.rule).or_default();
            match (change.part, change.begins) {
                (Part::Range, true) => matched.ranges += 1,
                (Part::Range, false) => matched.ranges = matched.ranges.saturating_sub(1),
                (Part::Named(part), true) => _ = matched.named.insert(part),
                (Part::Named(part), false) => _ = matched.named.remove(&part),
            }
            if matched.ranges == 0 && matched.named.is_empty() {
                self.matching.remove(&change.rule);
            }
        }
        let last = self.changes.peek().map_or(self.highest, |(next, _)| next - 1);
        Some((first, last))
    }

    /// What matches on the atom, by the position of the rule, ascending.
    pub(super) fn contributions(&self) -> Vec<(usize, Contribution)> {
        let contribution = |matched: &Matched| match matched.ranges {
            0 => Contribution::Named(matched.named.iter().copied().collect()),
            _ => Contribution::Whole,
        };
        self.matching
            .iter()
            .map(|(rule, matched)| (*rule, contribution(matched)))
            .collect()
    }
}
