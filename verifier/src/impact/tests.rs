//! Policies by hand, and held against the evaluator.

use std::fmt::Write as _;

use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::peer::{Entity, PeerMatch, Peers};
use ir::policy::{Direction, Policy, PolicyId};
use ir::testing::{self, Profile};
use proptest::prelude::*;

use super::{Asked, Examples, impacts};
use crate::algebra::Algebra;
use crate::algebra::cube::{Addresses, Bits, Cube, Fact, PortKey};
use crate::algebra::pod::{Role, counted};
use crate::algebra::ranges::Ranges;
use crate::change::Side;
use crate::generated::{self, Shape};
use crate::guarantee::tests::brute_force::every_flow;
use crate::options::Options;

fn model(text: &str) -> Model {
    ir::text::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const SHOP: &str = "
namespace shop env=prod
namespace dev env=dev
endpoint shop/web of Deployment/web labels app=web ports http 8080/TCP
endpoint shop/cart of Deployment/cart labels app=cart ports http 7070/TCP
endpoint dev/shell labels app=shell
";

fn told(policies: &str) -> String {
    let model = model(&format!("{SHOP}{policies}"));
    let all: Vec<PolicyId> = model.policy_ids().map(|(id, _)| id).collect();
    let mut out = String::new();
    for impact in impacts(&model, &all, 8, &Options::default()).unwrap() {
        let policy = model.policy(impact.policy).unwrap();
        let name = policy
            .namespace
            .as_ref()
            .map_or(String::new(), |namespace| format!("{namespace}/"));
        writeln!(out, "{name}{}", policy.name).unwrap();
        let mut write = |word: &str, side: &Side| {
            assert!(side.unknown.is_none());
            for area in &side.areas {
                writeln!(out, "  {word} {area}").unwrap();
                for exception in &area.except {
                    writeln!(out, "      except {}", area.apart(exception)).unwrap();
                }
                writeln!(out, "      {}", area.witness).unwrap();
            }
            if !side.complete {
                writeln!(out, "  {word} more").unwrap();
            }
        };
        write("opens ", &impact.opens);
        write("closes", &impact.closes);
        if impact.about_nodes {
            writeln!(out, "  is about nodes").unwrap();
        }
        if impact.is_proved_idle() {
            writeln!(out, "  changes nothing").unwrap();
        }
    }
    out
}

#[test]
fn what_policies_add_is_told_as_they_are_written() {
    let cases = [
        (
            "an allow under its own default deny",
            "policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports http/TCP
}",
        ),
        (
            "an allow under another policy's default deny",
            "policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports http/TCP
}
policy NetworkPolicy shop/closed on pods [ns=shop] denies ingress {
}",
        ),
        (
            "both ends are closed: the allows of both are needed",
            "policy NetworkPolicy shop/cart on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop, app=web] ports http/TCP, 9090/TCP
}
policy NetworkPolicy shop/web on pods [ns=shop, app=web] denies egress {
  allow egress to pods [ns=shop, app=cart] ports http/TCP
}
policy NetworkPolicy shop/closed on pods [ns=shop] denies both {
}",
        ),
        (
            "said twice: neither is needed",
            "policy NetworkPolicy shop/closed on pods [ns=shop] denies ingress {
}
policy NetworkPolicy shop/one on pods [ns=shop, app=cart] denies ingress {
  allow ingress from pods [ns=shop]
}
policy NetworkPolicy shop/two on pods [ns=shop] denies ingress {
  allow ingress from pods [ns=shop]
}",
        ),
        (
            "the other end lets nothing of it through",
            "policy NetworkPolicy dev/closed on pods [ns=dev] denies egress {
}
policy NetworkPolicy shop/from-dev on pods [ns=shop] denies ingress {
  allow ingress from pods [ns=dev] ports 80/TCP
}
policy NetworkPolicy shop/closed on pods [ns=shop] denies ingress {
}",
        ),
        (
            "addresses, and a deny",
            "policy CiliumNetworkPolicy shop/out on pods [ns=shop] denies egress {
  allow egress to cidr 0.0.0.0/0 except 10.0.0.0/8 ports 443/TCP
  deny egress to cidr 192.0.2.0/24
}
policy NetworkPolicy shop/closed on pods [ns=shop] denies egress {
}",
        ),
        (
            "a pass, an admin's allow, a baseline",
            "policy AdminNetworkPolicy up on pods [ns=shop] applies ingress {
  pass ingress admin 1.0 from pods [ns=dev, app=shell]
  allow ingress admin 2.0 from pods [ns=dev] ports 22/TCP
  deny ingress admin 3.0 from pods [ns=dev]
}
policy BaselineAdminNetworkPolicy default on pods [ns=shop] applies ingress {
  deny ingress baseline 0.0
}
policy NetworkPolicy shop/shell on pods [ns=shop, app=web] applies ingress {
  allow ingress from pods [ns=dev, app=shell] ports 22/TCP
}",
        ),
        (
            "what is left of a policy is about a label that it does not name",
            "policy CiliumClusterwideNetworkPolicy all on pods [] denies both {
}
policy CiliumClusterwideNetworkPolicy most on pods [app!=web] denies both {
}",
        ),
        (
            "about nodes",
            "policy CiliumClusterwideNetworkPolicy hosts on nodes [] denies ingress {
}",
        ),
    ];
    let mut out = String::new();
    for (what, policies) in cases {
        writeln!(out, "# {what}\n{policies}\n\n{}", told(policies)).unwrap();
    }
    insta::assert_snapshot!(out);
}

/// A flow as the side of one of its ends sees it.
fn point(model: &Model, algebra: &Algebra<'_>, flow: &Flow, direction: Direction) -> Option<Cube> {
    let words = algebra.words();
    let cluster = &model.cluster;
    let mentioned = words.everything();
    let (subject, peer) = match direction {
        Direction::Ingress => (flow.destination, flow.source),
        Direction::Egress => (flow.source, flow.destination),
    };
    let at = |party: Party| {
        party
            .address()
            .map_or(Addresses::all(), |address| Addresses::of(&address.into()))
    };
    let Party::Endpoint { id: own, .. } = subject else {
        return None;
    };
    let key = PortKey::of(flow.protocol, flow.port);
    let packet = Cube {
        ports: Ranges::of(vec![(key, key)]),
        subject_addresses: at(subject),
        addresses: at(peer),
        facts: vec![],
        ..Cube::all()
    };
    let own_pod = cluster.endpoint(own)?;
    let subjects = words.as_pod(cluster, own_pod, Role::Subject, &mentioned);
    let peers = match peer {
        Party::Endpoint { id, .. } => {
            let mut cubes = words.as_pod(cluster, cluster.endpoint(id)?, Role::Peer, &mentioned);
            for cube in &mut cubes {
                cube.classes = Bits::POD;
                cube.own_node = Bits::FALSE;
            }
            cubes
        }
        Party::Node { id, .. } => {
            let node = cluster.node(id)?;
            let mut cube = Cube {
                classes: Bits::NODE,
                own_node: if own_pod.node.as_deref() == Some(node.name.as_str()) {
                    Bits::TRUE
                } else {
                    Bits::FALSE
                },
                ..Cube::all()
            };
            words.label_of_node(&mut cube, &node.labels);
            vec![cube]
        }
        Party::Outside(_) => vec![Cube {
            classes: Bits::OUTSIDE,
            own_node: Bits::FALSE,
            ..Cube::all()
        }],
        Party::SomeNode => return None,
    };
    let mut found = None;
    for subject in &subjects {
        for peer in &peers {
            let cube = subject.and(peer, words).and_then(|cube| cube.and(&packet, words));
            if let Some(mut cube) = cube {
                assert!(found.is_none(), "one flow is one point");
                for pattern in 0..words.patterns() {
                    cube.settle(Fact::Resolved(pattern), false);
                }
                cube.settle(Fact::ApiServer, false);
                found = Some(cube);
            }
        }
    }
    assert!(counted(own_pod).count() > 100 || found.is_some(), "{flow:?}");
    found
}

/// The policies where no address answers to a DNS name, and none is the API server's.
fn with_nothing_unknown(policies: &[Policy]) -> Vec<Policy> {
    let mut policies = policies.to_vec();
    for rule in policies.iter_mut().flat_map(|policy| &mut policy.rules) {
        if let Peers::OneOf(peers) = &mut rule.peers {
            peers.retain(|peer| {
                !matches!(
                    peer.matches,
                    PeerMatch::Domain(_) | PeerMatch::Entity(Entity::KubeApiServer)
                )
            });
        }
    }
    policies
}

/// For every policy: a flow is in what it opens iff it is allowed with it and denied without it, and in what it closes
/// iff it is the other way round.
fn check(model: &Model, seed: usize) -> Result<(), TestCaseError> {
    let algebra = Algebra::of_whole_flows(model);
    let examples = Examples::of(model, &algebra);
    let flows = every_flow(model);
    let step = flows.len() / 400 + 1;
    let flows: Vec<&Flow> = flows.iter().skip(seed % step).step_by(step).collect();
    let all = with_nothing_unknown(model.policies());
    let with = Model::new(model.cluster.clone(), all.clone());
    let ids: Vec<PolicyId> = model.policy_ids().map(|(id, _)| id).collect();
    // Replays its examples.
    let told = impacts(model, &ids, 64, &Options::default());
    prop_assert!(told.is_ok(), "{:?}\n{}", told, ir::text::print(model));
    for impact in told.unwrap() {
        let policy = impact.policy;
        let others = all.iter().enumerate().filter(|(at, _)| *at != policy.0 as usize);
        let without = Model::new(model.cluster.clone(), others.map(|(_, policy)| policy.clone()));
        let asked = Asked {
            model,
            algebra: &algebra,
            examples: &examples,
            policy,
            most: 64,
        };
        let Ok(parts) = asked.parts() else {
            continue;
        };
        for flow in &flows {
            let [before, after] = [&without, &with].map(|model| evaluator::evaluate(model, flow));
            let real = [
                after.allowed() && !before.allowed(),
                before.allowed() && !after.allowed(),
            ];
            for ((parts, real), gained) in parts.iter().zip(real).zip([true, false]) {
                let other = if gained { &after } else { &before };
                let contains = |part: &super::Part| {
                    let Some(point) = point(model, &algebra, flow, part.direction) else {
                        return false;
                    };
                    let lets_through = match part.direction {
                        Direction::Ingress => other.egress.allowed,
                        Direction::Egress => other.ingress.allowed,
                    };
                    part.flows.base.and(&point, algebra.words()).is_some()
                        && !part
                            .flows
                            .except
                            .iter()
                            .any(|hole| hole.and(&point, algebra.words()).is_some())
                        && (!part.other_end || lets_through)
                };
                prop_assert_eq!(
                    parts.iter().any(contains),
                    real,
                    "{:?} of {:?}, gained {}\n{}",
                    flow,
                    policy,
                    gained,
                    ir::text::print(model)
                );
                let side = if gained { &impact.opens } else { &impact.closes };
                prop_assert!(!real || !side.is_proved_empty());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn a_flow_is_opened_iff_it_is_allowed_with_the_policy_only(
        model in generated::model(Shape { tiers: false, domains: true, policies: 4 }),
        seed in 0usize..1000,
    ) {
        check(&model, seed)?;
    }

    #[test]
    fn in_three_tiers(model in generated::model(generated::EVERYTHING), seed in 0usize..1000) {
        check(&model, seed)?;
    }

    #[test]
    fn of_what_pods_have(model in testing::models(Profile::everything()), seed in 0usize..1000) {
        check(&model, seed)?;
    }
}
