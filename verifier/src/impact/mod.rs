//! What each policy adds: the flows that are let through, and those that are kept out, only because it is there.
//!
//! For every pod that could exist, and for each policy of a set against the same set without it:
//!
//! - it *opens* the flows that are allowed with it and denied without it,
//! - it *closes* the flows that are denied with it and allowed without it.
//!
//! A flow is allowed where both of its ends let it through. What a policy changes on one side is found by the algebra
//! in its own corner of the policies (`algebra::difference`), for both sides of it; each such set of flows
//! is then narrowed to what the other end lets through. Where only a few have a say at the other end that is written
//! out; where many do (whoever may send to a pod that everybody may reach), the area says so in a word
//! ([`crate::change::Area::other_end`]), and is exact as it is said. A set of which the other end lets nothing through is none.
//!
//! Where the algebra gives up on a policy, the solver compares the two sets ([`crate::change`]).

mod example;
#[cfg(test)]
mod tests;
mod words;

use std::cell::Cell;

use ir::model::Model;
use ir::policy::{Direction, PolicyId, Subject};
use rayon::prelude::*;

use self::example::Examples;
use crate::algebra::flows::Flows;
use crate::algebra::{Algebra, GaveUp};
use crate::change::{self, Side};
use crate::error::VerifierError;
use crate::options::Options;

/// What one policy adds to its set.
#[derive(Clone, Debug)]
pub struct Impact {
    /// The policy.
    pub policy: PolicyId,
    /// Flows that are allowed only because of it.
    pub opens: Side,
    /// Flows that are denied only because of it.
    pub closes: Side,
    /// Whether it is about nodes: what it does to them is not looked into, and nothing of it is in the other fields.
    pub about_nodes: bool,
}

impl Impact {
    /// Whether it is proved that no flow, between any pods that could exist, has another verdict without it.
    #[must_use]
    pub fn is_proved_idle(&self) -> bool {
        !self.about_nodes && self.opens.is_proved_empty() && self.closes.is_proved_empty()
    }
}

/// Where at most this many have a say at the other end, what they let through is written out.
const FEW_AT_THE_OTHER_END: usize = 24;

/// Unless it falls into more areas than this.
const FEW_AREAS: usize = 4;

/// Steps of the algebra for what one policy changes on one side.
const STEPS: u32 = 100_000;

/// Says for each of `policies` what it adds, in their order, describing at most `most` areas of each kind.
///
/// # Errors
/// A mistake in this crate; see [`VerifierError`].
pub fn impacts(
    model: &Model,
    policies: &[PolicyId],
    most: usize,
    options: &Options,
) -> Result<Vec<Impact>, VerifierError> {
    let algebra = &Algebra::of_whole_flows(model);
    let examples = &Examples::of(model, algebra);
    policies
        .par_iter()
        .map(|id| {
            let about_nodes = matches!(
                model.policy(*id).map(|policy| &policy.subject),
                Some(Subject::Nodes(_))
            );
            let asked = Asked {
                model,
                algebra,
                examples,
                policy: *id,
                most,
            };
            let sides = match asked.by_the_algebra()? {
                Ok(sides) => sides,
                Err(GaveUp) => asked.by_the_solver(options)?,
            };
            let [opens, closes] = sides;
            Ok(Impact {
                policy: *id,
                opens,
                closes,
                about_nodes,
            })
        })
        .collect()
}

/// One policy in question.
struct Asked<'a> {
    model: &'a Model,
    algebra: &'a Algebra<'a>,
    examples: &'a Examples<'a>,
    policy: PolicyId,
    most: usize,
}

/// Flows on one side, and whether the other end keeps out more of them than can be told.
struct Part {
    flows: Flows,
    direction: Direction,
    other_end: bool,
}

impl Asked<'_> {
    fn by_the_algebra(&self) -> Result<Result<[Side; 2], GaveUp>, VerifierError> {
        let parts = match self.parts() {
            Ok(parts) => parts,
            Err(GaveUp) => return Ok(Err(GaveUp)),
        };
        let mut sides = vec![];
        for (gained, parts) in [true, false].into_iter().zip(parts) {
            let mut side = Side {
                complete: true,
                ..Side::default()
            };
            for part in parts {
                let example = match self.examples.one(&part, self.policy, self.without(gained)) {
                    Ok(example) => example,
                    Err(GaveUp) => return Ok(Err(GaveUp)),
                };
                // None: the other end lets nothing of it through.
                let Some(mut witness) = example else {
                    continue;
                };
                if side.areas.len() >= self.most {
                    side.complete = false;
                    break;
                }
                let [before, after] =
                    [Some(self.policy), None].map(|absent| self.examples.judge(&witness, absent));
                if (before.allowed(), after.allowed()) != (!gained, gained) {
                    return Err(VerifierError::ReplayFlow {
                        flow: witness.to_string(),
                        what: "its verdict does not depend on the policy as the algebra says",
                    });
                }
                witness.allowed = gained;
                witness.direction = part.direction;
                side.areas
                    .push(words::area(self.algebra.words(), &part, witness, [before, after]));
            }
            sides.push(side);
        }
        let closes = sides.pop().unwrap_or_default();
        let opens = sides.pop().unwrap_or_default();
        Ok(Ok([opens, closes]))
    }

    /// The other end is judged with the policy where it opens, and without it where it closes: so a flow that it
    /// changes at both ends is told, and one that is the same with it and without it is not.
    fn without(&self, gained: bool) -> Option<PolicyId> {
        (!gained).then_some(self.policy)
    }

    /// What it opens, and what it closes.
    fn parts(&self) -> Result<[Vec<Part>; 2], GaveUp> {
        let words = self.algebra.words();
        let budget = &Cell::new(STEPS);
        let (mut opens, mut closes) = (vec![], vec![]);
        for direction in Direction::BOTH {
            for change in self.algebra.made_by(self.policy, direction, budget)? {
                let Some(flows) = change.flows.simplified(words) else {
                    continue;
                };
                let parts = self.as_the_other_end_sees(flows, direction, change.gained, budget)?;
                if change.gained {
                    opens.extend(parts);
                } else {
                    closes.extend(parts);
                }
            }
        }
        Ok([opens, closes])
    }

    fn as_the_other_end_sees(
        &self,
        flows: Flows,
        direction: Direction,
        gained: bool,
        budget: &Cell<u32>,
    ) -> Result<Vec<Part>, GaveUp> {
        let (algebra, words) = (self.algebra, self.algebra.words());
        let absent = self.without(gained);
        let part = |flows, other_end| Part {
            flows,
            direction,
            other_end,
        };
        if !algebra.is_kept_out_somewhere(&flows, direction, absent, budget)? {
            return Ok(vec![part(flows, false)]);
        }
        let told = algebra.let_through(&flows, direction, absent, FEW_AT_THE_OTHER_END, budget)?;
        let told: Option<Vec<Flows>> = told.map(|told| {
            let told = told.into_iter().filter_map(|flows| flows.simplified(words));
            told.collect()
        });
        Ok(match told {
            Some(told) if told.len() <= FEW_AREAS => {
                let rest = flows.base.with_no_pod(words);
                let rest = rest.and_then(|rest| flows.and(&rest, words)?.simplified(words));
                let all = told.into_iter().chain(rest);
                all.map(|flows| part(flows, false)).collect()
            }
            _ => vec![part(flows, true)],
        })
    }

    fn by_the_solver(&self, options: &Options) -> Result<[Side; 2], VerifierError> {
        let others = self.model.policy_ids().filter(|(id, _)| *id != self.policy);
        let without = Model::new(
            self.model.cluster.clone(),
            others.map(|(_, policy)| policy.clone()),
        );
        let comparison = change::compare(&without, self.model, self.most, options)?;
        let mut sides = [comparison.opened, comparison.closed];
        for area in sides.iter_mut().flat_map(|side| &mut side.areas) {
            Examples::renumber(&mut area.before, self.policy);
        }
        Ok(sides)
    }
}
