//! The algebra and the solver give the same answer to every question that both can answer.

use std::collections::BTreeSet;

use ir::model::Model;
use ir::policy::{RuleId, Tier};
use ir::testing::{self, Profile};
use proptest::prelude::*;

use crate::encode::{Encoder, Found, in_own_context};
use crate::generated::{self, EVERYTHING, Shape};
use crate::options::Options;
use crate::oracle::Oracle;
use crate::question::{Presence, Question};

fn questions(model: &Model) -> Vec<Question> {
    let rules: Vec<_> = model
        .policy_ids()
        .flat_map(|(id, _)| model.rule_ids(id))
        .collect();
    let mut questions = vec![];
    for (id, rule) in &rules {
        questions.extend([
            Question::Matches(*id),
            Question::Differs(*id),
            Question::MatchesWithVerdict(*id, true),
            Question::MatchesWithVerdict(*id, false),
            Question::Reached(*id),
        ]);
        if rule.rank.tier == Tier::Namespaced {
            questions.push(Question::Undenied(*id));
            let others = rules.iter().filter(|(other, against)| {
                other != id && against.rank.tier == Tier::Namespaced && against.direction == rule.direction
            });
            questions.extend(others.map(|(other, _)| Question::BothMatch(*id, *other)));
        }
    }
    questions
}

/// Asks the solver about the whole model at once: what the algebra leaves out of a question is in it.
fn compare(model: &Model, presence: &Presence<'_>) -> Result<(), TestCaseError> {
    let options = Options::default();
    let oracle = Oracle::of(model, &options);
    let policies: BTreeSet<_> = model.policy_ids().map(|(id, _)| id).collect();
    let all: BTreeSet<_> = policies
        .iter()
        .flat_map(|id| model.rule_ids(*id))
        .map(|(id, _)| id)
        .collect();
    let answers: Vec<_> = in_own_context(|| {
        let encoder = Encoder::new(model, &policies, &all, &options).unwrap();
        encoder.assume_real_flows();
        let ask = |question: Question| {
            let rule = question.rule();
            let there = |other: &&RuleId| **other != rule && presence(**other) != Some(false);
            let others: Vec<RuleId> = all.iter().filter(there).copied().collect();
            let presence: Vec<_> = others
                .iter()
                .filter_map(|other| Some((*other, presence(*other)?)))
                .collect();
            let asked = match question {
                Question::Matches(_) => encoder.matches(rule),
                Question::MatchesWithVerdict(_, allowed) => {
                    encoder.matches_with_verdict(rule, &others, allowed)
                }
                Question::Differs(_) => encoder.differs(rule, &others),
                Question::Reached(_) => encoder.reached(rule, &others, false),
                Question::Undenied(_) => encoder.reached(rule, &others, true),
                Question::BothMatch(_, other) => encoder.both_match(rule, other, &others),
            };
            encoder.ask(&asked.unwrap(), &presence).unwrap()
        };
        questions(model)
            .into_iter()
            .map(|question| (question, ask(question)))
            .collect()
    });
    for (question, by_solver) in answers {
        let Ok(by_algebra) = oracle.ask_algebra(question, presence) else {
            continue;
        };
        prop_assert_eq!(
            by_algebra.is_some(),
            by_solver == Found::Some,
            "{:?}: {:?}\n{}",
            question,
            by_algebra,
            ir::text::print(model)
        );
    }
    Ok(())
}

/// Presences of all sorts, by number.
fn presence(seed: u32) -> impl Fn(RuleId) -> Option<bool> + Sync {
    move |rule: RuleId| match (rule.policy.0 * 3 + rule.rule * 5 + seed) % 4 {
        0 => None,
        1 if seed.is_multiple_of(2) => Some(false),
        _ => Some(true),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn one_tier(model in generated::model(Shape { tiers: false, domains: true, policies: 4 }), seed in 0u32..8) {
        compare(&model, &presence(seed))?;
    }

    #[test]
    fn three_tiers(model in generated::model(EVERYTHING), seed in 0u32..8) {
        compare(&model, &presence(seed))?;
    }

    #[test]
    fn what_pods_have(model in testing::models(Profile::everything()), seed in 0u32..8) {
        compare(&model, &presence(seed))?;
    }
}

/// A rule that is free is there or not for all of a question: a pass in front of an allow changes nothing.
#[test]
fn a_free_rule_is_the_same_one_with_and_without_the_rule_in_question() {
    let model = ir::text::parse(
        "\
policy CiliumNetworkPolicy shop/a on pods [ns=shop] denies egress {
  allow egress
}
policy AdminNetworkPolicy b on pods [] applies egress {
  pass egress admin 6.0
}
",
    )
    .unwrap();
    compare(&model, &|_| None).unwrap();
}
