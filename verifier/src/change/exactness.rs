//! What the algebra says of a change, held against the evaluator flow by flow.

use std::ops::ControlFlow;

use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::peer::{Entity, PeerMatch, Peers};
use ir::policy::{Direction, Policy, PolicyId};
use proptest::prelude::*;

use super::Side;
use super::exact::{Exact, Part};
use crate::algebra::Algebra;
use crate::algebra::cube::{Addresses, Bits, Cube, Fact, PortKey};
use crate::algebra::pod::{Role, counted};
use crate::algebra::ranges::Ranges;
use crate::algebra::versions::{Version, Versions};
use crate::guarantee::tests::brute_force::every_flow;

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

/// A flow of the model is in what is opened iff it is allowed after the change and denied before, and in what is closed
/// iff it is the other way round; and a side of what was told is not proved empty where there is one.
pub(crate) fn told_iff_changed(
    model: &Model,
    exact: &Exact<'_>,
    versions: &Versions,
    told: [&Side; 2],
    seed: usize,
) -> Result<(), TestCaseError> {
    let algebra = exact.algebra();
    let flows = every_flow(model);
    let step = flows.len() / 400 + 1;
    let flows = flows.iter().skip(seed % step).step_by(step);
    let all = with_nothing_unknown(model.policies());
    let [old, new] = [Version::Before, Version::After].map(|version| {
        let there = (0..)
            .map(PolicyId)
            .zip(&all)
            .filter(|(id, _)| versions.has(version, *id));
        Model::new(model.cluster.clone(), there.map(|(_, policy)| policy.clone()))
    });
    let mut parts = [vec![], vec![]];
    let all = exact.parts(versions, &mut |part, gained| {
        let [opened, closed] = &mut parts;
        if gained { opened } else { closed }.push(part);
        Ok(ControlFlow::Continue(()))
    });
    prop_assert!(all.is_ok(), "gave up: {:?}\n{}", versions, ir::text::print(model));
    for flow in flows {
        let [before, after] = [&old, &new].map(|model| evaluator::evaluate(model, flow));
        let real = [
            after.allowed() && !before.allowed(),
            before.allowed() && !after.allowed(),
        ];
        for (((parts, real), told), other) in parts.iter().zip(real).zip(told).zip([&after, &before]) {
            let contains = |part: &Part| {
                let Some(point) = point(model, algebra, flow, part.direction) else {
                    return false;
                };
                let lets_through = match part.direction {
                    Direction::Ingress => other.egress.allowed,
                    Direction::Egress => other.ingress.allowed,
                };
                let is_in = |cube: &Cube| cube.and(&point, algebra.words()).is_some();
                is_in(&part.flows.base)
                    && !part.flows.except.iter().any(is_in)
                    && (!part.other_end || lets_through)
            };
            prop_assert_eq!(
                parts.iter().any(contains),
                real,
                "{:?}, {:?}\n{}",
                flow,
                versions,
                ir::text::print(model)
            );
            prop_assert!(!real || !told.is_proved_empty());
        }
    }
    Ok(())
}
