//! The reference evaluator, asked many times.
//!
//! The evaluator looks at every policy for every question. Policies that do not select the pod in question have no
//! say, so that it can as well be given the others alone: same answers, and a question costs what the policies of one
//! pod cost, however many there are.

use std::sync::{Arc, OnceLock};

use crate::cluster::EndpointId;
use crate::evaluator;
use crate::flow::{Because, Decision, Flow, Judgement, Party};
use crate::model::Model;
use crate::policy::{Direction, PolicyId};
use crate::port::Protocol;
use crate::selecting::Selecting;

/// Answers as [`evaluator::evaluate`] and [`evaluator::decide`] do on the whole model.
#[derive(Debug)]
pub struct Judge<'m> {
    model: &'m Model,
    selecting: Arc<Selecting>,
    /// By list of policies: the model with no others, once somebody asked.
    excerpts: Vec<OnceLock<Model>>,
}

impl<'m> Judge<'m> {
    /// Indexes the policies of `model`.
    #[must_use]
    pub fn new(model: &'m Model) -> Self {
        Self::on(model, Arc::new(Selecting::new(model)))
    }

    /// The same for a model whose policies have other rules, but the subjects and the order of these.
    #[must_use]
    pub fn of_other_rules<'o>(&self, model: &'o Model) -> Judge<'o> {
        Judge::on(model, Arc::clone(&self.selecting))
    }

    fn on(model: &'m Model, selecting: Arc<Selecting>) -> Self {
        Self {
            model,
            excerpts: selecting.lists().map(|_| OnceLock::new()).collect(),
            selecting,
        }
    }

    /// Which policies select which pods.
    #[must_use]
    pub fn selecting(&self) -> &Selecting {
        &self.selecting
    }

    /// Judges a whole flow: the source's egress and the destination's ingress, each by itself.
    #[must_use]
    pub fn evaluate(&self, flow: &Flow) -> Judgement {
        let side = |subject, direction, peer| match subject {
            Party::Endpoint { id, .. } => self.decide(id, direction, peer, flow.protocol, flow.port),
            Party::Node { .. } | Party::SomeNode | Party::Outside(_) => Decision {
                allowed: true,
                because: Because::NotAnEndpoint,
            },
        };
        Judgement {
            egress: side(flow.source, Direction::Egress, flow.destination),
            ingress: side(flow.destination, Direction::Ingress, flow.source),
        }
    }

    /// Decides one side of a flow.
    #[must_use]
    pub fn decide(
        &self,
        endpoint: EndpointId,
        direction: Direction,
        peer: Party,
        protocol: Protocol,
        port: u16,
    ) -> Decision {
        let list = self.selecting.list(endpoint);
        let Some(excerpt) = self.excerpts.get(list.place()) else {
            return evaluator::decide(self.model, endpoint, direction, peer, protocol, port);
        };
        let policies = self.selecting.policies(list);
        let excerpt = excerpt.get_or_init(|| {
            let policies = policies.iter().filter_map(|id| self.model.policy(*id));
            Model::new(self.model.cluster.clone(), policies.cloned())
        });
        let mut decision = evaluator::decide(excerpt, endpoint, direction, peer, protocol, port);
        // Both models have their policies in one order.
        let in_whole = |id: &mut PolicyId| {
            if let Some(whole) = policies.get(id.0 as usize) {
                *id = *whole;
            }
        };
        match &mut decision.because {
            Because::Rules(rules) => rules.iter_mut().for_each(|rule| in_whole(&mut rule.policy)),
            Because::DefaultDeny(policies) => policies.iter_mut().for_each(in_whole),
            Because::NotAnEndpoint | Because::Loopback | Because::OwnHost | Because::Unrestricted => {}
        }
        decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Profile, scenarios};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_judge_says_what_the_evaluator_says(scenario in scenarios(Profile::everything())) {
            let judge = Judge::new(&scenario.model);
            for flow in &scenario.flows {
                prop_assert_eq!(judge.evaluate(flow), evaluator::evaluate(&scenario.model, flow));
            }
        }
    }
}
