//! The encoding and the reference evaluator give the same verdict on every flow.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ir::cluster::{ContainerRole, Endpoint, EndpointId};
use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::policy::Direction;
use ir::port::Protocol;
use ir::testing::{self, Profile};
use proptest::prelude::*;
use proptest::sample::Index;
use z3::ast::Bool;

use super::assignment::Class;
use super::flow::Pod;
use super::solver::{Found, in_own_context};
use super::terms::{all, constant, is};
use super::{Encoder, Session};
use crate::generated::{self, EVERYTHING};
use crate::options::Options;

/// A flow as the evaluator is asked about it.
#[derive(Clone, Copy, Debug)]
struct Asked {
    subject: EndpointId,
    direction: Direction,
    peer: Party,
    protocol: Protocol,
    port: u16,
}

impl Encoder<'_> {
    /// "The symbolic flow is this one."
    fn equals(&self, asked: &Asked) -> Bool {
        let cluster = &self.model.cluster;
        let flow = &self.flow;
        let subject = cluster.endpoint(asked.subject).unwrap();
        let mut facts = vec![
            self.pod_is(&flow.subject, subject, asked),
            flow.protocol_is(asked.protocol),
            is(&flow.port, u64::from(asked.port)),
            !&flow.domains_known,
        ];
        // A host-network pod is its node, where that is known.
        let peer = match asked.peer {
            Party::Endpoint { id, address } => match cluster.endpoint(id).unwrap() {
                pod if !pod.host_network => asked.peer,
                pod => match pod.node.as_deref().and_then(|name| cluster.node_named(name)) {
                    Some(id) => Party::Node { id, address },
                    None => Party::SomeNode,
                },
            },
            other => other,
        };
        let (class, own) = match peer {
            Party::Endpoint { id, .. } => {
                facts.push(self.pod_is(&flow.peer, cluster.endpoint(id).unwrap(), asked));
                (Class::Pod, Some(false))
            }
            Party::Node { id, .. } => {
                let node = cluster.node(id).unwrap();
                for (key, term) in &flow.node_labels {
                    let domain = &self.vocabulary.nodes[key];
                    facts.push(is(term, domain.code(node.labels.get(key).map(String::as_str))));
                }
                (Class::Node, subject.node.as_ref().map(|own| *own == node.name))
            }
            Party::SomeNode => (Class::SomeNode, None),
            Party::Outside(_) => (Class::Outside, Some(false)),
        };
        facts.push(flow.class_is(class));
        facts.push(flow.own_node_known.iff(constant(own.is_some())));
        facts.push(flow.own_node.iff(constant(own == Some(true))));
        facts.push(match peer.address() {
            Some(address) => all([flow.address_known.clone(), flow.address_is(address)]),
            None => !&flow.address_known,
        });
        all(facts)
    }

    fn pod_is(&self, symbolic: &Pod, pod: &Endpoint, asked: &Asked) -> Bool {
        let codes = self.codes(&self.model.cluster, pod);
        let labels = symbolic
            .attributes
            .values()
            .zip(codes)
            .map(|(term, code)| is(term, code));
        let names = symbolic.names.iter().map(|(name, term)| {
            let given = pod.ports.iter().any(|port| {
                port.role != ContainerRole::Init
                    && port
                        .name
                        .as_ref()
                        .is_some_and(|own| own.eq_ignore_ascii_case(name))
                    && (port.protocol, port.number) == (asked.protocol, asked.port)
            });
            term.iff(constant(given))
        });
        all(labels.chain(names))
    }

    /// The verdict of every rule of the slice.
    fn whole_verdict(&self, direction: Direction) -> Bool {
        self.tiers(direction, &self.in_order(direction), self.isolated(direction))
    }
}

/// The verdict that the solver gives: the flow admits one and not the other.
fn solved(session: &Session, verdict: &Bool) -> bool {
    let with = |term: Bool| {
        session.scoped(|session| {
            session.assert(&term);
            session.check(&[])
        })
    };
    match (with(verdict.clone()), with(!verdict)) {
        (Found::Some, Found::None) => true,
        (Found::None, Found::Some) => false,
        other => panic!("no one verdict: {other:?}"),
    }
}

fn compare(model: &Model, sides: impl IntoIterator<Item = Asked>) -> Result<(), TestCaseError> {
    let policies: BTreeSet<_> = model.policy_ids().map(|(id, _)| id).collect();
    let rules: BTreeSet<_> = policies
        .iter()
        .flat_map(|id| model.rule_ids(*id))
        .map(|(id, _)| id)
        .collect();
    let encoder = Encoder::new(model, &policies, &rules, &Options::default()).unwrap();
    let verdicts = Direction::BOTH.map(|direction| encoder.whole_verdict(direction));
    for asked in sides {
        // Over loopback no rule is asked; the symbolic flow always has two ends. Host-network pods have no policy.
        let loops = matches!(asked.peer, Party::Endpoint { id, .. } if id == asked.subject);
        if loops || model.cluster.endpoint(asked.subject).unwrap().host_network {
            continue;
        }
        let expected = evaluator::decide(
            model,
            asked.subject,
            asked.direction,
            asked.peer,
            asked.protocol,
            asked.port,
        );
        let verdict = &verdicts[usize::from(asked.direction == Direction::Egress)];
        let found = encoder.session.scoped(|session| {
            session.assert(&encoder.equals(&asked));
            solved(session, verdict)
        });
        prop_assert_eq!(
            found,
            expected.allowed,
            "{:?}: evaluator says {:?}",
            asked,
            expected
        );
    }
    Ok(())
}

/// Both sides of a flow, as far as they are pods.
fn both_sides(flow: &Flow) -> Vec<Asked> {
    let sides = [
        (flow.source, Direction::Egress, flow.destination),
        (flow.destination, Direction::Ingress, flow.source),
    ];
    let asked = sides.map(|(subject, direction, peer)| match subject {
        Party::Endpoint { id, .. } => Some(Asked {
            subject: id,
            direction,
            peer,
            protocol: flow.protocol,
            port: flow.port,
        }),
        Party::Node { .. } | Party::SomeNode | Party::Outside(_) => None,
    });
    asked.into_iter().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// 48 models with 64 to 128 flows each: more than 3,000 flows a run.
    #[test]
    fn agrees_on_what_is_there(scenario in testing::scenarios(Profile::everything())) {
        in_own_context(|| compare(&scenario.model, scenario.flows.iter().flat_map(both_sides)))?;
    }

    /// 48 models with 48 sides of flows each.
    #[test]
    fn agrees_on_what_is_not(
        model in generated::model(EVERYTHING),
        picks in prop::collection::vec(any::<(Index, Index, Index, bool)>(), 48),
    ) {
        let subjects: Vec<_> = model.cluster.endpoint_ids().map(|(id, _)| id).collect();
        let mut parties = testing::parties(&model);
        parties.push(Party::SomeNode);
        let ports = testing::ports(&model);
        let sides = picks.iter().map(|(subject, party, port, ingress)| {
            let (protocol, port) = *port.get(&ports);
            Asked {
                subject: *subject.get(&subjects),
                direction: if *ingress { Direction::Ingress } else { Direction::Egress },
                peer: *party.get(&parties),
                protocol,
                port,
            }
        });
        in_own_context(|| compare(&model, sides.clone()))?;
    }
}

/// Both ends of a prefix whose length is no multiple of anything, in both families.
#[test]
fn prefixes_are_exact() {
    use super::flow::SymbolicFlow;
    use super::matching::Matching;
    use super::vocabulary::Vocabulary;

    in_own_context(|| {
        let vocabulary = Vocabulary::default();
        let flow = SymbolicFlow::new(&vocabulary);
        let session = Session::new(&Options::default());
        let matching = Matching {
            flow: &flow,
            vocabulary: &vocabulary,
            cluster: "default",
        };
        for (net, inside, outside) in [
            (
                "10.0.64.0/19",
                ["10.0.64.0", "10.0.95.255"],
                ["10.0.63.255", "10.0.96.0"],
            ),
            ("10.0.0.1/32", ["10.0.0.1", "10.0.0.1"], ["10.0.0.0", "10.0.0.2"]),
            (
                "0.0.0.0/0",
                ["0.0.0.0", "255.255.255.255"],
                ["::", "::ffff:1.2.3.4"],
            ),
            (
                "fd00::/65",
                ["fd00::", "fd00::7fff:ffff:ffff:ffff"],
                ["fd00:0:0:0:8000::", "fcff::1"],
            ),
            (
                "fd00::/63",
                ["fd00::", "fd00:0:0:1::"],
                ["fd00:0:0:2::", "10.0.0.1"],
            ),
            ("::/0", ["::", "ffff::"], ["0.0.0.0", "10.0.0.1"]),
        ] {
            let term = matching.net(&net.parse().unwrap());
            for (addresses, expected) in [(inside, true), (outside, false)] {
                for address in addresses {
                    let address: IpAddr = address.parse().unwrap();
                    let found = session.scoped(|session| {
                        session.assert(&flow.address_is(address));
                        solved(session, &term)
                    });
                    assert_eq!(found, expected, "{address} in {net}");
                }
            }
        }
    });
}
