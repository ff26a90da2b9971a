//! Questions that are about pods, not about a rule alone, as formulas: who isolates them, what becomes of their flows,
//! and of the flows that another rule could match. What [`crate::algebra`] answers of them, it answers from cubes.

use ir::policy::{Action, Direction, Policy, PolicyId, Rule, RuleId, Tier};
use z3::ast::Bool;

use super::terms::{all, any, choose, constant, not};
use super::{Encoder, Formula, Question};
use crate::error::VerifierError;

impl Encoder<'_> {
    /// Is there a pod of the policy's that none of these policies denies by default for?
    pub(crate) fn not_isolated(&self, policy: &Policy, direction: Direction, by: &[PolicyId]) -> Question {
        let isolated = self.isolated_by(direction, |id| by.contains(&id));
        let formula = all([self.in_force(policy, direction), not(&isolated)]);
        Question(self.session.literal(&formula))
    }

    /// The rules of the slice in the order in which they are asked, with what they match.
    pub(super) fn in_order(&self, direction: Direction) -> Vec<(RuleId, &Rule, Bool)> {
        let own = self.rules.iter();
        let own = own.filter(|(_, encoded)| encoded.rule.direction == direction);
        let mut rules: Vec<_> = own
            .map(|(id, encoded)| (*id, encoded.rule, encoded.matches.clone()))
            .collect();
        rules.sort_by_key(|(id, rule, _)| (rule.rank, *id));
        rules
    }

    /// Is there a flow of the policy's pods that no rule of the slice decides, and that is denied by default?
    pub(crate) fn denied_by_default(&self, policy: &Policy, direction: Direction) -> Question {
        let rules = self.in_order(direction);
        let namespaced = rules
            .iter()
            .filter(|(_, rule, _)| rule.rank.tier == Tier::Namespaced);
        let mut decided = vec![by_admin(&rules), any(namespaced.map(|(_, _, term)| term.clone()))];
        if direction == Direction::Ingress {
            decided.push(self.flow.own_node.clone());
        }
        let formula = all([
            self.in_force(policy, direction),
            not(&any(decided)),
            self.isolated(direction),
        ]);
        Question(self.session.literal(&formula))
    }

    /// The same question, of flows that this rule would match too if its policy had it.
    pub(crate) fn also_matching(&self, question: &Question, policy: &Policy, rule: &Rule) -> Question {
        let formula = all([question.0.clone(), self.would_match(policy, rule).0]);
        Question(self.session.literal(&formula))
    }

    /// Whether the policy is in force, and a rule matches that it could have.
    pub(crate) fn would_match(&self, policy: &Policy, rule: &Rule) -> Formula {
        Formula(all([
            self.in_force(policy, rule.direction),
            self.matching(rule.direction).rule(rule),
        ]))
    }

    /// The rule's own policy; for questions about a rule that is not there as it is asked about.
    pub(crate) fn policy(&self, id: PolicyId) -> Result<&Policy, VerifierError> {
        let nobody = VerifierError::NoSuchRule(RuleId { policy: id, rule: 0 });
        self.model.policy(id).ok_or(nobody)
    }
}

/// Whether one of the rules of the admin tier decides, and does not pass the flow on. They are sorted by rank.
pub(super) fn by_admin(rules: &[(RuleId, &Rule, Bool)]) -> Bool {
    rules
        .iter()
        .rev()
        .filter(|(_, rule, _)| rule.rank.tier == Tier::Admin)
        .fold(constant(false), |rest, (_, rule, term)| {
            choose(term, &constant(rule.action != Action::Pass), &rest)
        })
}
