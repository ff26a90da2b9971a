//! What is said of rules that match, and of rules that do not, against the reference evaluator.

use super::near::Question;
use super::{Reason, judge};
use ir::evaluator;
use ir::flow::Because;
use ir::policy::{Action, Direction, RuleId, Subject, Tier};
use ir::testing::{Profile, scenarios};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_rule_matches_exactly_when_nothing_would_have_to_be_otherwise(scenario in scenarios(Profile::everything())) {
        let model = &scenario.model;
        for flow in &scenario.flows {
            let judgement = evaluator::evaluate(model, flow);
            for (direction, decision) in [
                (Direction::Egress, &judgement.egress),
                (Direction::Ingress, &judgement.ingress),
            ] {
                let Some(question) = Question::of(model, flow, direction) else {
                    continue;
                };
                let matching: Vec<RuleId> = model
                    .policy_ids()
                    .filter(|(_, policy)| policy.applies.has(direction))
                    .filter(|(_, policy)| match &policy.subject {
                        Subject::Endpoints(selector) => {
                            selector.matches(|a| model.cluster.attribute(question.subject, a))
                        }
                        Subject::Nodes(_) => false,
                    })
                    .flat_map(|(id, _)| model.rule_ids(id))
                    .filter(|(_, rule)| rule.direction == direction && question.changes(rule).is_empty())
                    .map(|(id, _)| id)
                    .collect();
                let namespaced = |action| -> Vec<RuleId> {
                    let is = |id: &RuleId| {
                        let rule = model.rule(*id).unwrap();
                        rule.rank.tier == Tier::Namespaced && rule.action == action
                    };
                    matching.iter().copied().filter(is).collect()
                };
                match &decision.because {
                    Because::Rules(rules) => {
                        let first = model.rule(rules[0]).unwrap();
                        if first.rank.tier == Tier::Namespaced {
                            prop_assert_eq!(rules, &namespaced(first.action), "{:?}\n{:?}", flow, scenario);
                        } else {
                            prop_assert!(matching.contains(&rules[0]), "{:?}\n{:?}", flow, scenario);
                        }
                    }
                    Because::DefaultDeny(_) => {
                        prop_assert_eq!(namespaced(Action::Allow), [], "{:?}\n{:?}", flow, scenario);
                        prop_assert_eq!(namespaced(Action::Deny), [], "{:?}\n{:?}", flow, scenario);
                    }
                    Because::Unrestricted => {
                        prop_assert_eq!(namespaced(Action::Deny), [], "{:?}\n{:?}", flow, scenario);
                    }
                    Because::NotAnEndpoint | Because::Loopback | Because::OwnHost => {}
                }
            }
            // What a whole answer says of each side agrees with it.
            let verdict = judge(model, flow);
            prop_assert_eq!(verdict.allowed, judgement.allowed());
            for side in [&verdict.egress, &verdict.ingress] {
                prop_assert_eq!(side.nearest.is_empty() || side.reason == Reason::DefaultDeny, true);
                for pair in side.nearest.windows(2) {
                    prop_assert!(pair[0].distance() <= pair[1].distance());
                }
            }
        }
    }
}
