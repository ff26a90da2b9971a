//! Who answers a question: the algebra, and where that gives up, the solver.
//!
//! Both answer for every flow between pods that could exist. Which of them does depends on the policies alone, never
//! on time or threads.

use std::collections::BTreeSet;

use ir::model::Model;
use ir::policy::{Direction, PolicyId, RuleId};

use crate::algebra::example::{Ask, Choice};
use crate::algebra::{Algebra, GaveUp, cube::Cube};
use crate::encode::vocabulary::Vocabulary;
use crate::encode::{self, Encoder, Found, Preferred, in_own_context};
use crate::error::VerifierError;
use crate::options::Options;
use crate::question::{Presence, Question};
use crate::slice::{Neighbours, Slice, preferred, preferred_subjects};
use crate::witness::Witness;

/// A question that the budget cut short, and why.
pub(crate) type Cut<T> = Result<T, String>;

/// A model about which questions can be asked, from several threads.
pub(crate) struct Oracle<'m> {
    pub(crate) model: &'m Model,
    algebra: Algebra<'m>,
    neighbours: Neighbours<'m>,
    options: Options,
}

/// Steps of the solver that a step of the algebra stands for in a budget.
const SOLVER_STEPS: u32 = 10_000;

impl<'m> Oracle<'m> {
    pub(crate) fn of(model: &'m Model, options: &Options) -> Self {
        Self {
            model,
            algebra: Algebra::of(model),
            neighbours: Neighbours::of(model),
            options: *options,
        }
    }

    /// The steps that the algebra may take.
    pub(crate) fn algebra_steps(&self) -> u32 {
        match self.options.steps {
            0 => MOST_ALGEBRA_STEPS,
            steps => (steps / SOLVER_STEPS).min(MOST_ALGEBRA_STEPS),
        }
    }

    pub(crate) fn algebra(&self) -> &Algebra<'m> {
        &self.algebra
    }

    /// The other rules that can match a flow that the rule matches, and the policies that can deny one by default.
    pub(crate) fn near(&self, rule: RuleId) -> (Vec<RuleId>, Vec<PolicyId>) {
        let Some(direction) = self.model.rule(rule).map(|rule| rule.direction) else {
            return (vec![], vec![]);
        };
        let (mut rules, policies) = self.algebra.near(self.algebra.region(rule), direction);
        rules.retain(|other| *other != rule);
        (rules, policies)
    }

    pub(crate) fn ask(&self, question: Question, presence: &Presence<'_>) -> Result<Found, VerifierError> {
        match self.ask_algebra(question, presence) {
            Ok(Some(_)) => Ok(Found::Some),
            Ok(None) => Ok(Found::None),
            Err(GaveUp) => self.ask_solver(question, presence),
        }
    }

    pub(crate) fn ask_algebra(
        &self,
        question: Question,
        presence: &Presence<'_>,
    ) -> Result<Option<Cube>, GaveUp> {
        let steps = self.algebra_steps();
        if steps == 0 {
            return Err(GaveUp);
        }
        self.algebra.ask(&question, presence, &[Cube::all()], steps)
    }

    pub(crate) fn ask_solver(
        &self,
        question: Question,
        presence: &Presence<'_>,
    ) -> Result<Found, VerifierError> {
        in_own_context(|| {
            let asked = self.formulas(question, presence)?;
            asked.encoder.ask(&asked.question, &asked.presence)
        })
    }

    /// The question as SMT-LIB text.
    pub(crate) fn smt_lib(
        &self,
        question: Question,
        presence: &Presence<'_>,
    ) -> Result<String, VerifierError> {
        in_own_context(|| {
            let asked = self.formulas(question, presence)?;
            asked.encoder.to_smt_lib(&asked.question, &asked.presence)
        })
    }

    fn formulas(&self, question: Question, presence: &Presence<'_>) -> Result<Formulas<'m>, VerifierError> {
        let rule = question.rule();
        let mut asked = vec![rule];
        if let Question::BothMatch(_, other) = question {
            asked.push(other);
        }
        let slice = Slice::of(&self.neighbours, &asked, &BTreeSet::new());
        let encoder = Encoder::new(self.model, &slice.policies, &slice.rules, &self.options)?;
        encoder.assume_real_flows();
        let others: Vec<RuleId> = slice.others.get(&rule).into_iter().flatten().copied().collect();
        let others: Vec<RuleId> = others
            .into_iter()
            .filter(|other| presence(*other) != Some(false))
            .collect();
        let presence = others
            .iter()
            .filter_map(|other| Some((*other, presence(*other)?)))
            .collect();
        let question = match question {
            Question::Matches(rule) => encoder.matches(rule)?,
            Question::MatchesWithVerdict(rule, allowed) => {
                encoder.matches_with_verdict(rule, &others, allowed)?
            }
            Question::Differs(rule) => encoder.differs(rule, &others)?,
            Question::Reached(rule) => encoder.reached(rule, &others, false)?,
            Question::Undenied(rule) => encoder.reached(rule, &others, true)?,
            Question::BothMatch(rule, other) => encoder.both_match(rule, other, &others)?,
        };
        Ok(Formulas {
            encoder,
            question,
            presence,
        })
    }

    /// A flow that answers the question, always the same one; `None` when there is none. What `allowed` says of its
    /// verdict is the caller's to confirm by replaying it.
    pub(crate) fn example(
        &self,
        question: Question,
        presence: &Presence<'_>,
        allowed: bool,
    ) -> Result<Cut<Option<Witness>>, VerifierError> {
        let rule = self
            .model
            .rule(question.rule())
            .ok_or(VerifierError::NoSuchRule(question.rule()))?;
        match self.choose(question, presence, &[Cube::all()], rule.direction, allowed) {
            Ok(witness) => Ok(Ok(witness)),
            Err(GaveUp) => self.smallest(question, presence, rule.direction, allowed),
        }
    }

    /// The same, of the flows of some cubes; only the algebra can tell.
    pub(crate) fn example_within(
        &self,
        question: Question,
        within: &[Cube],
        allowed: bool,
    ) -> Result<Option<Witness>, GaveUp> {
        let direction = self.model.rule(question.rule()).map(|rule| rule.direction);
        direction.map_or(Ok(None), |direction| {
            self.choose(question, &|_| Some(true), within, direction, allowed)
        })
    }

    /// A flow of the policy's pods that no rule decides and that is denied by default.
    pub(crate) fn denied_by_default(
        &self,
        policy: PolicyId,
        direction: Direction,
    ) -> Result<Option<Witness>, GaveUp> {
        let steps = self.algebra_steps();
        let words = self.algebra.words();
        let pods = self
            .model
            .policy(policy)
            .and_then(|policy| words.in_force(policy, direction));
        let (Some(pods), 1..) = (pods, steps) else {
            return if steps == 0 { Err(GaveUp) } else { Ok(None) };
        };
        let within = std::slice::from_ref(&pods);
        let (rules, mut policies) = self.algebra.near(within, direction);
        policies.push(policy);
        let preferred = preferred_subjects(self.model, policy);
        self.pick(&rules, policies, direction, &preferred, false, &|cubes| {
            let cubes: Vec<Cube> = cubes.iter().filter_map(|cube| cube.and(&pods, words)).collect();
            self.algebra.denied_by_default(&cubes, direction, steps)
        })
    }

    fn choose(
        &self,
        question: Question,
        presence: &Presence<'_>,
        within: &[Cube],
        direction: Direction,
        allowed: bool,
    ) -> Result<Option<Witness>, GaveUp> {
        let steps = self.algebra_steps();
        if steps == 0 {
            return Err(GaveUp);
        }
        let rule = question.rule();
        let (mut rules, policies) = self.near(rule);
        rules.push(rule);
        let words = self.algebra.words();
        let preferred = preferred(self.model, rule);
        self.pick(&rules, policies, direction, &preferred, allowed, &|cubes| {
            let cubes: Vec<Cube> = cubes
                .iter()
                .flat_map(|cube| within.iter().filter_map(|within| cube.and(within, words)))
                .collect();
            self.algebra.ask(&question, presence, &cubes, steps)
        })
    }

    /// One flow of those that `ask` finds, told in the words of these rules and policies.
    fn pick(
        &self,
        rules: &[RuleId],
        mut policies: Vec<PolicyId>,
        direction: Direction,
        preferred: &Preferred,
        allowed: bool,
        ask: Ask<'_>,
    ) -> Result<Option<Witness>, GaveUp> {
        policies.extend(rules.iter().map(|rule| rule.policy));
        policies.sort_unstable();
        policies.dedup();
        let vocabulary = Vocabulary::of(
            policies.iter().filter_map(|id| self.model.policy(*id)),
            rules.iter().filter_map(|id| self.model.rule(*id)),
        );
        let choice = Choice {
            model: self.model,
            words: self.algebra.words(),
            vocabulary: &vocabulary,
            direction,
            preferred,
            ask,
        };
        let values = choice.make()?;
        Ok(values.map(|values| Witness::build(self.model, &vocabulary, &values, direction, allowed)))
    }

    fn smallest(
        &self,
        question: Question,
        presence: &Presence<'_>,
        direction: Direction,
        allowed: bool,
    ) -> Result<Cut<Option<Witness>>, VerifierError> {
        in_own_context(|| {
            let asked = self.formulas(question, presence)?;
            let preferred = preferred(self.model, question.rule());
            let found = asked
                .encoder
                .smallest(&asked.question, &asked.presence, direction, &preferred)?;
            let vocabulary = asked.encoder.vocabulary();
            Ok(found.map(|values| {
                values.map(|values| Witness::build(self.model, vocabulary, &values, direction, allowed))
            }))
        })
    }
}

/// More steps than this are worth less than the solver.
const MOST_ALGEBRA_STEPS: u32 = 5_000;

/// A question in the solver's terms.
struct Formulas<'m> {
    encoder: Encoder<'m>,
    question: encode::Question,
    presence: Vec<encode::Presence>,
}
