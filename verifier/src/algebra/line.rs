//! The rules that have a say in a set of flows, in the order in which they are asked.
//!
//! A verdict is the first entry that matches: the pod's own node; the admin tier by rank; denies; allows; default
//! denies; the baseline tier by rank; and at the end everything is allowed. A pass goes on behind the admin tier. So a
//! question about verdicts is a walk along this line: at each entry the flows part into those that it matches, whose
//! answer is known, and the others, which go on.
//!
//! The walk ends with the first flow that answers the question, or when none is left, or when the cubes that it has
//! cut the flows into are more than it is worth: then the solver is asked.

use std::cell::Cell;

use ir::policy::{Action, Rank, RuleId, Tier};

use super::cube::Cube;
use super::words::Words;

/// The walk took too many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GaveUp;

/// Where an entry stands. The order is that of being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    OwnNode,
    Admin(Rank, RuleId),
    Deny,
    Allow,
    DefaultDeny,
    Baseline(Rank, RuleId),
}

impl Place {
    pub(super) fn of(id: RuleId, rank: Rank, action: Action) -> Self {
        match (rank.tier, action) {
            (Tier::Admin, _) => Self::Admin(rank, id),
            (Tier::Namespaced, Action::Deny) => Self::Deny,
            (Tier::Namespaced, Action::Allow | Action::Pass) => Self::Allow,
            (Tier::Baseline, _) => Self::Baseline(rank, id),
        }
    }
}

/// What happens to a flow that an entry matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Allowed,
    Denied,
    /// Goes on behind the admin tier.
    Passed,
    /// Is not what the question is about.
    Dropped,
    /// Answers the question.
    Wanted,
}

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) place: Place,
    pub(super) cube: std::borrow::Cow<'a, Cube>,
    pub(super) fate: Fate,
    /// Whether it may as well be missing.
    pub(super) free: bool,
}

/// Entries, sorted by place, and what happens at their end.
pub(super) struct Line<'a> {
    pub(super) words: &'a Words,
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) end: Fate,
    /// Steps that are left.
    pub(super) budget: &'a Cell<u32>,
}

/// What to do with flows that have the wanted fate: go on looking for more in them, or take them.
pub(super) type Then<'t> = &'t dyn Fn(Cube) -> Result<Option<Cube>, GaveUp>;

impl Line<'_> {
    /// Some of the flows of `cube` that have the fate `wanted` when they come in at `at`, and that `then` takes.
    pub(super) fn walk(
        &self,
        cube: Cube,
        at: Place,
        wanted: Fate,
        then: Then<'_>,
    ) -> Result<Option<Cube>, GaveUp> {
        let from = self.entries.partition_point(|entry| entry.place < at);
        self.step(cube, from, wanted, then)
    }

    fn step(&self, cube: Cube, mut at: usize, wanted: Fate, then: Then<'_>) -> Result<Option<Cube>, GaveUp> {
        match self.budget.get().checked_sub(1) {
            Some(left) => self.budget.set(left),
            None => return Err(GaveUp),
        }
        let mut seen_through = None;
        while let Some(entry) = self.entries.get(at) {
            let counts = entry.fate == wanted || entry.fate == Fate::Passed;
            if !counts && entry.free {
                at += 1;
                continue;
            }
            if !counts && seen_through != Some(entry.place) {
                seen_through = Some(entry.place);
                if self.is_swallowed(&cube, at, wanted) {
                    return Ok(None);
                }
            }
            let Some(hit) = cube.and(&entry.cube, self.words) else {
                at += 1;
                continue;
            };
            if counts {
                let found = match entry.fate {
                    Fate::Passed => self.walk(hit, Place::Deny, wanted, then)?,
                    _ => then(hit)?,
                };
                if found.is_some() {
                    return Ok(found);
                }
            }
            if entry.free {
                at += 1;
                continue;
            }
            for piece in cube.without(&entry.cube, self.words) {
                let found = self.step(piece, at + 1, wanted, then)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            return Ok(None);
        }
        if self.end == wanted { then(cube) } else { Ok(None) }
    }

    /// Whether one of the entries from `at` on that stand in one place with it, and are there for certain, takes the
    /// whole cube to another fate.
    fn is_swallowed(&self, cube: &Cube, at: usize, wanted: Fate) -> bool {
        let Some(first) = self.entries.get(at) else {
            return false;
        };
        self.entries
            .iter()
            .skip(at)
            .take_while(|entry| entry.place == first.place)
            .any(|entry| {
                !entry.free
                    && entry.fate != wanted
                    && entry.fate != Fate::Passed
                    && cube.is_inside(&entry.cube)
            })
    }
}
