//! The verdict tables say of every flow what the reference evaluator says, and for the same reason.
#![cfg(test)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use portcullis_ir::flow::{Because, Decision};
use portcullis_ir::identity::Identities;
use portcullis_ir::model::Model;
use portcullis_ir::policy::Tier;
use portcullis_ir::testing::{Comparison, Profile, scenarios};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Scenarios of 64 to 128 flows each: 25,000 flows at the least.
const CASES: u32 = 400;

/// What a side's verdict came from, for counting.
fn reason(model: &Model, decision: &Decision) -> String {
    match &decision.because {
        Because::Rules(rules) => {
            let rule = model.rule(*rules.first().unwrap()).unwrap();
            let tier = match rule.rank.tier {
                Tier::Admin => "admin",
                Tier::Namespaced => "namespaced",
                Tier::Baseline => "baseline",
            };
            format!("{tier} {:?}", rule.action)
        }
        Because::DefaultDeny(_) => "default deny".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Compares every flow of generated scenarios, and counts the flows and the reasons of their sides.
fn agree(profile: Profile) -> (usize, BTreeMap<String, usize>) {
    let flows = RefCell::new(0);
    let reasons = RefCell::new(BTreeMap::new());
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&scenarios(profile), |scenario| {
        let identities = Identities::of(&scenario.model);
        let mut comparison = Comparison::of(&scenario.model, &identities);
        for flow in &scenario.flows {
            let decisions = comparison.flow(flow).map_err(TestCaseError::fail)?;
            for decision in &decisions {
                let reason = reason(&scenario.model, decision);
                *reasons.borrow_mut().entry(reason).or_insert(0) += 1;
            }
            *flows.borrow_mut() += 1;
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        // As text: the Debug form of the failure escapes the model's lines.
        std::panic::panic_any(failure.to_string());
    }
    (flows.into_inner(), reasons.into_inner())
}

fn assert_seen(reasons: &BTreeMap<String, usize>, expected: &[&str]) {
    for reason in expected {
        assert!(
            reasons.get(*reason).is_some_and(|count| *count >= 10),
            "`{reason}` is too rare for the comparison to mean much: {reasons:?}"
        );
    }
}

#[test]
fn tables_agree_on_network_policy() {
    let (flows, reasons) = agree(Profile::network_policy());
    println!("{flows} flows: {reasons:?}");
    assert!(flows >= 25_000, "{flows} flows");
    assert_seen(
        &reasons,
        &[
            "namespaced Allow",
            "default deny",
            "Unrestricted",
            "OwnHost",
            "Loopback",
        ],
    );
}

#[test]
fn tables_agree_on_everything() {
    let (flows, reasons) = agree(Profile::everything());
    println!("{flows} flows: {reasons:?}");
    assert!(flows >= 25_000, "{flows} flows");
    assert_seen(
        &reasons,
        &[
            "admin Allow",
            "admin Deny",
            "namespaced Allow",
            "namespaced Deny",
            "baseline Allow",
            "baseline Deny",
            "default deny",
            "Unrestricted",
            "OwnHost",
            "Loopback",
        ],
    );
}
