//! What a policy changes on one side: the flows whose verdict is another one without it.
//!
//! Both verdicts are walked at once along the line of everybody who has a say. Where an entry decides with the policy
//! and without it, its flows are no difference; where it decides one of the two, the other goes on. Nothing is cut
//! into pieces on the way: what an entry takes becomes an exception of what goes on, so that what is found reads
//! like the rules that it comes from ([`Flows`]). Only flows that the policy itself speaks of are walked, and only
//! with those who can meet them: many policies cost as much as their own corners, one by one.

use std::borrow::Cow;
use std::cell::Cell;

use ir::policy::{Direction, PolicyId};

use super::cube::{Bits, Cube};
use super::flows::Flows;
use super::line::{Fate, GaveUp, Place};
use super::words::Words;
use super::{Algebra, Owner, fate};

/// Flows on one side that a policy lets through, or keeps out, by being there.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) flows: Flows,
    /// Whether they are let through with it and not without it; else the other way round.
    pub(crate) gained: bool,
}

/// One who has a say, and in which of the two verdicts.
struct Step<'a> {
    place: Place,
    cube: Cow<'a, Cube>,
    fate: Fate,
    without: bool,
    with: bool,
}

/// At most this many candidates at the other end are looked at for one set of flows: so much is told of them, and a set
/// of policies ten times as large costs ten times as much.
const LOOKED_AT: usize = 4_096;

/// What becomes of the flows of one cube, as far as its owner is asked.
struct Say {
    place: Place,
    fate: Fate,
    cube: Cube,
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
    /// Everything that the policy changes on one side.
    pub(crate) fn made_by(
        &self,
        policy: PolicyId,
        direction: Direction,
        budget: &Cell<u32>,
    ) -> Result<Vec<Change>, GaveUp> {
        let mut found = vec![];
        let mut before: Vec<Say> = vec![];
        for own in self.spoken_of_by(policy, direction) {
            let (base, words) = (&own.cube, &self.words);
            let is_alike = |place, fate| (place, fate) == (own.place, own.fate);
            let mut steps = self.steps(base, direction, |owner| (owner.policy() != policy, true));
            // What else the policy says of the kind makes no difference to what is said of these.
            steps.retain(|step| {
                step.without == step.with || !is_alike(step.place, step.fate) || *step.cube == *base
            });
            let except = before
                .iter()
                .filter(|other| !is_alike(other.place, other.fate))
                .filter_map(|other| other.cube.and(base, words));
            let flows = Flows {
                except: except.collect(),
                base: base.clone(),
            };
            if !flows.takes_out(base) {
                let open = (Verdict::Open(0), Verdict::Open(0));
                Walk::of(words, steps, budget).go(flows, 0, open, &mut found)?;
            }
            before.push(own);
        }
        Ok(found)
    }

    /// Of flows between pods, told as one side of them: those that the other end's side lets through, without one
    /// policy where `absent` says which; `None` where more than a few have a say in them.
    pub(crate) fn let_through(
        &self,
        flows: &Flows,
        direction: Direction,
        absent: Option<PolicyId>,
        few: usize,
        budget: &Cell<u32>,
    ) -> Result<Option<Vec<Flows>>, GaveUp> {
        let there = direction.opposite();
        let mirrored = |cube: &Cube| cube.at_the_other_end(&self.words);
        let Some(base) = mirrored(&flows.base) else {
            return Ok(Some(vec![]));
        };
        let counts = |owner: &Owner| Some(owner.policy()) != absent;
        let near = self.candidates(&base, there);
        let mut speaking = 0;
        for (number, owned) in near.enumerate() {
            let speaks = counts(&owned.owner) && base.and(&owned.cube, &self.words).is_some();
            speaking += usize::from(speaks);
            if speaking > few || number >= LOOKED_AT {
                return Ok(None);
            }
        }
        let walk = Walk::of(
            &self.words,
            self.steps(&base, there, |owner| (false, counts(owner))),
            budget,
        );
        let seen = Flows {
            except: flows.except.iter().filter_map(mirrored).collect(),
            base,
        };
        let mut found = vec![];
        walk.go(seen, 0, (Verdict::Denied, Verdict::Open(0)), &mut found)?;
        let back = found.into_iter().filter_map(|change| {
            Some(Flows {
                base: mirrored(&change.flows.base)?,
                except: change.flows.except.iter().filter_map(mirrored).collect(),
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
        absent: Option<PolicyId>,
        budget: &Cell<u32>,
    ) -> Result<Option<Cube>, GaveUp> {
        if let Some(seen) = cube.at_the_other_end(&self.words) {
            let found = self.find_at_the_other_end(&seen, direction, absent, Fate::Allowed, budget)?;
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
        absent: Option<PolicyId>,
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
            if Some(owned.owner.policy()) == absent {
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
                    Some(seen) => self.find_at_the_other_end(&seen, direction, absent, Fate::Denied, budget),
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
        absent: Option<PolicyId>,
        wanted: Fate,
        budget: &Cell<u32>,
    ) -> Result<Option<Cube>, GaveUp> {
        let line = self.everybody(seen, direction.opposite(), budget, |owner| {
            (Some(owner.policy()) != absent).then_some(false)
        });
        line.walk(seen.clone(), Place::OwnNode, wanted, &|cube| {
            Ok(cube.at_the_other_end(&self.words))
        })
    }

    /// What a policy says, in the order in which it is asked.
    fn spoken_of_by(&self, policy: PolicyId, direction: Direction) -> Vec<Say> {
        let Some(own) = self.model.policy(policy) else {
            return vec![];
        };
        let of_rules = self
            .model
            .rule_ids(policy)
            .filter(|(_, rule)| rule.direction == direction)
            .flat_map(|(id, rule)| {
                self.region(id).iter().map(move |cube| Say {
                    place: Place::of(id, rule.rank, rule.action),
                    fate: fate(rule),
                    cube: cube.clone(),
                })
            });
        let by_default = own
            .default_deny
            .has(direction)
            .then(|| self.words.in_force(own, direction))
            .flatten()
            .map(|cube| Say {
                place: Place::DefaultDeny,
                fate: Fate::Denied,
                cube,
            });
        let mut all: Vec<Say> = of_rules.chain(by_default).collect();
        all.sort_by_key(|say| say.place);
        all
    }

    fn steps<'a>(
        &'a self,
        base: &Cube,
        direction: Direction,
        who: impl Fn(&Owner) -> (bool, bool),
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
                without: true,
                with: true,
            });
        }
        for owned in self.candidates(base, direction) {
            let (place, fate) = match owned.owner {
                Owner::DefaultDeny(_) => (Place::DefaultDeny, Fate::Denied),
                Owner::Rule(id) => match self.model.rule(id) {
                    Some(rule) => (Place::of(id, rule.rank, rule.action), fate(rule)),
                    None => continue,
                },
            };
            let (without, with) = who(&owned.owner);
            if (without || with) && base.and(&owned.cube, &self.words).is_some() {
                steps.push(Step {
                    place,
                    cube: Cow::Borrowed(&owned.cube),
                    fate,
                    without,
                    with,
                });
            }
        }
        // Those that decide both first: what is left for the others is less.
        steps.sort_by_key(|step| (step.place, step.without != step.with));
        steps
    }
}

impl Owner {
    fn policy(&self) -> PolicyId {
        match self {
            Self::Rule(rule) => rule.policy,
            Self::DefaultDeny(policy) => *policy,
        }
    }
}

struct Walk<'a> {
    words: &'a Words,
    steps: Vec<Step<'a>>,
    /// The first step behind the admin tier.
    behind_admin: usize,
    budget: &'a Cell<u32>,
}

impl<'a> Walk<'a> {
    fn of(words: &'a Words, steps: Vec<Step<'a>>, budget: &'a Cell<u32>) -> Self {
        Self {
            words,
            behind_admin: steps.partition_point(|step| step.place < Place::Deny),
            steps,
            budget,
        }
    }

    /// Goes on with flows whose verdicts without and with the policy are this far.
    fn go(
        &self,
        mut flows: Flows,
        from: usize,
        verdicts: (Verdict, Verdict),
        found: &mut Vec<Change>,
    ) -> Result<(), GaveUp> {
        let (without, with) = verdicts;
        for (at, step) in self.steps.iter().enumerate().skip(from) {
            let here = (
                step.without && without.is_open_at(at),
                step.with && with.is_open_at(at),
            );
            if here == (false, false) {
                continue;
            }
            // Verdicts that are the same so far part at somebody who decides one of them.
            if without == with && !self.part_later(&flows.base, at) {
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
            let now = (next(without, here.0), next(with, here.1));
            if let Some(part_of_them) = flows.and(&part, self.words) {
                match now {
                    (Verdict::Open(_), _) | (_, Verdict::Open(_)) => {
                        self.go(part_of_them, at + 1, now, found)?;
                    }
                    _ => settle(part_of_them, now, found),
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
        let later = self.steps.iter().skip(at);
        later
            .filter(|step| step.without != step.with)
            .any(|step| base.and(&step.cube, self.words).is_some())
    }
}

fn settle(flows: Flows, (without, with): (Verdict, Verdict), found: &mut Vec<Change>) {
    if without.is_allowed() != with.is_allowed() {
        found.push(Change {
            flows,
            gained: with.is_allowed(),
        });
    }
}
