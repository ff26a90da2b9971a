//! Who answers a question: the algebra, and where that gives up, the solver.
//!
//! Both answer for every flow between pods that could exist. Which of them does depends on the policies alone, never
//! on time or threads.

#[cfg(test)]
mod agreement;
pub(crate) mod between;
pub(crate) mod pods;

use std::collections::BTreeSet;

use ir::model::Model;
use ir::policy::{Direction, PolicyId, RuleId};

use crate::algebra::example::{Ask, Choice};
use crate::algebra::{Algebra, GaveUp, cube::Cube};
use crate::answers::{Described, Text};
use crate::encode::kept::Words as Kept;
use crate::encode::vocabulary::Vocabulary;
use crate::encode::{self, Encoder, Found, Preferred, in_own_context};
use crate::error::VerifierError;
use crate::options::Options;
use crate::question::{Presence, Question};
use crate::slice::{Neighbours, Slice, preferred};
use crate::witness::Witness;

/// A question that the budget cut short, and why.
pub(crate) type Cut<T> = Result<T, String>;

/// A model about which questions can be asked, from several threads.
pub(crate) struct Oracle<'m> {
    pub(crate) model: &'m Model,
    algebra: Algebra<'m>,
    neighbours: Neighbours<'m>,
    options: Options,
    cluster: Described,
}

/// Steps of the solver that a step of the algebra stands for in a budget.
const SOLVER_STEPS: u32 = 10_000;

impl<'m> Oracle<'m> {
    pub(crate) fn of(model: &'m Model, options: &Options) -> Self {
        Self {
            model,
            algebra: Algebra::of(model),
            neighbours: Neighbours::of(model),
            options: options.clone(),
            cluster: Described::default(),
        }
    }

    /// The steps that the algebra may take.
    pub(crate) fn algebra_steps(&self) -> u32 {
        match self.options.steps {
            0 => MOST_ALGEBRA_STEPS,
            steps => (steps / SOLVER_STEPS).min(MOST_ALGEBRA_STEPS),
        }
    }

    /// The steps that it may take where the solver would have to be asked for each of many pods.
    pub(crate) fn patient_steps(&self) -> u32 {
        self.algebra_steps().saturating_mul(PATIENCE)
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
        self.options.answers.to(
            || self.text("flow?", question, presence).done(),
            Found::read,
            || {
                in_own_context(|| {
                    let asked = self.formulas(question, presence)?;
                    asked.encoder.ask(&asked.question, &asked.presence)
                })
            },
            Found::written,
        )
    }

    /// The question as text, with everything that its answer depends on.
    fn text(&self, kind: &str, question: Question, presence: &Presence<'_>) -> Text {
        let slice = self.slice(question);
        // Rules are told by their place among those that have a say, so that others may come and go.
        let position = |rule: RuleId| slice.rules.range(..rule).count();
        let asked = match question {
            Question::Matches(rule) => ("matches", position(rule), None),
            Question::MatchesWithVerdict(rule, true) => ("matches and is allowed", position(rule), None),
            Question::MatchesWithVerdict(rule, false) => ("matches and is denied", position(rule), None),
            Question::Differs(rule) => ("differs", position(rule), None),
            Question::Reached(rule) => ("is reached", position(rule), None),
            Question::Undenied(rule) => ("is not denied", position(rule), None),
            Question::BothMatch(rule, other) => ("both match", position(rule), Some(position(other))),
        };
        let others: Vec<_> = slice
            .others
            .get(&question.rule())
            .into_iter()
            .flatten()
            .map(|other| (position(*other), presence(*other)))
            .collect();
        Text::of(kind, &self.options)
            .with("question", &asked)
            .with("others", &others)
            .with("namespaces", self.model.cluster.namespaces())
            .with_policies(self.model, &slice.policies, |rule| slice.rules.contains(&rule))
    }

    fn slice(&self, question: Question) -> Slice {
        let mut asked = vec![question.rule()];
        if let Question::BothMatch(_, other) = question {
            asked.push(other);
        }
        Slice::of(&self.neighbours, &asked, &BTreeSet::new())
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
        let slice = self.slice(question);
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
        match self.choose(
            question,
            presence,
            &[Cube::all()],
            (rule.direction, allowed),
            self.algebra_steps(),
        ) {
            Ok(witness) => Ok(Ok(witness)),
            Err(GaveUp) => self.smallest(question, presence, rule.direction, allowed),
        }
    }

    fn choose(
        &self,
        question: Question,
        presence: &Presence<'_>,
        within: &[Cube],
        (direction, allowed): (Direction, bool),
        steps: u32,
    ) -> Result<Option<Witness>, GaveUp> {
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
        let slice = self.slice(question);
        let asked = OneFlow {
            policies: &slice.policies,
            rules: &slice.rules,
            direction,
            allowed,
        };
        self.by_solver(
            &asked,
            || self.text("which flow?", question, presence),
            || preferred(self.model, question.rule()),
            || self.formulas(question, presence),
        )
    }

    /// The smallest flow of a question to the solver, which is the text with the direction and the cluster.
    fn by_solver(
        &self,
        asked: &OneFlow<'_>,
        text: impl FnOnce() -> Text,
        preferred: impl FnOnce() -> Preferred + Send + Sync,
        formulas: impl FnOnce() -> Result<Formulas<'m>, VerifierError> + Send + Sync,
    ) -> Result<Cut<Option<Witness>>, VerifierError> {
        let direction = asked.direction;
        let vocabulary = Vocabulary::of(
            asked.policies.iter().filter_map(|id| self.model.policy(*id)),
            asked.rules.iter().filter_map(|id| self.model.rule(*id)),
        );
        let words = Kept {
            model: self.model,
            vocabulary: &vocabulary,
        };
        let found = self.options.answers.to(
            || {
                text()
                    .with("direction", &direction)
                    .with_cluster(&self.cluster, &self.model.cluster)
                    .done()
            },
            |kept| match kept {
                "none" => Some(Ok(None)),
                values => words.read(values).map(|values| Ok(Some(values))),
            },
            || {
                in_own_context(|| {
                    let Formulas {
                        encoder,
                        question,
                        presence,
                    } = formulas()?;
                    encoder.smallest(&question, &presence, direction, &preferred())
                })
            },
            |found| match found {
                Ok(None) => Some("none".to_owned()),
                Ok(Some(values)) => Some(words.write(values)),
                Err(_) => None,
            },
        )?;
        Ok(found.map(|values| {
            values.map(|values| Witness::build(self.model, &vocabulary, &values, direction, asked.allowed))
        }))
    }
}

/// One flow that is looked for on the side of a pod.
struct OneFlow<'a> {
    /// Who has a say in it.
    policies: &'a BTreeSet<PolicyId>,
    rules: &'a BTreeSet<RuleId>,
    direction: Direction,
    /// Its verdict.
    allowed: bool,
}

/// How much longer a walk may be whose question is one of many like it: each would be a solver of its own.
const PATIENCE: u32 = 100;

/// More steps than this are worth less than the solver. Measured (`examples/measure_redundancy`): on policies of one
/// application each, the limit makes no difference; where 200 rules share their subjects, everything from 1,000 to
/// 100,000 takes the same time, and 200, with which the solver has to answer, four times as much.
const MOST_ALGEBRA_STEPS: u32 = 5_000;

/// A question in the solver's terms.
struct Formulas<'m> {
    encoder: Encoder<'m>,
    question: encode::Question,
    presence: Vec<encode::Presence>,
}
