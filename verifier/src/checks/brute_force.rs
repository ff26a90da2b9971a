//! The checks against enumeration: what the solver proves for all pods holds for the pods of small generated worlds.

use std::collections::BTreeSet;

use ir::cluster::{Cluster, EndpointId, Family};
use ir::evaluator;
use ir::flow::{Because, Decision, Party};
use ir::model::Model;
use ir::policy::{Action, Direction, Policy, RuleId, Tier};
use ir::port::Protocol;
use ir::testing::{self, Profile};
use proptest::prelude::*;

use super::redundant_rule::{Cause, redundancy, redundant_rules};
use super::rule_never_matches::never_matching_rules;
use crate::answer::Answer;
use crate::generated::{self, Shape};
use crate::options::Options;
use crate::question::is_certain;

/// One side of a flow.
type Side = (EndpointId, Direction, Party, Protocol, u16);

/// Whether a packet can have this flow, with all that is unknown about the world known.
fn is_real(cluster: &Cluster, (subject, _, peer, protocol, _): &Side) -> bool {
    let subject = cluster.endpoint(*subject).unwrap();
    let peer = match *peer {
        Party::Endpoint { id, address } if cluster.endpoint(id).unwrap().host_network => {
            let node = cluster.endpoint(id).unwrap().node.as_deref();
            match node.and_then(|name| cluster.node_named(name)) {
                Some(id) => Party::Node { id, address },
                None => Party::SomeNode,
            }
        }
        other => other,
    };
    if matches!(peer, Party::Node { .. }) && subject.node.is_none() {
        return false;
    }
    match (peer.family(), protocol) {
        (None, _) => false,
        (Some(family), Protocol::Icmp) => family == Family::V4,
        (Some(family), Protocol::Icmpv6) => family == Family::V6,
        (Some(_), _) => true,
    }
}

fn sides(model: &Model, parties: &[Party], ports: &[(Protocol, u16)]) -> Vec<Side> {
    let cluster = &model.cluster;
    let mut sides = vec![];
    for (subject, pod) in cluster.endpoint_ids() {
        if pod.host_network {
            continue;
        }
        for direction in Direction::BOTH {
            for peer in parties {
                for (protocol, port) in ports {
                    sides.push((subject, direction, *peer, *protocol, *port));
                }
            }
        }
    }
    sides.retain(|side| is_real(cluster, side));
    sides
}

fn decide(model: &Model, (subject, direction, peer, protocol, port): &Side) -> Decision {
    evaluator::decide(model, *subject, *direction, *peer, *protocol, *port)
}

fn without(model: &Model, removed: &BTreeSet<RuleId>) -> Model {
    let policies = model.policy_ids().map(|(id, policy)| Policy {
        rules: model
            .rule_ids(id)
            .filter(|(id, _)| !removed.contains(id))
            .map(|(_, rule)| rule.clone())
            .collect(),
        ..policy.clone()
    });
    Model::new(model.cluster.clone(), policies)
}

fn check(model: &Model, parties: &[Party], ports: &[(Protocol, u16)]) -> Result<(), TestCaseError> {
    let options = Options::default();
    let sides = sides(model, parties, ports);

    let report = redundant_rules(model, &options).unwrap();
    prop_assert!(report.undecided.is_empty());
    let removed: BTreeSet<RuleId> = report.found.iter().map(|found| found.rule).collect();
    let thinned = without(model, &removed);
    for side in &sides {
        prop_assert_eq!(
            decide(model, side).allowed,
            decide(&thinned, side).allowed,
            "{:?} without {:?}",
            side,
            &removed
        );
    }

    let dead = never_matching_rules(model, &options).unwrap();
    prop_assert!(dead.undecided.is_empty());
    for rule in &dead.found {
        prop_assert!(!removed.contains(rule), "{:?} is both dead and redundant", rule);
        for side in &sides {
            if let Because::Rules(rules) = decide(model, side).because {
                prop_assert!(!rules.contains(rule), "{:?} matches {:?}", rule, side);
            }
        }
    }

    // Each rule by itself: whichever answer the solver gives, its witness has been replayed when it comes back.
    for (policy, _) in model.policy_ids() {
        for (rule, _) in model.rule_ids(policy) {
            match redundancy(model, rule, &options).unwrap() {
                None => {}
                // Needed where the API server is not at some address, and nobody knows where it is.
                Some(Answer::Unknown(reason)) => {
                    let mut others = model.policy_ids().flat_map(|(policy, _)| model.rule_ids(policy));
                    prop_assert!(
                        others.any(|(other, _)| other != rule && !is_certain(model, other)),
                        "{:?}: {}",
                        rule,
                        reason
                    );
                }
                Some(Answer::Fails(_)) => {
                    prop_assert!(
                        !removed.contains(&rule) || has_ordered_tiers(model),
                        "{:?} is needed and was reported",
                        rule
                    );
                }
                Some(Answer::Holds(found)) => {
                    let gone = without(model, &BTreeSet::from([rule]));
                    for side in &sides {
                        prop_assert_eq!(
                            decide(model, side).allowed,
                            decide(&gone, side).allowed,
                            "{:?} without {:?}",
                            side,
                            rule
                        );
                    }
                    let action = model.rule(rule).unwrap().action;
                    let as_asked = found.witness.allowed == (action == Action::Allow);
                    match found.cause {
                        Cause::Shadowed => {}
                        Cause::CutByDeny => prop_assert!(!as_asked && action == Action::Allow),
                        Cause::DeniedAnyway => prop_assert!(as_asked && action == Action::Deny),
                        Cause::Repeated => prop_assert!(as_asked || action == Action::Pass),
                    }
                }
            }
        }
    }
    for found in &report.found {
        if !has_ordered_tiers(model) {
            prop_assert!(found.covered_by.iter().all(|cover| !removed.contains(cover)));
        }
    }
    Ok(())
}

fn has_ordered_tiers(model: &Model) -> bool {
    let mut rules = model.policies().iter().flat_map(|policy| &policy.rules);
    rules.any(|rule| rule.rank.tier != Tier::Namespaced)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn one_tier(model in generated::model(Shape { tiers: false, domains: false, policies: 4 })) {
        check(&model, &testing::parties(&model), &testing::ports(&model))?;
    }

    #[test]
    fn three_tiers(model in generated::model(Shape { tiers: true, domains: false, policies: 4 })) {
        check(&model, &testing::parties(&model), &testing::ports(&model))?;
    }

    #[test]
    fn deny_rules(model in testing::models(Profile { cilium: true, deny: true, ..Profile::network_policy() })) {
        check(&model, &testing::parties(&model), &testing::ports(&model))?;
    }

    #[test]
    fn network_policies(model in testing::models(Profile::network_policy())) {
        check(&model, &testing::parties(&model), &testing::ports(&model))?;
    }
}
