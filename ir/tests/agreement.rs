//! The verdict tables say of every flow what the reference evaluator says, and for the same reason.
#![cfg(test)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use portcullis_ir::evaluator::{decide, evaluate};
use portcullis_ir::flow::{Because, Decision, Flow, Party};
use portcullis_ir::identity::Identities;
use portcullis_ir::model::Model;
use portcullis_ir::policy::{Direction, Tier};
use portcullis_ir::table::{Standing, Subjects, VerdictTable};
use portcullis_ir::testing::{Profile, Scenario, scenarios};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Scenarios of 64 to 128 flows each: 25,000 flows at the least.
const CASES: u32 = 400;

/// The tables made so far, as pods of one standing share them: whichever pod was asked about first made it.
type Tables = BTreeMap<Standing, VerdictTable>;

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

/// Compares one side of a flow, and gives the reason for the verdict.
fn compare_side(
    scenario: &Scenario,
    identities: &Identities,
    subjects: &Subjects<'_>,
    tables: &mut Tables,
    flow: &Flow,
    direction: Direction,
) -> Result<Option<String>, TestCaseError> {
    let (subject, peer) = match direction {
        Direction::Egress => (flow.source, flow.destination),
        Direction::Ingress => (flow.destination, flow.source),
    };
    let Party::Endpoint { id, .. } = subject else {
        return Ok(None);
    };
    let model = &scenario.model;
    let expected = decide(model, id, direction, peer, flow.protocol, flow.port);
    let reason = Some(reason(model, &expected));
    if expected.because == Because::Loopback {
        // Tables do not speak of the endpoint itself.
        return Ok(reason);
    }
    let Some(identity) = identities.of_party(peer) else {
        return Err(TestCaseError::fail(format!("no identity for {peer:?}")));
    };
    let table = tables
        .entry(subjects.standing(id, direction))
        .or_insert_with(|| subjects.table(id, direction));
    let found = table.decide(flow.protocol, flow.port, identity);
    let allowed = table.allows(flow.protocol, flow.port, identity);
    let alone = VerdictTable::build(model, identities, id, direction);
    if alone.decide(flow.protocol, flow.port, identity) != found {
        return Err(TestCaseError::fail(format!(
            "the {direction} table of {id:?} is not to be shared"
        )));
    }
    if found.as_ref() != Some(&expected) || allowed != expected.allowed {
        return Err(TestCaseError::fail(format!(
            "{direction} of {id:?} with {peer:?} on {}/{}\n evaluator: {expected:?}\n table: {found:?}, allows: {allowed}",
            flow.port, flow.protocol
        )));
    }
    Ok(reason)
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
        let subjects = Subjects::new(&scenario.model, &identities);
        let mut tables = Tables::new();
        for flow in &scenario.flows {
            let mut allowed = true;
            for direction in Direction::BOTH {
                let reason = compare_side(&scenario, &identities, &subjects, &mut tables, flow, direction)?;
                if let Some(reason) = reason {
                    allowed &= !(reason.contains("Deny") || reason.contains("deny"));
                    *reasons.borrow_mut().entry(reason).or_insert(0) += 1;
                }
            }
            proptest::prop_assert_eq!(evaluate(&scenario.model, flow).allowed(), allowed);
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
