//! Questions that are about pods, not about a rule: who isolates them, and what becomes of their flows.

use std::cell::Cell;

use ir::policy::{Direction, PolicyId};

use super::cube::Cube;
use super::line::{Fate, GaveUp, Place};
use super::{Algebra, Owner};

impl Algebra<'_> {
    /// The policies that deny by default for some pod of the cubes, ascending.
    pub(crate) fn isolating(&self, pods: &Cube, direction: Direction) -> Vec<PolicyId> {
        self.near(std::slice::from_ref(pods), direction).1
    }

    /// Some pods of `pods` that none of the policies picked denies by default for.
    pub(crate) fn not_isolated(
        &self,
        pods: &Cube,
        direction: Direction,
        by: &dyn Fn(PolicyId) -> bool,
        steps: u32,
    ) -> Result<Option<Cube>, GaveUp> {
        let budget = Cell::new(steps);
        let mut line = self.everybody(pods, direction, &budget, |owner| match owner {
            Owner::DefaultDeny(policy) => by(policy).then_some(false),
            Owner::Rule(_) => None,
        });
        line.entries.retain(|entry| entry.place == Place::DefaultDeny);
        for entry in &mut line.entries {
            entry.fate = Fate::Dropped;
        }
        line.end = Fate::Wanted;
        line.walk(pods.clone(), Place::OwnNode, Fate::Wanted, &|cube| Ok(Some(cube)))
    }

    /// Some flows of the cubes that no rule decides and that are denied by default.
    pub(crate) fn denied_by_default(
        &self,
        within: &[Cube],
        direction: Direction,
        steps: u32,
    ) -> Result<Option<Cube>, GaveUp> {
        let budget = Cell::new(steps);
        for start in within {
            let mut line = self.everybody(start, direction, &budget, |_| Some(false));
            for entry in &mut line.entries {
                entry.fate = match (entry.place, entry.fate) {
                    (Place::DefaultDeny, _) => Fate::Wanted,
                    (_, Fate::Passed) => Fate::Passed,
                    _ => Fate::Dropped,
                };
            }
            let found = line.walk(start.clone(), Place::OwnNode, Fate::Wanted, &|cube| {
                Ok(Some(cube))
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Some flows of the cubes that are allowed on this side.
    pub(crate) fn allowed(
        &self,
        within: &[Cube],
        direction: Direction,
        steps: u32,
    ) -> Result<Option<Cube>, GaveUp> {
        let budget = Cell::new(steps);
        for start in within {
            let line = self.everybody(start, direction, &budget, |_| Some(false));
            let found = line.walk(start.clone(), Place::OwnNode, Fate::Allowed, &|cube| {
                Ok(Some(cube))
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
