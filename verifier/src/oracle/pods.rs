//! Questions about pods: which of them nobody isolates, which of their flows are denied by default or reopened.
//!
//! The algebra has more patience here, because one check asks many of them; what it gives up on, the solver is asked.

use std::collections::BTreeSet;

use ir::peer::{PeerMatch, Peers};
use ir::policy::{Direction, Policy, PolicyId, Rule, RuleId};

use super::{Cut, Formulas, OneFlow, Oracle};
use crate::algebra::GaveUp;
use crate::algebra::cube::Cube;
use crate::answers::Text;
use crate::encode::{Encoder, Found, in_own_context};
use crate::error::VerifierError;
use crate::question::Question;
use crate::slice::{Slice, preferred, preferred_subjects};
use crate::witness::Witness;

/// Flows that a rule would match if its peers were others: the rule, and the same as cubes.
pub(crate) struct CutOut<'a> {
    pub(crate) rule: RuleId,
    pub(crate) with_peers: &'a Rule,
    pub(crate) cubes: &'a [Cube],
}

impl<'m> Oracle<'m> {
    /// A flow of those that are cut out which the other rule matches, and which is allowed.
    pub(crate) fn opened(
        &self,
        by: RuleId,
        cut_out: &CutOut<'_>,
    ) -> Result<Cut<Option<Witness>>, VerifierError> {
        match self.opened_by_algebra(by, cut_out) {
            Ok(found) => Ok(Ok(found)),
            Err(GaveUp) => self.opened_by_solver(by, cut_out),
        }
    }

    pub(crate) fn opened_by_algebra(
        &self,
        by: RuleId,
        cut_out: &CutOut<'_>,
    ) -> Result<Option<Witness>, GaveUp> {
        let Some(rule) = self.model.rule(by) else {
            return Ok(None);
        };
        self.choose(
            Question::MatchesWithVerdict(by, true),
            &|_| Some(true),
            cut_out.cubes,
            (rule.direction, true),
            self.patient_steps(),
        )
    }

    pub(crate) fn opened_by_solver(
        &self,
        by: RuleId,
        cut_out: &CutOut<'_>,
    ) -> Result<Cut<Option<Witness>>, VerifierError> {
        let slice = Slice::of(&self.neighbours, &[by, cut_out.rule], &BTreeSet::new());
        let asked = OneFlow {
            policies: &slice.policies,
            rules: &slice.rules,
            direction: cut_out.with_peers.direction,
            allowed: true,
        };
        let position = |rule: RuleId| slice.rules.range(..rule).count();
        self.by_solver(
            &asked,
            || {
                self.text_of("which flow is reopened?", &slice.policies, &slice.rules)
                    .with("rules", &(position(cut_out.rule), position(by)))
                    .with("peers", &named(cut_out.with_peers))
            },
            || preferred(self.model, by),
            || {
                let encoder = self.encoder(&slice.policies, &slice.rules)?;
                let others = slice.others.get(&by).map_or(&[][..], Vec::as_slice);
                let question = encoder.matches_with_verdict(by, others, true)?;
                let policy = encoder.policy(cut_out.rule.policy)?;
                Ok(Formulas {
                    question: encoder.also_matching(&question, policy, cut_out.with_peers),
                    presence: everybody(&slice.rules, Some(by)),
                    encoder,
                })
            },
        )
    }

    /// Whether some pod of the policy's is denied nothing by default by any of these policies.
    pub(crate) fn leave_free(
        &self,
        id: PolicyId,
        direction: Direction,
        by: &[PolicyId],
    ) -> Result<Found, VerifierError> {
        Ok(match self.leave_free_by_algebra(id, direction, by) {
            Ok(true) => Found::Some,
            Ok(false) => Found::None,
            Err(GaveUp) => self.leave_free_by_solver(id, direction, by)?,
        })
    }

    pub(crate) fn leave_free_by_algebra(
        &self,
        id: PolicyId,
        direction: Direction,
        by: &[PolicyId],
    ) -> Result<bool, GaveUp> {
        let Some(pods) = self.pods(id, direction) else {
            return Ok(false);
        };
        let steps = self.patient_steps();
        if steps == 0 {
            return Err(GaveUp);
        }
        let free = self
            .algebra
            .not_isolated(&pods, direction, &|policy| by.contains(&policy), steps)?;
        Ok(free.is_some())
    }

    pub(crate) fn leave_free_by_solver(
        &self,
        id: PolicyId,
        direction: Direction,
        by: &[PolicyId],
    ) -> Result<Found, VerifierError> {
        let policies: BTreeSet<PolicyId> = by.iter().copied().chain([id]).collect();
        let rules = BTreeSet::new();
        let position = |policy: &PolicyId| policies.range(..*policy).count();
        self.options.answers.to(
            || {
                let by: Vec<_> = by.iter().map(position).collect();
                self.text_of("is none isolated?", &policies, &rules)
                    .with("policy", &(position(&id), direction, by))
                    .done()
            },
            Found::read,
            || {
                in_own_context(|| {
                    let encoder = self.encoder(&policies, &rules)?;
                    let question = encoder.not_isolated(encoder.policy(id)?, direction, by);
                    encoder.ask(&question, &[])
                })
            },
            Found::written,
        )
    }

    /// A flow of the policy's pods that no rule decides and that is denied by default.
    pub(crate) fn denied_by_default(
        &self,
        id: PolicyId,
        direction: Direction,
    ) -> Result<Cut<Option<Witness>>, VerifierError> {
        match self.denied_by_default_by_algebra(id, direction) {
            Ok(found) => Ok(Ok(found)),
            Err(GaveUp) => self.denied_by_default_by_solver(id, direction),
        }
    }

    pub(crate) fn denied_by_default_by_algebra(
        &self,
        id: PolicyId,
        direction: Direction,
    ) -> Result<Option<Witness>, GaveUp> {
        let steps = self.patient_steps();
        let words = self.algebra.words();
        let Some(pods) = self.pods(id, direction) else {
            return Ok(None);
        };
        if steps == 0 {
            return Err(GaveUp);
        }
        let (rules, mut policies) = self.algebra.near(std::slice::from_ref(&pods), direction);
        policies.push(id);
        let preferred = preferred_subjects(self.model, id);
        self.pick(&rules, policies, direction, &preferred, false, &|cubes| {
            let cubes: Vec<Cube> = cubes.iter().filter_map(|cube| cube.and(&pods, words)).collect();
            self.algebra.denied_by_default(&cubes, direction, steps)
        })
    }

    pub(crate) fn denied_by_default_by_solver(
        &self,
        id: PolicyId,
        direction: Direction,
    ) -> Result<Cut<Option<Witness>>, VerifierError> {
        let Some(pods) = self.pods(id, direction) else {
            return Ok(Ok(None));
        };
        let (rules, policies) = self.algebra.near(std::slice::from_ref(&pods), direction);
        let rules: BTreeSet<RuleId> = rules.into_iter().collect();
        let of_rules = rules.iter().map(|rule| rule.policy);
        let policies: BTreeSet<PolicyId> = policies.into_iter().chain(of_rules).chain([id]).collect();
        let asked = OneFlow {
            policies: &policies,
            rules: &rules,
            direction,
            allowed: false,
        };
        self.by_solver(
            &asked,
            || {
                self.text_of("which flow is denied by default?", &policies, &rules)
                    .with("policy", &policies.range(..id).count())
            },
            || preferred_subjects(self.model, id),
            || {
                let encoder = self.encoder(&policies, &rules)?;
                Ok(Formulas {
                    question: encoder.denied_by_default(encoder.policy(id)?, direction),
                    presence: everybody(&rules, None),
                    encoder,
                })
            },
        )
    }

    /// The policy's pods.
    fn pods(&self, id: PolicyId, direction: Direction) -> Option<Cube> {
        let policy: &Policy = self.model.policy(id)?;
        self.algebra.words().in_force(policy, direction)
    }

    fn encoder(
        &self,
        policies: &BTreeSet<PolicyId>,
        rules: &BTreeSet<RuleId>,
    ) -> Result<Encoder<'m>, VerifierError> {
        let encoder = Encoder::new(self.model, policies, rules, &self.options)?;
        encoder.assume_real_flows();
        Ok(encoder)
    }

    pub(super) fn text_of(
        &self,
        kind: &str,
        policies: &BTreeSet<PolicyId>,
        rules: &BTreeSet<RuleId>,
    ) -> Text {
        Text::of(kind, &self.options)
            .with("namespaces", self.model.cluster.namespaces())
            .with_policies(self.model, policies, |rule| rules.contains(&rule))
    }
}

/// What the rule's peers are, wherever that is written.
pub(super) fn named(rule: &Rule) -> Vec<&PeerMatch> {
    match &rule.peers {
        Peers::Any => vec![],
        Peers::OneOf(peers) => peers.iter().map(|peer| &peer.matches).collect(),
    }
}

/// All rules but one are there.
fn everybody(rules: &BTreeSet<RuleId>, but: Option<RuleId>) -> Vec<crate::encode::Presence> {
    let there = rules.iter().filter(|rule| Some(**rule) != but);
    there.map(|rule| (*rule, true)).collect()
}
