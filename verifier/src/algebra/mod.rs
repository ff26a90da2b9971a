//! Questions about policies answered by sets alone, exactly, where that is cheap; and whether it is.
//!
//! Ports are intervals, address blocks are intervals of addresses, selectors are conjunctions of conditions on
//! attributes: what a rule matches is a union of few [`cube::Cube`]s, and a question about rules is a question about
//! unions, intersections and differences of cubes. Nearly all policies that people write are answered here in
//! microseconds. What is not (a difference that falls into more pieces than it is worth) is left to the solver:
//! [`line::GaveUp`].
//!
//! The two share the vocabulary and nothing else, and tests compare them on generated policies.
//!
//! ```text
//!   words ──▶ region (cubes) ──▶ index ──▶ line ──▶ one cube of flows ──▶ example
//! ```

#[cfg(test)]
mod agreement;
pub(crate) mod cube;
mod defaults;
pub(crate) mod difference;
pub(crate) mod example;
pub(crate) mod flows;
mod index;
mod line;
mod mentions;
pub(crate) mod pod;
pub(crate) mod ranges;
mod region;
pub(crate) mod values;
pub(crate) mod versions;
mod words;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

use ir::model::Model;
use ir::policy::{Action, Direction, Policy, PolicyId, Rule, RuleId, Tier};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use self::cube::{Bits, Cube};
use self::index::Index;
pub(crate) use self::line::GaveUp;
use self::line::{Entry, Fate, Line, Place};
pub(crate) use self::words::Words;
use crate::question::{Presence, Question};

/// Who asks for what a cube says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A rule.
    Rule(RuleId),
    /// The policy denies by default for these subjects.
    DefaultDeny(PolicyId),
}

#[derive(Debug)]
struct Owned {
    owner: Owner,
    cube: Cube,
}

/// The cubes of one direction.
#[derive(Debug, Default)]
struct Side {
    /// Sorted by owner.
    owned: Vec<Owned>,
    index: Index,
    /// The numbers of those that deny.
    denying: RoaringBitmap,
}

impl Side {
    /// What a policy says, each with its number.
    fn of_policy(&self, policy: PolicyId) -> impl Iterator<Item = (u32, &Owned)> {
        let from = |owner: Owner| self.owned.partition_point(|owned| owned.owner < owner);
        let first = |policy| from(Owner::Rule(RuleId { policy, rule: 0 }));
        let next = PolicyId(policy.0.saturating_add(1));
        let rules = first(policy)..first(next);
        let default = from(Owner::DefaultDeny(policy))..from(Owner::DefaultDeny(next));
        rules.chain(default).filter_map(|number| {
            let owned = self.owned.get(number)?;
            Some((u32::try_from(number).ok()?, owned))
        })
    }
}

/// A model as cubes.
#[derive(Debug)]
pub(crate) struct Algebra<'m> {
    model: &'m Model,
    words: Words,
    regions: BTreeMap<RuleId, Vec<Cube>>,
    ingress: Side,
    egress: Side,
}

impl<'m> Algebra<'m> {
    pub(crate) fn of(model: &'m Model) -> Self {
        Self::in_words(model, Words::of(model))
    }

    /// The same, for questions about both sides of a flow.
    pub(crate) fn of_whole_flows(model: &'m Model) -> Self {
        Self::in_words(model, Words::of(model).for_whole_flows())
    }

    fn in_words(model: &'m Model, words: Words) -> Self {
        let policies: Vec<_> = model.policy_ids().collect();
        let cut: Vec<Vec<_>> = policies
            .par_iter()
            .map(|(id, policy)| {
                let rules = model.rule_ids(*id);
                rules.map(|(id, rule)| (id, words.region(policy, rule))).collect()
            })
            .collect();
        let regions: BTreeMap<RuleId, Vec<Cube>> = cut.into_iter().flatten().collect();
        let side = |direction: Direction| {
            let of_rules = regions.iter().filter(|(id, _)| {
                let rule = model.rule(**id);
                rule.is_some_and(|rule| rule.direction == direction)
            });
            let of_rules = of_rules.flat_map(|(id, cubes)| {
                cubes.iter().map(|cube| Owned {
                    owner: Owner::Rule(*id),
                    cube: cube.clone(),
                })
            });
            let of_defaults = policies
                .iter()
                .filter(|(_, policy)| policy.default_deny.has(direction))
                .filter_map(|(id, policy)| {
                    Some(Owned {
                        owner: Owner::DefaultDeny(*id),
                        cube: words.in_force(policy, direction)?,
                    })
                });
            let owned: Vec<Owned> = of_rules.chain(of_defaults).collect();
            let denies = |owned: &Owned| match owned.owner {
                Owner::DefaultDeny(_) => true,
                Owner::Rule(rule) => model.rule(rule).is_some_and(|rule| fate(rule) == Fate::Denied),
            };
            let denying = (0..).zip(&owned).filter(|(_, owned)| denies(owned));
            Side {
                index: Index::of(owned.iter().map(|owned| &owned.cube), &words),
                denying: denying.map(|(number, _)| number).collect(),
                owned,
            }
        };
        let (ingress, egress) = rayon::join(|| side(Direction::Ingress), || side(Direction::Egress));
        Self {
            model,
            words,
            regions,
            ingress,
            egress,
        }
    }

    pub(crate) fn words(&self) -> &Words {
        &self.words
    }

    /// What a rule matches while its policy is in force.
    pub(crate) fn region(&self, rule: RuleId) -> &[Cube] {
        self.regions.get(&rule).map_or(&[], Vec::as_slice)
    }

    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The rules that can match a flow of the cubes, and the policies that can deny one by default; ascending.
    pub(crate) fn near(&self, cubes: &[Cube], direction: Direction) -> (Vec<RuleId>, Vec<PolicyId>) {
        let (mut rules, mut defaults) = (vec![], vec![]);
        for cube in cubes {
            for owned in self.candidates(cube, direction) {
                if cube.and(&owned.cube, &self.words).is_some() {
                    match owned.owner {
                        Owner::Rule(rule) => rules.push(rule),
                        Owner::DefaultDeny(policy) => defaults.push(policy),
                    }
                }
            }
        }
        rules.sort_unstable();
        rules.dedup();
        defaults.sort_unstable();
        defaults.dedup();
        (rules, defaults)
    }

    fn candidates(&self, cube: &Cube, direction: Direction) -> impl Iterator<Item = &Owned> {
        let side = self.side(direction);
        let near = side.index.near(cube, &self.words);
        near.into_iter()
            .filter_map(|number| side.owned.get(number as usize))
    }

    /// Those of the candidates that deny.
    fn denying(&self, cube: &Cube, direction: Direction) -> impl Iterator<Item = &Owned> {
        let side = self.side(direction);
        let near = side.index.near(cube, &self.words) & &side.denying;
        near.into_iter()
            .filter_map(|number| side.owned.get(number as usize))
    }

    /// Some flows that answer the question and lie in `within`; `None` where there are none.
    pub(crate) fn ask(
        &self,
        question: &Question,
        presence: &Presence<'_>,
        within: &[Cube],
        steps: u32,
    ) -> Result<Option<Cube>, GaveUp> {
        let budget = Cell::new(steps);
        for region in self.region(question.rule()) {
            let starts: Vec<Cube> = match question {
                Question::BothMatch(_, other) => {
                    let others = self.region(*other).iter();
                    others
                        .filter_map(|other| region.and(other, &self.words))
                        .collect()
                }
                _ => vec![region.clone()],
            };
            for start in starts {
                for within in within {
                    let Some(start) = start.and(within, &self.words) else {
                        continue;
                    };
                    let found = self.ask_about(start, question, presence, &budget)?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(None)
    }

    fn ask_about(
        &self,
        start: Cube,
        question: &Question,
        presence: &Presence<'_>,
        budget: &Cell<u32>,
    ) -> Result<Option<Cube>, GaveUp> {
        let id = question.rule();
        let (Some(rule), Some(policy)) = (self.model.rule(id), self.model.policy(id.policy)) else {
            return Ok(None);
        };
        let take: line::Then<'_> = &|cube| Ok(Some(cube));
        let own = Place::of(id, rule.rank, rule.action);
        let mut line = match question {
            Question::Matches(_) => return Ok(Some(start)),
            _ => self.line(&start, id, rule, policy, presence, budget),
        };
        match question {
            Question::Matches(_) => Ok(Some(start)),
            Question::Reached(_) | Question::Undenied(_) | Question::BothMatch(..) => {
                let stop = match (question, own) {
                    (Question::Undenied(_), _) => Place::Allow,
                    (_, Place::Deny | Place::Allow) => Place::Deny,
                    _ => own,
                };
                line.entries.retain(|entry| entry.place < stop);
                for entry in &mut line.entries {
                    if entry.fate != Fate::Passed || own < Place::Deny {
                        entry.fate = Fate::Dropped;
                    }
                }
                line.end = Fate::Wanted;
                line.walk(start, Place::OwnNode, Fate::Wanted, take)
            }
            Question::MatchesWithVerdict(_, allowed) => {
                let at = line.entries.partition_point(|entry| entry.place < own);
                let itself = Entry {
                    place: own,
                    cube: Cow::Owned(Cube::all()),
                    fate: fate(rule),
                    free: false,
                };
                line.entries.insert(at, itself);
                let wanted = if *allowed { Fate::Allowed } else { Fate::Denied };
                line.walk(start, Place::OwnNode, wanted, take)
            }
            Question::Differs(_) => {
                for entry in &mut line.entries {
                    let before = entry.place < own || (entry.place == own && own == Place::Deny);
                    let drops = entry.fate != Fate::Passed || own < Place::Deny;
                    if before && drops {
                        entry.fate = Fate::Dropped;
                    }
                }
                match rule.action {
                    Action::Allow => line.walk(start, Place::OwnNode, Fate::Denied, take),
                    Action::Deny => line.walk(start, Place::OwnNode, Fate::Allowed, take),
                    // Only what a later rule of the tier decides can differ; all else passes on either way.
                    Action::Pass if own < Place::Deny => {
                        let tier = Line {
                            words: &self.words,
                            entries: line
                                .entries
                                .iter()
                                .filter(|entry| entry.place < Place::Deny)
                                .map(|entry| match entry.fate {
                                    Fate::Passed => Entry {
                                        fate: Fate::Dropped,
                                        ..entry.clone()
                                    },
                                    _ => entry.clone(),
                                })
                                .collect(),
                            end: Fate::Dropped,
                            budget,
                        };
                        for (without, with) in [(Fate::Denied, Fate::Allowed), (Fate::Allowed, Fate::Denied)]
                        {
                            let found = tier.walk(start.clone(), Place::OwnNode, without, &|cube| {
                                line.walk(cube, Place::Deny, with, take)
                            })?;
                            if found.is_some() {
                                return Ok(found);
                            }
                        }
                        Ok(None)
                    }
                    // Behind the baseline everything is allowed.
                    Action::Pass => line.walk(start, Place::OwnNode, Fate::Denied, take),
                }
            }
        }
    }

    /// Everybody but the rule itself who has a say in the flows of `start`.
    fn line<'a>(
        &'a self,
        start: &Cube,
        id: RuleId,
        rule: &Rule,
        policy: &Policy,
        presence: &Presence<'_>,
        budget: &'a Cell<u32>,
    ) -> Line<'a> {
        let direction = rule.direction;
        let mut line = self.everybody(start, direction, budget, |owner| match owner {
            // Once the rule's own policy isolates the subject, who else does makes no difference.
            Owner::DefaultDeny(_) => (!policy.default_deny.has(direction)).then_some(false),
            Owner::Rule(other) if other == id => None,
            Owner::Rule(other) => match presence(other) {
                Some(true) => Some(false),
                Some(false) => None,
                None => Some(true),
            },
        });
        if policy.default_deny.has(direction) {
            let at = line
                .entries
                .partition_point(|entry| entry.place < Place::DefaultDeny);
            line.entries.insert(
                at,
                Entry {
                    place: Place::DefaultDeny,
                    cube: Cow::Owned(Cube::all()),
                    fate: Fate::Denied,
                    free: false,
                },
            );
        }
        line
    }

    /// Where what an owner says stands, and what it does.
    fn place_and_fate(&self, owner: &Owner) -> Option<(Place, Fate)> {
        match owner {
            Owner::DefaultDeny(_) => Some((Place::DefaultDeny, Fate::Denied)),
            Owner::Rule(id) => {
                let rule = self.model.rule(*id)?;
                Some((Place::of(*id, rule.rank, rule.action), fate(rule)))
            }
        }
    }

    /// Everybody who has a say in the flows of `start`; `free` says whether an owner is there (`None`: not), and
    /// whether it may as well be missing.
    fn everybody<'a>(
        &'a self,
        start: &Cube,
        direction: Direction,
        budget: &'a Cell<u32>,
        free: impl Fn(Owner) -> Option<bool>,
    ) -> Line<'a> {
        let mut entries = vec![];
        if direction == Direction::Ingress {
            entries.push(Entry {
                place: Place::OwnNode,
                cube: Cow::Owned(Cube {
                    own_node: Bits::TRUE,
                    ..Cube::all()
                }),
                fate: Fate::Allowed,
                free: false,
            });
        }
        for owned in self.candidates(start, direction) {
            let Some(free) = free(owned.owner) else {
                continue;
            };
            let Some((place, fate)) = self.place_and_fate(&owned.owner) else {
                continue;
            };
            if start.and(&owned.cube, &self.words).is_some() {
                entries.push(Entry {
                    place,
                    cube: Cow::Borrowed(&owned.cube),
                    fate,
                    free,
                });
            }
        }
        entries.sort_by_key(|entry| entry.place);
        Line {
            words: &self.words,
            entries,
            end: Fate::Allowed,
            budget,
        }
    }
}

/// What a rule does with the flows that it matches.
fn fate(rule: &Rule) -> Fate {
    match (rule.action, rule.rank.tier) {
        (Action::Deny, _) => Fate::Denied,
        (Action::Pass, Tier::Admin) => Fate::Passed,
        // Behind the baseline everything is allowed, so that a pass there is an allow.
        (Action::Allow, _) | (Action::Pass, Tier::Namespaced | Tier::Baseline) => Fate::Allowed,
    }
}
