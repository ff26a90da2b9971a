//! The policies as formulas over one symbolic flow; the only place that knows the solver.
//!
//! An [`Encoder`] holds a slice of a model: some policies, some of their rules. The flow's variables and what is true
//! of every flow are asserted once; each rule gets a formula ("in force and matching") and an *activation literal*;
//! the verdict is a formula over these. Questions are literals that imply their formula, so that all of them live in
//! one solver and share what it learns: asking is checking under assumptions. Which rules are there is part of the
//! assumptions: a rule is present, or absent, or free (a question that has no answer with a free rule has none
//! whether it is there or not).
//!
//! ```text
//!   vocabulary ──▶ flow ──▶ matching ──▶ Encoder ──▶ solver ──▶ smallest ──▶ assignment
//!   (values)    (variables)  (formulas)  (verdicts)  (checks)  (one flow)   (plain values)
//! ```
//!
//! Terms belong to the context of the thread's current [`in_own_context`]; an encoder must not outlive it.

#[cfg(test)]
mod agreement;
pub(crate) mod assignment;
mod defaults;
mod flow;
pub(crate) mod kept;
mod matching;
pub(crate) mod pieces;
mod smallest;
mod solver;
mod terms;
pub(crate) mod vocabulary;
pub(crate) mod whole;

use std::collections::{BTreeMap, BTreeSet};

use ir::model::Model;
use ir::policy::{Action, Direction, Policy, PolicyId, Rule, RuleId, Subject, Tier};
use z3::ast::Bool;

use self::defaults::by_admin;
use self::flow::SymbolicFlow;
use self::matching::Matching;
pub(crate) use self::smallest::Preferred;
use self::solver::Session;
pub(crate) use self::solver::{Found, in_own_context};
pub use self::solver::{solver_version, solver_works};
use self::terms::{all, any, choose, constant, differ, not};
use self::vocabulary::Vocabulary;
use crate::error::VerifierError;
use crate::options::Options;

/// A question about all flows, ready to be asked.
#[derive(Clone)]
pub(crate) struct Question(Bool);

/// A statement about the symbolic flow, for questions that are put together outside of this folder.
#[derive(Clone)]
pub(crate) struct Formula(Bool);

impl Formula {
    /// Both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self(all([self.0.clone(), other.0.clone()]))
    }

    /// The opposite.
    pub(crate) fn negated(&self) -> Self {
        Self(not(&self.0))
    }
}

/// Whether a rule is there when a question is asked; a rule of the slice that is not listed is free.
pub(crate) type Presence = (RuleId, bool);

/// A slice of a model as formulas.
pub(crate) struct Encoder<'m> {
    model: &'m Model,
    policies: BTreeSet<PolicyId>,
    rules: BTreeMap<RuleId, Encoded<'m>>,
    vocabulary: Vocabulary,
    flow: SymbolicFlow,
    /// Where both sides of a flow are judged: the flow as the destination's side sees it; `flow` is then the source's.
    received: Option<SymbolicFlow>,
    /// Of whole flows: pods of the input that an end can be.
    written: Option<whole::Written>,
    session: Session,
}

/// One rule of the slice.
struct Encoded<'m> {
    rule: &'m Rule,
    /// The activation literal.
    present: Bool,
    /// Its policy is in force and it matches.
    matches: Bool,
    /// Present, in force and matching.
    effective: Bool,
}

impl<'m> Encoder<'m> {
    /// Encodes these policies with these of their rules.
    pub(crate) fn new(
        model: &'m Model,
        policies: &BTreeSet<PolicyId>,
        rules: &BTreeSet<RuleId>,
        options: &Options,
    ) -> Result<Self, VerifierError> {
        let vocabulary = Vocabulary::of(
            policies.iter().filter_map(|id| model.policy(*id)),
            rules.iter().filter_map(|id| model.rule(*id)),
        );
        let mut encoder = Self {
            model,
            policies: policies.clone(),
            rules: BTreeMap::new(),
            flow: SymbolicFlow::new(&vocabulary),
            received: None,
            written: None,
            vocabulary,
            session: Session::new(options),
        };
        for fact in encoder.flow.well_formed(&encoder.vocabulary, &model.cluster) {
            encoder.session.state(fact);
        }
        encoder.encode(rules)?;
        Ok(encoder)
    }

    fn encode(&mut self, rules: &BTreeSet<RuleId>) -> Result<(), VerifierError> {
        for id in rules {
            let (Some(rule), Some(policy)) = (self.model.rule(*id), self.model.policy(id.policy)) else {
                return Err(VerifierError::NoSuchRule(*id));
            };
            let present = Bool::new_const(format!("rule.{}.{}", id.policy.0, id.rule));
            let matches = all([
                self.in_force(policy, rule.direction),
                self.matching(rule.direction).rule(rule),
            ]);
            let encoded = Encoded {
                rule,
                effective: all([present.clone(), matches.clone()]),
                present,
                matches,
            };
            self.rules.insert(*id, encoded);
        }
        Ok(())
    }

    /// Restricts the questions to flows that can be on a wire; for the checks, not for comparisons with the evaluator.
    pub(crate) fn assume_real_flows(&self) {
        for fact in self.flow.real() {
            self.session.state(fact);
        }
    }

    /// Is there a flow that the rule matches?
    pub(crate) fn matches(&self, rule: RuleId) -> Result<Question, VerifierError> {
        Ok(Question(self.session.literal(&self.encoded(rule)?.matches)))
    }

    /// Is there a flow that the rule matches and that gets this verdict on this side? `others` are the other rules
    /// that can match such a flow.
    pub(crate) fn matches_with_verdict(
        &self,
        rule: RuleId,
        others: &[RuleId],
        allowed: bool,
    ) -> Result<Question, VerifierError> {
        let encoded = self.encoded(rule)?;
        let verdict = self.verdict(rule, true, others)?;
        let verdict = if allowed { verdict } else { !verdict };
        let formula = all([encoded.matches.clone(), verdict]);
        Ok(Question(self.session.literal(&formula)))
    }

    /// Is there a flow that gets one verdict with the rule and the other without it? `others` are the other rules
    /// that can match a flow that the rule matches.
    pub(crate) fn differs(&self, rule: RuleId, others: &[RuleId]) -> Result<Question, VerifierError> {
        let encoded = self.encoded(rule)?;
        let with = self.verdict(rule, true, others)?;
        let without = self.verdict(rule, false, others)?;
        let formula = all([encoded.matches.clone(), differ(&with, &without)]);
        Ok(Question(self.session.literal(&formula)))
    }

    /// Is there a flow that the rule matches and that nobody asked earlier decides? `undenied`: nor any deny rule.
    pub(crate) fn reached(
        &self,
        rule: RuleId,
        others: &[RuleId],
        undenied: bool,
    ) -> Result<Question, VerifierError> {
        let encoded = self.encoded(rule)?;
        let earlier = self.decided_earlier(rule, others, undenied)?;
        let formula = all([encoded.matches.clone(), not(&earlier)]);
        Ok(Question(self.session.literal(&formula)))
    }

    /// Is there a flow that both rules of the namespaced tier match, and that the admin tier does not decide?
    pub(crate) fn both_match(
        &self,
        rule: RuleId,
        other: RuleId,
        others: &[RuleId],
    ) -> Result<Question, VerifierError> {
        let (one, second) = (self.encoded(rule)?, self.encoded(other)?);
        let earlier = self.decided_earlier(rule, others, false)?;
        let formula = all([one.matches.clone(), second.matches.clone(), not(&earlier)]);
        Ok(Question(self.session.literal(&formula)))
    }

    /// Whether the rules asked before this one decide the flow.
    fn decided_earlier(
        &self,
        rule: RuleId,
        others: &[RuleId],
        undenied: bool,
    ) -> Result<Bool, VerifierError> {
        let own = self.encoded(rule)?.rule;
        let mut rules = vec![];
        for id in others {
            let other = self.encoded(*id)?;
            if other.rule.direction == own.direction {
                rules.push((*id, other.rule, other.effective.clone()));
            }
        }
        rules.sort_by_key(|(id, rule, _)| (rule.rank, *id));
        let earlier_in = |tier: Tier| {
            any(rules
                .iter()
                .filter(|(id, other, _)| other.rank.tier == tier && (other.rank, *id) < (own.rank, rule))
                .map(|(_, _, term)| term.clone()))
        };
        let with_action = |action: Action| {
            any(rules
                .iter()
                .filter(|(_, other, _)| other.rank.tier == Tier::Namespaced && other.action == action)
                .map(|(_, _, term)| term.clone()))
        };
        let admin = by_admin(&rules);
        let earlier = match own.rank.tier {
            Tier::Admin => earlier_in(Tier::Admin),
            Tier::Namespaced if undenied => any([admin, with_action(Action::Deny)]),
            Tier::Namespaced => admin,
            Tier::Baseline => any([
                admin,
                with_action(Action::Deny),
                with_action(Action::Allow),
                self.isolated(own.direction),
                earlier_in(Tier::Baseline),
            ]),
        };
        Ok(match own.direction {
            Direction::Ingress => any([self.flow.own_node.clone(), earlier]),
            Direction::Egress => earlier,
        })
    }

    /// Whether any flow answers the question.
    pub(crate) fn ask(&self, question: &Question, presence: &[Presence]) -> Result<Found, VerifierError> {
        Ok(self.session.check(&self.assumptions(question, presence)?))
    }

    /// The question as SMT-LIB text: satisfiable iff [`Self::ask`] finds a flow.
    pub(crate) fn to_smt_lib(
        &self,
        question: &Question,
        presence: &[Presence],
    ) -> Result<String, VerifierError> {
        Ok(self.session.to_smt_lib(&self.assumptions(question, presence)?))
    }

    fn assumptions(&self, question: &Question, presence: &[Presence]) -> Result<Vec<Bool>, VerifierError> {
        let mut assumptions = vec![question.0.clone()];
        for (id, present) in presence {
            let literal = &self.encoded(*id)?.present;
            assumptions.push(if *present { literal.clone() } else { !literal });
        }
        Ok(assumptions)
    }

    fn encoded(&self, rule: RuleId) -> Result<&Encoded<'m>, VerifierError> {
        self.rules.get(&rule).ok_or(VerifierError::NoSuchRule(rule))
    }

    /// The flow as one side of it sees it.
    fn view(&self, direction: Direction) -> &SymbolicFlow {
        match (direction, &self.received) {
            (Direction::Ingress, Some(received)) => received,
            (Direction::Ingress, None) | (Direction::Egress, _) => &self.flow,
        }
    }

    fn matching(&self, direction: Direction) -> Matching<'_> {
        Matching {
            flow: self.view(direction),
            vocabulary: &self.vocabulary,
            cluster: self.model.cluster.name(),
        }
    }

    fn in_force(&self, policy: &Policy, direction: Direction) -> Bool {
        match &policy.subject {
            Subject::Endpoints(selector) if policy.applies.has(direction) => self
                .matching(direction)
                .pod(selector, &self.view(direction).subject),
            // Nodes have no verdict of their own yet: host policies decide nothing about pods.
            Subject::Endpoints(_) | Subject::Nodes(_) => constant(false),
        }
    }

    /// Whether the subject's side lets a flow *that the rule matches* through when the rule is there or not, and the
    /// others as their activation literals say. Knowing that it matches, and so that its policy is in force, leaves
    /// little of most verdicts: for an allow under its own policy's default deny, "is there another one?".
    fn verdict(&self, rule: RuleId, there: bool, others: &[RuleId]) -> Result<Bool, VerifierError> {
        let own = self.encoded(rule)?;
        let direction = own.rule.direction;
        let mut effective = vec![];
        if there {
            effective.push((rule, own.rule, constant(true)));
        }
        for id in others {
            let other = self.encoded(*id)?;
            if other.rule.direction == direction {
                effective.push((*id, other.rule, other.effective.clone()));
            }
        }
        effective.sort_by_key(|(id, rule, _)| (rule.rank, *id));
        let isolated = match self.model.policy(rule.policy) {
            Some(policy) if policy.default_deny.has(direction) => constant(true),
            _ => self.isolated(direction),
        };
        Ok(self.tiers(direction, &effective, isolated))
    }

    /// Whether a policy in force asks for default deny.
    fn isolated(&self, direction: Direction) -> Bool {
        self.isolated_by(direction, |_| true)
    }

    /// Whether one of these policies is in force and asks for default deny.
    fn isolated_by(&self, direction: Direction, counts: impl Fn(PolicyId) -> bool) -> Bool {
        any(self
            .policies
            .iter()
            .filter(|id| counts(**id))
            .filter_map(|id| self.model.policy(*id))
            .filter(|policy| policy.default_deny.has(direction))
            .map(|policy| self.in_force(policy, direction)))
    }

    /// The verdict of these rules (each with "there, in force and matching"), sorted by rank and id.
    fn tiers(&self, direction: Direction, rules: &[(RuleId, &Rule, Bool)], isolated: Bool) -> Bool {
        let tier = |tier| rules.iter().filter(move |(_, rule, _)| rule.rank.tier == tier);
        // The first match decides: built from the last rule backwards.
        let ordered = |name: Tier, pass: &Bool, otherwise: Bool| {
            let rules: Vec<_> = tier(name).collect();
            rules.into_iter().rev().fold(otherwise, |rest, (_, rule, term)| {
                let decided = match rule.action {
                    Action::Allow => constant(true),
                    Action::Deny => constant(false),
                    Action::Pass => pass.clone(),
                };
                choose(term, &decided, &rest)
            })
        };
        let namespaced = |action| {
            any(tier(Tier::Namespaced)
                .filter(|(_, rule, _)| rule.action == action)
                .map(|(_, _, term)| term.clone()))
        };

        let open = constant(true);
        let baseline = ordered(Tier::Baseline, &open, open.clone());
        let by_default = all([not(&isolated), baseline]);
        let by_namespaced = all([
            not(&namespaced(Action::Deny)),
            any([namespaced(Action::Allow), by_default]),
        ]);
        let by_admin = ordered(Tier::Admin, &by_namespaced, by_namespaced.clone());
        match direction {
            // A pod's own node always reaches it.
            Direction::Ingress => any([self.view(direction).own_node.clone(), by_admin]),
            Direction::Egress => by_admin,
        }
    }
}
