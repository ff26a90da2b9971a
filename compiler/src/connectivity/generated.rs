//! Connections of generated models against the reference evaluator, one flow at a time.

use super::members::Members;
use super::{Apart, Connection, Connectivity, Peer};
use crate::resolve::{self, Resolved};
use ir::cluster::{EndpointId, Family};
use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::port::Protocol;
use ir::testing::{self, Profile};
use proptest::prelude::*;
use std::net::IpAddr;

/// Whether `connections` open a port between two ends, each told by a predicate.
fn open(
    connections: &[Connection],
    source: impl Fn(&Peer) -> bool,
    destination: impl Fn(&Peer) -> bool,
    protocol: Protocol,
    port: u16,
) -> bool {
    connections.iter().any(|connection| {
        source(&connection.source)
            && destination(&connection.destination)
            && connection.ports.contains(protocol, port)
    })
}

fn holds(peer: &Peer, address: IpAddr) -> bool {
    matches!(peer, Peer::Outside(blocks) if blocks.iter().any(|block| block.contains(&address)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn connections_are_what_the_evaluator_says(model in testing::models(Profile::everything())) {
        let resolved = Resolved::of(&model);
        let connectivity = Connectivity::of(&resolved);
        let connections = connectivity.connections(&Apart::new());
        let cluster = &model.cluster;
        let members = Members::of(cluster, &connectivity.apart());
        let is = |peer: &Peer, id: EndpointId| members.behind(peer).contains(&id);
        let ports: Vec<_> = testing::ports(&model)
            .into_iter()
            .filter(|(protocol, port)| protocol.has_ports() && *port > 0)
            .collect();
        let outside: Vec<IpAddr> = testing::parties(&model)
            .into_iter()
            .filter_map(|party| match party {
                Party::Outside(address) => Some(address),
                _ => None,
            })
            .collect();
        for (from, _) in cluster.endpoint_ids() {
            for (protocol, port) in ports.iter().copied() {
                let allowed = |source, destination| {
                    evaluator::evaluate(&model, &Flow { source, destination, protocol, port }).allowed()
                };
                for (to, _) in cluster.endpoint_ids().filter(|(to, _)| *to != from) {
                    let expected = resolve::address_pairs(cluster, from, to).into_iter().any(|(a, b)| {
                        allowed(resolve::as_party(cluster, from, a), resolve::as_party(cluster, to, b))
                    });
                    let got = open(&connections, |peer| is(peer, from), |peer| is(peer, to), protocol, port);
                    prop_assert_eq!(got, expected, "{:?} -> {:?} {}/{}\n{}", from, to, port, protocol, ir::text::print(&model));
                }
                for address in outside.iter().copied() {
                    let pod = cluster.endpoint(from).unwrap();
                    let party = resolve::as_party(cluster, from, pod.address(Family::of(address)));
                    let leaves = open(&connections, |peer| is(peer, from), |peer| holds(peer, address), protocol, port);
                    prop_assert_eq!(leaves, allowed(party, Party::Outside(address)), "{} -> {} {}/{}\n{}", pod, address, port, protocol, ir::text::print(&model));
                    let enters = open(&connections, |peer| holds(peer, address), |peer| is(peer, from), protocol, port);
                    prop_assert_eq!(enters, allowed(Party::Outside(address), party), "{} <- {} {}/{}\n{}", pod, address, port, protocol, ir::text::print(&model));
                }
            }
        }
    }
}

/// Found by the generated models: pods of one family each that no policy tells apart.
#[test]
fn pods_without_a_family_in_common_do_not_meet() {
    let model = ir::text::parse("endpoint a/four at 10.0.0.1\nendpoint a/six at fd00::1\n").unwrap();
    let inside = super::connections(&Resolved::of(&model));
    let inside = inside.iter().filter(|connection| {
        let is_pod = |peer: &Peer| matches!(peer, Peer::Workload { .. });
        is_pod(&connection.source) && is_pod(&connection.destination)
    });
    assert_eq!(inside.count(), 0);
}
