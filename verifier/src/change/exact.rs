//! What a change opens and closes, by the algebra.
//!
//! A flow is allowed where both of its ends let it through. What a change does on one side is found by the algebra in
//! the corners of the policies that go and come (`algebra::difference`), for both sides; each such set of flows is
//! then narrowed to what the other end lets through: after the change where it opens, before it where it closes. So a
//! flow that is changed at both ends is told, and one that is the same before and after is not. Where only a few have a
//! say at the other end that is written out; where many do (whoever may send to a pod that everybody may reach), the
//! area says so in a word ([`Area::other_end`](super::Area::other_end)), and is exact as it is said. A set of which the
//! other end lets nothing through is none.

use std::cell::Cell;
use std::ops::ControlFlow;

use ir::flow::Judgement;
use ir::model::Model;
use ir::policy::{Direction, PolicyId};

use super::Side;
use super::example::Examples;
use super::words;
use crate::algebra::flows::Flows;
use crate::algebra::versions::{Version, Versions};
use crate::algebra::{Algebra, GaveUp};
use crate::error::VerifierError;
use crate::witness::Witness;

/// Where at most this many have a say at the other end, what they let through is written out.
const FEW_AT_THE_OTHER_END: usize = 24;

/// Unless it falls into more areas than this.
const FEW_AREAS: usize = 4;

/// Steps of the algebra for what one policy changes on one side.
pub(super) const STEPS: u32 = 100_000;

/// Why nothing is told.
pub(super) enum Stopped {
    /// A policy took too many steps.
    GaveUp,
    /// A mistake of ours.
    Mistake(VerifierError),
}

impl From<GaveUp> for Stopped {
    fn from(GaveUp: GaveUp) -> Self {
        Self::GaveUp
    }
}

/// A model in which changes are asked about.
pub(crate) struct Exact<'m> {
    algebra: &'m Algebra<'m>,
    examples: Examples<'m>,
    /// How many areas of each kind are described.
    most: usize,
}

/// Flows on one side, and whether the other end keeps out more of them than can be told.
pub(super) struct Part {
    pub(super) flows: Flows,
    pub(super) direction: Direction,
    /// The policy that speaks of them.
    pub(super) policy: PolicyId,
    pub(super) other_end: bool,
}

impl<'m> Exact<'m> {
    pub(crate) fn of(model: &'m Model, algebra: &'m Algebra<'m>, most: usize) -> Self {
        Self {
            algebra,
            examples: Examples::of(model, algebra),
            most,
        }
    }

    #[cfg(test)]
    pub(super) fn algebra(&self) -> &'m Algebra<'m> {
        self.algebra
    }

    /// What the model's policies say of a flow, before or after a change.
    pub(crate) fn judge(&self, witness: &Witness, versions: &Versions, version: Version) -> Judgement {
        self.examples.judge(witness, |id| versions.has(version, id))
    }

    /// What a change opens and what it closes. `judged` says of an example what the policies before and those after it
    /// say, and confirms it.
    pub(crate) fn sides(
        &self,
        versions: &Versions,
        judged: impl Fn(&Witness) -> [Judgement; 2],
    ) -> Result<Result<[Side; 2], GaveUp>, VerifierError> {
        let [mut opened, mut closed] = [Side::nothing(), Side::nothing()];
        let told = self.parts(versions, &mut |part, gained| {
            let side = if gained { &mut opened } else { &mut closed };
            // Where it is known that there are more, the others of the kind need not be looked at.
            if side.complete {
                self.tell(part, versions, gained, side, &judged)?;
            }
            Ok(if opened.complete || closed.complete {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        });
        match told {
            Ok(()) => Ok(Ok([opened, closed])),
            Err(Stopped::GaveUp) => Ok(Err(GaveUp)),
            Err(Stopped::Mistake(error)) => Err(error),
        }
    }

    /// Adds a part to its side, with an example; or finds that there is more than can be told.
    fn tell(
        &self,
        part: Part,
        versions: &Versions,
        gained: bool,
        side: &mut Side,
        judged: &impl Fn(&Witness) -> [Judgement; 2],
    ) -> Result<(), Stopped> {
        let version = version_of_the_other_end(gained);
        // None: the other end lets nothing of it through.
        let Some(mut witness) = self.examples.one(&part, &|owner| versions.says(version, owner))? else {
            return Ok(());
        };
        if side.areas.len() >= self.most {
            side.complete = false;
            return Ok(());
        }
        let [before, after] = judged(&witness);
        if (before.allowed(), after.allowed()) != (!gained, gained) {
            return Err(Stopped::Mistake(VerifierError::ReplayFlow {
                flow: witness.to_string(),
                what: "its verdict does not change as the algebra says",
            }));
        }
        witness.allowed = gained;
        witness.direction = part.direction;
        let area = words::area(self.algebra.words(), &part, witness, [before, after]);
        side.areas.push(area);
        Ok(())
    }

    /// Hands out what is opened (`true`) and what is closed, until `take` has enough.
    pub(super) fn parts(
        &self,
        versions: &Versions,
        take: &mut dyn FnMut(Part, bool) -> Result<ControlFlow<()>, Stopped>,
    ) -> Result<(), Stopped> {
        let words = self.algebra.words();
        for direction in Direction::BOTH {
            let taken =
                self.algebra
                    .made_by::<Stopped>(versions, direction, STEPS, &mut |change, budget| {
                        let Some(flows) = change.flows.simplified(words) else {
                            return Ok(ControlFlow::Continue(()));
                        };
                        let part = Part {
                            flows,
                            direction,
                            policy: change.policy,
                            other_end: false,
                        };
                        for part in self.as_the_other_end_sees(part, versions, change.gained, budget)? {
                            if take(part, change.gained)?.is_break() {
                                return Ok(ControlFlow::Break(()));
                            }
                        }
                        Ok(ControlFlow::Continue(()))
                    })?;
            if taken.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn as_the_other_end_sees(
        &self,
        part: Part,
        versions: &Versions,
        gained: bool,
        budget: &Cell<u32>,
    ) -> Result<Vec<Part>, GaveUp> {
        let (algebra, words) = (self.algebra, self.algebra.words());
        let version = version_of_the_other_end(gained);
        let there = |owner: &_| versions.says(version, owner);
        let (flows, direction) = (&part.flows, part.direction);
        if !algebra.is_kept_out_somewhere(flows, direction, &there, budget)? {
            return Ok(vec![part]);
        }
        let told = algebra.let_through(flows, direction, &there, FEW_AT_THE_OTHER_END, budget)?;
        let told: Option<Vec<Flows>> = told.map(|told| {
            let told = told.into_iter().filter_map(|flows| flows.simplified(words));
            told.collect()
        });
        Ok(match told {
            Some(told) if told.len() <= FEW_AREAS => {
                let rest = flows.base.with_no_pod(words);
                let rest = rest.and_then(|rest| flows.and(&rest, words)?.simplified(words));
                let all = told.into_iter().chain(rest);
                all.map(|flows| Part { flows, ..part }).collect()
            }
            _ => vec![Part {
                other_end: true,
                ..part
            }],
        })
    }
}

/// The other end is judged as it is after what is opened, and as it was before what is closed.
fn version_of_the_other_end(gained: bool) -> Version {
    if gained { Version::After } else { Version::Before }
}
