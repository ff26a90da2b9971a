//! What a change of policies does on one side: the flows whose verdict is another one after it.
//!
//! Both verdicts are walked at once along the line of everybody who has a say. Where an entry decides before and after,
//! its flows are no difference; where it decides one of the two, the other goes on. Nothing is cut
//! into pieces on the way: what an entry takes becomes an exception of what goes on, so that what is found reads
//! like the rules that it comes from ([`Flows`]). Only flows that a policy that goes or comes speaks of are walked, and
//! only with those who can meet them: many policies cost as much as their own corners, one by one.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ir::policy::{Direction, PolicyId};
use roaring::RoaringBitmap;

use super::cube::{Bits, Cube};
use super::flows::Flows;
use super::line::{Fate, GaveUp, Place};
use super::versions::Versions;
use super::words::Words;
use super::{Algebra, Owner, Side};

/// Flows on one side that a change lets through, or keeps out.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) flows: Flows,
    /// The policy that speaks of them, which goes or comes.
    pub(crate) policy: PolicyId,
    /// Whether they are let through after it and not before; else the other way round.
    pub(crate) gained: bool,
}

/// One who has a say, and in which of the two verdicts.
struct Step<'a> {
    place: Place,
    cube: Cow<'a, Cube>,
    fate: Fate,
    /// Whether it is there before, and whether after.
    there: (bool, bool),
}

impl Step<'_> {
    fn stays(&self) -> bool {
        self.there == (true, true)
    }
}

/// Takes a change, with the steps that are left, and says whether there may be more.
pub(crate) type Take<'t, E> = &'t mut dyn FnMut(Change, &Cell<u32>) -> Result<ControlFlow<()>, E>;

/// What is said.
pub(crate) type Present<'p> = &'p dyn Fn(&Owner) -> bool;

/// At most this many candidates at the other end are looked at for one set of flows: so much is told of them, and a set
/// of policies ten times as large costs ten times as much.
const LOOKED_AT: usize = 4_096;

/// What becomes of the flows of one cube, as far as its owner is asked.
struct Say<'a> {
    /// The cube's in its side.
    number: u32,
    place: Place,
    fate: Fate,
    /// Whether it is there before, and whether after.
    there: (bool, bool),
    cube: &'a Cube,
}

impl Say<'_> {
    fn is_alike(&self, place: Place, fate: Fate, there: (bool, bool)) -> bool {
        (self.place, self.fate, self.there) == (place, fate, there)
    }
}

/// How far a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Entries from this one on are asked.
    Open(usize),
    Allowed,
    Denied,
}

impl Verdict {
    fn is_open_at(self, at: usize) -> bool {
        matches!(self, Self::Open(from) if from <= at)
    }

    /// At the end everything is allowed.
    fn is_allowed(self) -> bool {
        self != Self::Denied
    }
}

impl Algebra<'_> {
    /// Hands out everything that a change does on one side, policy by policy, until `take` has enough; with it the steps
    /// that are left of those for the policy.
    pub(crate) fn made_by<E: From<GaveUp>>(
        &self,
        versions: &Versions,
        direction: Direction,
        steps_for_each: u32,
        take: Take<'_, E>,
    ) -> Result<ControlFlow<()>, E> {
        let side = self.side(direction);
        // What was looked at, by the number of its cube.
        let mut seen = RoaringBitmap::new();
        let mut said: BTreeMap<u32, Say<'_>> = BTreeMap::new();
        for policy in versions.changed() {
            let budget = &Cell::new(steps_for_each);
            for own in self.spoken_of_by(policy, versions, side) {
                let (base, words) = (own.cube, &self.words);
                let mut steps = self.steps(base, direction, |owner| versions.of(owner));
                // What else is said of the kind makes no difference to what is said of these.
                steps.retain(|step| {
                    step.stays() || !own.is_alike(step.place, step.fate, step.there) || *step.cube == *base
                });
                let before = side.index.near(base, words) & &seen;
                let except = before
                    .into_iter()
                    .filter_map(|number| said.get(&number))
                    .filter(|other| !own.is_alike(other.place, other.fate, other.there))
                    .filter_map(|other| other.cube.and(base, words));
                let flows = Flows {
                    except: except.collect(),
                    base: base.clone(),
                };
                if !flows.takes_out(base) {
                    let open = (Verdict::Open(0), Verdict::Open(0));
                    let mut parted = vec![];
                    Walk::of(words, steps, budget).go(flows, 0, open, &mut parted)?;
                    for (flows, gained) in parted {
                        let change = Change {
                            flows,
                            policy,
                            gained,
                        };
                        if take(change, budget)?.is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                }
                seen.insert(own.number);
                said.insert(own.number, own);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Of flows between pods, told as one side of them: those that the other end's side lets through; `None` where more
    /// than a few have a say in them. `there` says what is said.
    pub(crate) fn let_through(
        &self,
        flows: &Flows,
        direction: Direction,
        there: Present<'_>,
        few: usize,
        budget: &Cell<u32>,
    ) -> Result<Option<Vec<Flows>>, GaveUp> {
        let opposite = direction.opposite();
        let mirrored = |cube: &Cube| cube.at_the_other_end(&self.words);
        let Some(base) = mirrored(&flows.base) else {
            return Ok(Some(vec![]));
        };
        let near = self.candidates(&base, opposite);
        let mut speaking = 0;
        for (number, owned) in near.enumerate() {
            let speaks = there(&owned.owner) && base.and(&owned.cube, &self.words).is_some();
            speaking += usize::from(speaks);
            if speaking > few || number >= LOOKED_AT {
                return Ok(None);
            }
        }
        let walk = Walk::of(
            &self.words,
            self.steps(&base, opposite, |owner| (false, there(owner))),
            budget,
        );
        let seen = Flows {
            except: flows.except.iter().filter_map(mirrored).collect(),
            base,
        };
        let mut found = vec![];
        walk.go(seen, 0, (Verdict::Denied, Verdict::Open(0)), &mut found)?;
        let back = found.into_iter().filter_map(|(flows, _)| {
            Some(Flows {
                base: mirrored(&flows.base)?,
                except: flows.except.iter().filter_map(mirrored).collect(),
            })
        });
        Ok(Some(back.collect()))
    }

    /// Some of the flows of a cube, told as one side of them, that the other end lets through and that `then` takes.
    /// An end that is no pod lets through whatever it gets.
    pub(crate) fn find_let_through(
        &self,
        cube: &Cube,
        direction: Direction,
        there: Present<'_>,
        budget: &Cell<u32>,
    ) -> Result<Option<Cube>, GaveUp> {
        if let Some(seen) = cube.at_the_other_end(&self.words) {
            let found = self.find_at_the_other_end(&seen, direction, there, Fate::Allowed, budget)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(cube.with_no_pod(&self.words))
    }

    /// Whether the other end's side keeps some of these flows out, or so many would have to be looked at that it may.
    pub(crate) fn is_kept_out_somewhere(
        &self,
        flows: &Flows,
        direction: Direction,
        there: Present<'_>,
        budget: &Cell<u32>,
    ) -> Result<bool, GaveUp> {
        let Some(base) = flows.base.at_the_other_end(&self.words) else {
            return Ok(false);
        };
        // Whoever keeps a flow out speaks of it.
        for (number, owned) in self.denying(&base, direction.opposite()).enumerate() {
            if number >= LOOKED_AT {
                return Ok(true);
            }
            if !there(&owned.owner) {
                continue;
            }
            let part = owned.cube.at_the_other_end(&self.words);
            let Some(part) = part.and_then(|part| flows.and(&part, &self.words)) else {
                continue;
            };
            let found = part.find(
                &self.words,
                budget,
                &|cube| match cube.at_the_other_end(&self.words) {
                    Some(seen) => self.find_at_the_other_end(&seen, direction, there, Fate::Denied, budget),
                    None => Ok(None),
                },
            )?;
            if found.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Some of the flows of a cube, told as the other end sees them, that meet this fate there; told as they came.
    fn find_at_the_other_end(
        &self,
        seen: &Cube,
        direction: Direction,
        there: Present<'_>,
        wanted: Fate,
        budget: &Cell<u32>,
    ) -> Result<Option<Cube>, GaveUp> {
        let line = self.everybody(seen, direction.opposite(), budget, |owner| {
            there(&owner).then_some(false)
        });
        line.walk(seen.clone(), Place::OwnNode, wanted, &|cube| {
            Ok(cube.at_the_other_end(&self.words))
        })
    }

    /// What a policy says in one of the two sets alone, in the order in which it is asked.
    fn spoken_of_by<'a>(&self, policy: PolicyId, versions: &Versions, side: &'a Side) -> Vec<Say<'a>> {
        let said = side.of_policy(policy).filter_map(|(number, owned)| {
            let there = versions.of(&owned.owner);
            if there.0 == there.1 {
                return None;
            }
            let (place, fate) = self.place_and_fate(&owned.owner)?;
            Some(Say {
                number,
                place,
                fate,
                there,
                cube: &owned.cube,
            })
        });
        let mut all: Vec<Say<'_>> = said.collect();
        all.sort_by_key(|say| say.place);
        all
    }

    fn steps<'a>(
        &'a self,
        base: &Cube,
        direction: Direction,
        there: impl Fn(&Owner) -> (bool, bool),
    ) -> Vec<Step<'a>> {
        let mut steps = vec![];
        if direction == Direction::Ingress {
            steps.push(Step {
                place: Place::OwnNode,
                cube: Cow::Owned(Cube {
                    own_node: Bits::TRUE,
                    ..Cube::all()
                }),
                fate: Fate::Allowed,
                there: (true, true),
            });
        }
        for owned in self.candidates(base, direction) {
            let Some((place, fate)) = self.place_and_fate(&owned.owner) else {
                continue;
            };
            let there = there(&owned.owner);
            if there != (false, false) && base.and(&owned.cube, &self.words).is_some() {
                steps.push(Step {
                    place,
                    cube: Cow::Borrowed(&owned.cube),
                    fate,
                    there,
                });
            }
        }
        // Those that decide both first: what is left for the others is less.
        steps.sort_by_key(|step| (step.place, step.there.0 != step.there.1));
        steps
    }
}

impl Owner {
    pub(crate) fn policy(&self) -> PolicyId {
        match self {
            Self::Rule(rule) => rule.policy,
            Self::DefaultDeny(policy) => *policy,
        }
    }
}

struct Walk<'a> {
    words: &'a Words,
    steps: Vec<Step<'a>>,
    /// The steps that decide one of the two verdicts.
    parting: Vec<usize>,
    /// The first step behind the admin tier.
    behind_admin: usize,
    budget: &'a Cell<u32>,
}

impl<'a> Walk<'a> {
    fn of(words: &'a Words, steps: Vec<Step<'a>>, budget: &'a Cell<u32>) -> Self {
        let parting = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.there.0 != step.there.1);
        Self {
            words,
            parting: parting.map(|(at, _)| at).collect(),
            behind_admin: steps.partition_point(|step| step.place < Place::Deny),
            steps,
            budget,
        }
    }

    /// Goes on with flows whose verdicts before and after are this far.
    fn go(
        &self,
        mut flows: Flows,
        from: usize,
        verdicts: (Verdict, Verdict),
        found: &mut Vec<(Flows, bool)>,
    ) -> Result<(), GaveUp> {
        let (before, after) = verdicts;
        for (at, step) in self.steps.iter().enumerate().skip(from) {
            let here = (
                step.there.0 && before.is_open_at(at),
                step.there.1 && after.is_open_at(at),
            );
            if here == (false, false) {
                continue;
            }
            // Verdicts that are the same so far part at somebody who decides one of them.
            if before == after && !self.part_later(&flows.base, at) {
                return Ok(());
            }
            let Some(part) = flows.base.and(&step.cube, self.words) else {
                continue;
            };
            if flows.takes_out(&part) {
                continue;
            }
            match self.budget.get().checked_sub(1) {
                Some(left) => self.budget.set(left),
                None => return Err(GaveUp),
            }
            let all = flows.base.is_inside(&step.cube);
            let next = |verdict, here| match (here, step.fate) {
                (true, Fate::Passed) => Verdict::Open(self.behind_admin),
                (true, Fate::Allowed) => Verdict::Allowed,
                (true, _) => Verdict::Denied,
                (false, _) => verdict,
            };
            let now = (next(before, here.0), next(after, here.1));
            let goes_on = matches!(now, (Verdict::Open(_), _) | (_, Verdict::Open(_)));
            // Most steps decide both alike, and nobody asks what is left of their flows: for a policy that everybody
            // is under, each of thousands would have to be held against all those before it.
            if (goes_on || differ(now))
                && let Some(part_of_them) = flows.and(&part, self.words)
            {
                if goes_on {
                    self.go(part_of_them, at + 1, now, found)?;
                } else {
                    settle(part_of_them, now, found);
                }
            }
            if all {
                return Ok(());
            }
            flows.except.push(part);
        }
        settle(flows, verdicts, found);
        Ok(())
    }

    fn part_later(&self, base: &Cube, at: usize) -> bool {
        let from = self.parting.partition_point(|parting| *parting < at);
        let later = self.parting.iter().skip(from);
        later
            .filter_map(|at| self.steps.get(*at))
            .any(|step| base.and(&step.cube, self.words).is_some())
    }
}

fn differ((before, after): (Verdict, Verdict)) -> bool {
    before.is_allowed() != after.is_allowed()
}

/// Takes flows whose verdicts differ, with whether they are let through after the change.
fn settle(flows: Flows, verdicts: (Verdict, Verdict), found: &mut Vec<(Flows, bool)>) {
    if differ(verdicts) {
        found.push((flows, verdicts.1.is_allowed()));
    }
}
