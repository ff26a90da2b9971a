//! Laws that any meaning of network policy must keep, asked of the reference evaluator alone.
#![cfg(test)]

use portcullis_ir::evaluator::evaluate;
use portcullis_ir::model::Model;
use portcullis_ir::peer::Peers;
use portcullis_ir::policy::{Action, Directions, Policy, PolicyKind, Rank, Rule, Tier};
use portcullis_ir::port::Ports;
use portcullis_ir::testing::{Profile, Scenario, models, scenarios};
use proptest::prelude::*;
use proptest::sample::Index;

/// The scenario, and the verdicts of its flows under other policies.
fn verdicts(scenario: &Scenario, policies: Vec<Policy>) -> Vec<bool> {
    let model = Model::new(scenario.model.cluster.clone(), policies);
    let judge = |flow| evaluate(&model, flow).allowed();
    scenario.flows.iter().map(judge).collect()
}

fn policies(scenario: &Scenario) -> Vec<Policy> {
    scenario.model.policies().to_vec()
}

/// A scenario and a rule of the namespaced tier out of another one, that speaks of the same sort of cluster.
fn with_a_rule(action: Action) -> impl Strategy<Value = (Scenario, Rule, Index)> {
    let rule = models(Profile::everything()).prop_filter_map("no rules", move |model| {
        let rule = model.policies().iter().flat_map(|policy| &policy.rules).next()?;
        Some(Rule {
            rank: Rank::NAMESPACED,
            action,
            ..rule.clone()
        })
    });
    (scenarios(Profile::everything()), rule, any::<Index>())
}

/// Adds a rule to a policy of the namespaced tier; `None` where there is none.
fn add(scenario: &Scenario, rule: Rule, at: Index) -> Option<Vec<Policy>> {
    let mut policies = policies(scenario);
    let (_, policy) = namespaced(&mut policies, at)?;
    policy.rules.push(rule);
    Some(policies)
}

fn namespaced(policies: &mut [Policy], at: Index) -> Option<(usize, &mut Policy)> {
    let mut namespaced: Vec<_> = policies
        .iter_mut()
        .enumerate()
        .filter(|(_, policy)| policy.kind <= PolicyKind::CiliumClusterwideNetworkPolicy)
        .collect();
    if namespaced.is_empty() {
        return None;
    }
    let chosen = at.index(namespaced.len());
    Some(namespaced.swap_remove(chosen))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn an_allow_rule_never_closes((scenario, rule, at) in with_a_rule(Action::Allow)) {
        let Some(more) = add(&scenario, rule, at) else { return Ok(()) };
        let before = verdicts(&scenario, policies(&scenario));
        for ((before, after), flow) in before.into_iter().zip(verdicts(&scenario, more)).zip(&scenario.flows) {
            prop_assert!(after || !before, "{:?}", flow);
        }
    }

    #[test]
    fn a_deny_rule_never_opens((scenario, rule, at) in with_a_rule(Action::Deny)) {
        let Some(more) = add(&scenario, rule, at) else { return Ok(()) };
        let before = verdicts(&scenario, policies(&scenario));
        for ((before, after), flow) in before.into_iter().zip(verdicts(&scenario, more)).zip(&scenario.flows) {
            prop_assert!(before || !after, "{:?}", flow);
        }
    }

    #[test]
    fn asking_for_default_deny_never_opens(scenario in scenarios(Profile::everything()), at in any::<Index>()) {
        let mut more = policies(&scenario);
        let Some((_, policy)) = namespaced(&mut more, at) else { return Ok(()) };
        policy.default_deny = policy.applies;
        // The baseline tier gives way to the namespaced one, and may have denied: never allowed by that.
        let before = verdicts(&scenario, policies(&scenario));
        for ((before, after), flow) in before.into_iter().zip(verdicts(&scenario, more)).zip(&scenario.flows) {
            prop_assert!(before || !after, "{:?}", flow);
        }
    }

    #[test]
    fn names_and_order_of_policies_and_of_rules_without_rank_mean_nothing(scenario in scenarios(Profile::everything())) {
        let mut renamed = policies(&scenario);
        renamed.reverse();
        for (number, policy) in (0..).zip(&mut renamed) {
            policy.name = format!("renamed-{number}");
            policy.kind = PolicyKind::NetworkPolicy;
            policy.rules.reverse();
        }
        prop_assert_eq!(verdicts(&scenario, renamed), verdicts(&scenario, policies(&scenario)));
    }

    #[test]
    fn a_model_is_the_same_whatever_the_order_of_its_parts(scenario in scenarios(Profile::everything())) {
        let cluster = &scenario.model.cluster;
        let shuffled = portcullis_ir::cluster::Cluster::new(
            cluster.namespaces().clone().into_iter().rev(),
            cluster.endpoints().iter().rev().cloned(),
            cluster.nodes().iter().rev().cloned(),
        )
        .named(cluster.name());
        let reversed = scenario.model.policies().iter().rev().cloned();
        prop_assert_eq!(Model::new(shuffled, reversed), scenario.model);
    }

    /// A rule is the union over its peers and its ports.
    #[test]
    fn a_rule_may_be_split_by_peer_and_by_port(scenario in scenarios(Profile::everything())) {
        let mut split = policies(&scenario);
        for policy in &mut split {
            let whole: Vec<_> = policy.rules.drain(..).collect();
            policy.rules = whole.into_iter().flat_map(split_rule).collect();
        }
        prop_assert_eq!(verdicts(&scenario, split), verdicts(&scenario, policies(&scenario)));
    }

    /// Saying a rule twice, in another policy that asks for nothing, changes nothing.
    #[test]
    fn repetition_means_nothing(scenario in scenarios(Profile::everything()), at in any::<Index>()) {
        let mut more = policies(&scenario);
        let Some((_, policy)) = namespaced(&mut more, at) else { return Ok(()) };
        let again = Policy { name: "again".to_owned(), default_deny: Directions::default(), ..policy.clone() };
        more.push(again);
        prop_assert_eq!(verdicts(&scenario, more), verdicts(&scenario, policies(&scenario)));
    }

    /// A pass above everything hides the admin tier, and one in front of the baseline tier hides that.
    #[test]
    fn a_pass_before_all_others_is_no_tier(
        scenario in scenarios(Profile::everything()),
        tier in prop_oneof![Just(Tier::Admin), Just(Tier::Baseline)],
    ) {
        let mut passed = policies(&scenario);
        let mut bare = policies(&scenario);
        for policy in &mut bare {
            policy.rules.retain(|rule| rule.rank.tier != tier);
        }
        for policy in &mut passed {
            let Some(rule) = policy.rules.iter().find(|rule| rule.rank.tier == tier) else { continue };
            let pass = |direction| Rule {
                direction,
                action: Action::Pass,
                rank: Rank { tier, priority: 0, order: 0 },
                peers: Peers::Any,
                ports: Ports::Any,
                beyond: Vec::new(),
                origin: rule.origin.clone(),
            };
            let passes = portcullis_ir::policy::Direction::BOTH.map(pass);
            policy.rules.extend(passes);
        }
        prop_assert_eq!(verdicts(&scenario, passed), verdicts(&scenario, bare));
    }
}

/// One rule for each peer and port of a rule; an empty list leaves none.
fn split_rule(rule: Rule) -> Vec<Rule> {
    let peers: Vec<_> = match &rule.peers {
        Peers::Any => vec![Peers::Any],
        Peers::OneOf(peers) => peers
            .iter()
            .map(|peer| Peers::OneOf(vec![peer.clone()]))
            .collect(),
    };
    let ports: Vec<_> = match &rule.ports {
        Ports::Any => vec![Ports::Any],
        Ports::OneOf(ports) => ports
            .iter()
            .map(|port| Ports::OneOf(vec![port.clone()]))
            .collect(),
    };
    let mut split = Vec::new();
    for peers in peers {
        for ports in &ports {
            split.push(Rule {
                peers: peers.clone(),
                ports: ports.clone(),
                ..rule.clone()
            });
        }
    }
    split
}
