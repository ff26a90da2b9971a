//! Of questions about pods, the algebra and the solver give the same answers, and their flows are what they say.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ir::cluster::Cluster;
use ir::flow::Because;
use ir::model::Model;
use ir::peer::{CidrBlock, CidrScope, Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Policy, Rule, RuleId, Tier};
use ir::testing::{self, Profile};
use proptest::prelude::*;

use super::Oracle;
use super::between::Between;
use super::pods::CutOut;
use crate::encode::Found;
use crate::generated::{self, EVERYTHING, Shape};
use crate::options::Options;
use crate::question::is_certain;
use crate::replay::Stage;
use crate::slice::decides;
use crate::witness::Witness;

fn rules(model: &Model) -> Vec<(RuleId, &Policy, &Rule)> {
    let rules = model
        .policy_ids()
        .flat_map(|(id, policy)| model.rule_ids(id).map(move |(id, rule)| (id, policy, rule)));
    rules
        .filter(|(_, policy, rule)| decides(policy, rule.direction))
        .collect()
}

/// What the solver says where it must say something.
fn said<T>(answer: Result<Result<T, String>, crate::error::VerifierError>) -> T {
    answer.unwrap().unwrap()
}

fn isolation(model: &Model) -> Result<(), TestCaseError> {
    let oracle = Oracle::of(model, &Options::default());
    for (id, policy) in model.policy_ids() {
        for direction in Direction::BOTH.into_iter().filter(|one| decides(policy, *one)) {
            let all: Vec<_> = model.policy_ids().map(|(id, _)| id).collect();
            for by in [&all[..], &all[..all.len() / 2], &[]] {
                let free = oracle.leave_free_by_algebra(id, direction, by).unwrap();
                let found = oracle.leave_free_by_solver(id, direction, by).unwrap();
                prop_assert_eq!(free, found == Found::Some, "{:?} {:?} {:?}", id, direction, by);
            }
            let one = oracle.denied_by_default_by_algebra(id, direction).unwrap();
            let other = said(oracle.denied_by_default_by_solver(id, direction));
            prop_assert_eq!(one.is_some(), other.is_some(), "{:?} {:?}", id, direction);
            for witness in one.iter().chain(&other) {
                let stage = Stage::new(model, witness, RuleId { policy: id, rule: 0 });
                stage.expect_verdict_of_all(false).unwrap();
                let by_default = |because: &Because| matches!(because, Because::DefaultDeny(_));
                stage.expect_reason("denied otherwise", by_default).unwrap();
            }
        }
    }
    Ok(())
}

/// Blocks that generated rules are about, or next to.
const BLOCKS: [&str; 4] = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "::/0"];

fn reopening(model: &Model) -> Result<(), TestCaseError> {
    let oracle = Oracle::of(model, &Options::default());
    for (id, policy, rule) in rules(model) {
        for block in BLOCKS {
            let peer = Peer {
                matches: PeerMatch::Cidr(CidrBlock {
                    cidr: block.parse().unwrap(),
                    except: vec![],
                    scope: CidrScope::OutsideCluster,
                }),
                origin: rule.origin.clone(),
            };
            let with_peers = Rule {
                peers: Peers::OneOf(vec![peer]),
                ..rule.clone()
            };
            let cut_out = CutOut {
                rule: id,
                with_peers: &with_peers,
                cubes: &oracle.algebra().words().region(policy, &with_peers),
            };
            for (by, _, other) in rules(model) {
                if other.direction != rule.direction
                    || (other.rank.tier, other.action) != (Tier::Namespaced, Action::Allow)
                    || !is_certain(model, by)
                {
                    continue;
                }
                let one = oracle.opened_by_algebra(by, &cut_out).unwrap();
                let other = said(oracle.opened_by_solver(by, &cut_out));
                prop_assert_eq!(one.is_some(), other.is_some(), "{:?} {} {:?}", id, block, by);
                let replay = |witness: &Witness| {
                    let stage = Stage::new(model, witness, by);
                    stage.expect_match().unwrap();
                    stage.expect_verdict_of_all(true).unwrap();
                };
                one.iter().chain(&other).for_each(replay);
            }
        }
    }
    Ok(())
}

fn paths(model: &Model) -> Result<(), TestCaseError> {
    let oracle = Oracle::of(model, &Options::default());
    let mentioned = oracle.algebra().words().everything();
    let pods: Vec<_> = model
        .cluster
        .endpoint_ids()
        .filter(|(_, pod)| !pod.host_network)
        .collect();
    let kind = |between: &Between| match between {
        Between::Closed { .. } => "closed",
        Between::Open => "open",
        Between::Silent => "silent",
    };
    for (id, _, rule) in rules(model) {
        if rule.action != Action::Allow || !is_certain(model, id) {
            continue;
        }
        for (subject, peer) in pods
            .iter()
            .flat_map(|one| pods.iter().map(move |two| (*one, *two)))
        {
            if subject.0 == peer.0 {
                continue;
            }
            let one = oracle
                .between_by_algebra(&mentioned, (id, rule), [subject.1, peer.1])
                .unwrap();
            let other = said(oracle.between_by_solver((id, rule), subject, peer));
            prop_assert_eq!(
                kind(&one),
                kind(&other),
                "{:?} {} {}\n{}",
                id,
                subject.1,
                peer.1,
                ir::text::print(model)
            );
        }
    }
    Ok(())
}

/// The same pods, each with addresses of its own: one in either family, or by turns in one of them alone. The algebra takes
/// each side by itself, and does not know that two ends do not have the same address.
fn with_addresses(model: &Model, by_turns: bool) -> Model {
    let cluster = &model.cluster;
    let mut taken = BTreeSet::new();
    let pods = (1u16..).zip(cluster.endpoints()).map(|(number, pod)| {
        let mut pod = pod.clone();
        pod.addresses.retain(|address| taken.insert(*address));
        let [_, low] = number.to_be_bytes();
        let own: [IpAddr; 2] = [
            Ipv4Addr::new(10, 250, 0, low).into(),
            Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, number).into(),
        ];
        for address in own {
            let family = |other: &IpAddr| other.is_ipv6() == address.is_ipv6();
            if !pod.addresses.iter().any(family) {
                pod.addresses.push(address);
            }
        }
        if by_turns && number % 3 != 0 {
            pod.addresses
                .retain(|address| address.is_ipv6() == (number % 3 == 1));
        }
        pod
    });
    let cluster =
        Cluster::new(cluster.namespaces().clone(), pods, cluster.nodes().to_vec()).named(cluster.name());
    model.in_cluster(cluster)
}

proptest! {
    #![proptest_config(testing::cases(16))]

    #[test]
    fn who_isolates_pods_that_could_exist(model in generated::model(EVERYTHING)) {
        isolation(&model)?;
    }

    #[test]
    fn who_isolates_pods(model in testing::models(Profile::everything())) {
        isolation(&model)?;
    }

    #[test]
    fn what_is_reopened(model in generated::model(Shape { policies: 3, ..EVERYTHING })) {
        reopening(&model)?;
    }

    #[test]
    fn what_lies_between_pods(model in testing::models(Profile::everything())) {
        paths(&with_addresses(&model, false))?;
        paths(&with_addresses(&model, true))?;
    }

    #[test]
    fn what_lies_between_generated_pods(model in generated::model(Shape { policies: 3, ..EVERYTHING })) {
        paths(&with_addresses(&model, false))?;
        paths(&with_addresses(&model, true))?;
    }
}

/// One side lets IPv6 through, the other one IPv4: nothing passes.
#[test]
fn sides_that_are_open_in_different_families_close_the_path() {
    let model = ir::text::parse(
        "\
namespace shop
endpoint shop/a at 10.244.1.10 fd99::1
endpoint shop/b at 10.244.1.11 fd99::2
policy NetworkPolicy shop/in on pods [ns=shop] denies ingress {
  allow ingress from cidr fd99::/16 ports 8080/TCP
}
policy NetworkPolicy shop/out on pods [ns=shop] denies egress {
  allow egress to cidr 0.0.0.0/0
}
",
    )
    .unwrap();
    let oracle = Oracle::of(&model, &Options::default());
    let mentioned = oracle.algebra().words().everything();
    let pods: Vec<_> = model.cluster.endpoint_ids().collect();
    for (id, _, rule) in rules(&model) {
        let between = oracle.between_by_algebra(&mentioned, (id, rule), [pods[0].1, pods[1].1]);
        assert!(matches!(between, Ok(Between::Closed { .. })), "{between:?}");
    }
    paths(&model).unwrap();
}

/// What is known of the one pod's names is not known of the other's.
#[test]
fn a_port_name_that_a_pod_does_not_have_closes_the_path() {
    let model = ir::text::parse(
        "\
namespace shop
endpoint shop/a at 10.244.1.10
endpoint shop/b at 10.244.1.11
policy NetworkPolicy shop/in on pods [ns=shop] denies ingress {
  allow ingress ports dns/TCP
}
policy NetworkPolicy shop/out on pods [ns=shop] denies egress {
  allow egress
}
policy NetworkPolicy shop/unused on pods [ns=shop] applies nothing {
  allow ingress ports http/TCP
}
",
    )
    .unwrap();
    let oracle = Oracle::of(&model, &Options::default());
    let mentioned = oracle.algebra().words().everything();
    let (id, _, rule) = rules(&model)
        .into_iter()
        .find(|(_, policy, _)| policy.name == "out")
        .unwrap();
    let pods: Vec<_> = model.cluster.endpoint_ids().collect();
    let between = oracle.between_by_algebra(&mentioned, (id, rule), [pods[0].1, pods[1].1]);
    assert!(matches!(between, Ok(Between::Closed { .. })), "{between:?}");
    paths(&model).unwrap();
}
