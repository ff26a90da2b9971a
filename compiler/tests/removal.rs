//! Whoever follows the advice of the `PC3xx` findings and removes rules, all of them at once, changes no verdict.
//!
//! Removing is done as in a manifest: a policy whose last rule of a direction is gone is no longer in force there, where
//! its kind takes that from the rules. A finding that says so, and what to write instead, keeps it in force.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that fails")]

use ir::cluster::Family;
use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::origin::Origin;
use ir::policy::{Direction, Directions, Policy, PolicyKind};
use ir::port::Protocol;
use ir::testing::{self, Profile, scenarios};
use portcullis_compiler::diagnostic::Code;
use portcullis_compiler::lints::conflicts;
use proptest::prelude::*;
use std::collections::BTreeMap;
use verifier::options::Options;

/// Findings whose advice is, or ends in, removing the rule.
const REMOVABLE: [Code; 5] = [
    Code::RULE_NEVER_MATCHES,
    Code::RULE_REDUNDANT,
    Code::ALLOW_CUT_BY_DENY,
    Code::DENY_WITHOUT_EFFECT,
    Code::SHADOWED_BY_PRIORITY,
];

/// The rules that may be removed, each with whether something is to be written in its place.
fn advised(model: &Model) -> BTreeMap<Origin, bool> {
    let answers = conflicts::check(model, &Options::default()).unwrap();
    let findings = answers.findings.into_iter();
    findings
        .filter(|finding| REMOVABLE.contains(&finding.code))
        // A rule about the own node may stay, says its finding.
        .filter(|finding| {
            finding
                .help
                .as_deref()
                .is_some_and(|help| help.contains("remove"))
        })
        .map(|finding| {
            let help = finding.help.as_deref().unwrap();
            let says_more = ["[{}]", "`policyTypes`"].iter().any(|said| help.contains(said));
            (finding.primary().unwrap().origin.clone(), says_more)
        })
        .collect()
}

fn without(policy: &Policy, advised: &BTreeMap<Origin, bool>) -> Policy {
    let mut left = policy.clone();
    left.rules.retain(|rule| !advised.contains_key(&rule.origin));
    for direction in [Direction::Ingress, Direction::Egress] {
        let had = policy.rules.iter().filter(|rule| rule.direction == direction);
        let mut origins = had.map(|rule| &rule.origin).peekable();
        let by_rules = policy.kind.is_cilium()
            || (policy.kind == PolicyKind::NetworkPolicy && direction == Direction::Egress);
        let is_empty = !left.rules.iter().any(|rule| rule.direction == direction);
        if by_rules
            && is_empty
            && origins.peek().is_some()
            && !origins.any(|origin| advised.get(origin) == Some(&true))
        {
            left.applies = but(left.applies, direction);
            left.default_deny = but(left.default_deny, direction);
        }
    }
    left
}

fn but(directions: Directions, without: Direction) -> Directions {
    Directions {
        ingress: directions.ingress && without != Direction::Ingress,
        egress: directions.egress && without != Direction::Egress,
    }
}

/// Whether a packet can have the flow, and the evaluator need not guess who a node is: where it does, it answers for the
/// worst (`ir::evaluator`).
fn is_certain(model: &Model, flow: &Flow) -> bool {
    let ends = [flow.source, flow.destination];
    let node_of = |party| match party {
        Party::Endpoint { id, .. } => model.cluster.endpoint(id).map(|pod| pod.node.is_some()),
        _ => None,
    };
    let meets_a_node = ends.iter().any(|end| matches!(end, Party::Node { .. }));
    let of_family = |version: Family| {
        ends.iter()
            .filter_map(|end| end.address())
            .all(|address| Family::of(address) == version)
    };
    let is_sound = match flow.protocol {
        Protocol::Icmp => of_family(Family::V4),
        Protocol::Icmpv6 => of_family(Family::V6),
        _ => true,
    };
    is_sound
        && !ends.contains(&Party::SomeNode)
        && !(meets_a_node && ends.into_iter().any(|end| node_of(end) == Some(false)))
}

fn check(scenario: &testing::Scenario) -> Result<(), TestCaseError> {
    let model = &scenario.model;
    let advised = advised(model);
    let left = model.policies().iter().map(|policy| without(policy, &advised));
    let left = Model::new(model.cluster.clone(), left);
    for flow in scenario.flows.iter().filter(|flow| is_certain(model, flow)) {
        let [before, after] = [model, &left].map(|model| evaluator::evaluate(model, flow).allowed());
        prop_assert_eq!(before, after, "{:?} without {:#?}", flow, &advised);
    }
    Ok(())
}

proptest! {
    #![proptest_config(testing::cases(128))]

    #[test]
    fn advice_to_remove_rules_changes_no_verdict(scenario in scenarios(Profile::everything())) {
        check(&scenario)?;
    }

    #[test]
    fn nor_does_it_in_policies_of_kubernetes(scenario in scenarios(Profile::network_policy())) {
        check(&scenario)?;
    }
}
