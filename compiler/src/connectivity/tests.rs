//! Connections against the reference evaluator, and the contract of the JSON.

use super::*;
use crate::resolve;
use ir::cluster::{Endpoint, EndpointId};
use ir::evaluator;
use ir::flow::{Flow, Party};
use ir::model::Model;
use ir::port::Protocol;
use std::net::IpAddr;

fn model(text: &str) -> Model {
    ir::text::parse(text).unwrap()
}

const SHOP: &str = "\
namespace shop team=blue
namespace other
node n1 at 192.0.2.1
endpoint shop/web-0 of Deployment/web labels app=web at 10.0.0.1 fd00::1 on n1
endpoint shop/web-1 of Deployment/web labels app=web at 10.0.0.2
endpoint shop/api of Deployment/api labels app=api ports http 8080/TCP
endpoint shop/old of Deployment/old single labels app=api ports http 80/TCP
endpoint shop/agent of DaemonSet/agent host-network
endpoint other/tool at 172.16.0.1
endpoint other/mixed-0 of StatefulSet/mixed labels app=a
endpoint other/mixed-1 of StatefulSet/mixed labels app=b
policy NetworkPolicy shop/deny on pods [ns=shop] denies both @ p.yaml:1:1 {
}
policy NetworkPolicy shop/web on pods [app=web, ns=shop] denies egress @ p.yaml:2:1 {
  allow egress to pods [app=api, ns=shop] ports http/TCP @ p.yaml:3:1
  allow egress to cidr 10.0.0.0/8 except 10.1.0.0/16 10.2.0.0/16, cidr 2001:db8::/32 ports 443/TCP, 53/UDP @ p.yaml:4:1
}
policy NetworkPolicy shop/api on pods [app=api, ns=shop] denies ingress @ p.yaml:5:1 {
  allow ingress from pods [ns:team=blue], pods [app=b] ports http/TCP, 9000-9010/TCP @ p.yaml:6:1
  allow ingress from cidr 203.0.113.0/24 @ p.yaml:7:1
}
policy NetworkPolicy other/b on pods [app=b, ns=other] denies ingress @ p.yaml:8:1 {
  allow ingress from outside 172.16.0.0/12 ports 1-65535/TCP @ p.yaml:9:1
}
";

/// Ports at which some rule of [`SHOP`] begins or ends, and their neighbours.
const PORTS: [u16; 14] = [1, 52, 53, 54, 79, 80, 81, 442, 443, 8080, 8999, 9000, 9010, 65535];

fn is_peer(endpoint: &Endpoint, peer: &Peer) -> bool {
    match peer {
        Peer::Workload {
            namespace,
            name,
            kind,
            ..
        } => {
            endpoint.namespace == *namespace
                && ((endpoint.workload.name == *name && endpoint.workload.kind == *kind)
                    || (kind == "Pod" && endpoint.name == *name))
        }
        Peer::Outside(_) => false,
    }
}

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

#[test]
fn connections_are_what_the_evaluator_says_one_flow_at_a_time() {
    let model = model(SHOP);
    let connections = connections(&Resolved::of(&model));
    let cluster = &model.cluster;
    let mut asked = 0;
    for (from_id, from) in cluster.endpoint_ids() {
        for (to_id, to) in cluster.endpoint_ids().filter(|(id, _)| *id != from_id) {
            for protocol in Protocol::TRANSPORT {
                for port in PORTS {
                    // A workload's pods have one entry, so a pair is open when it is for the pods in question.
                    let expected =
                        resolve::address_pairs(cluster, from_id, to_id)
                            .into_iter()
                            .any(|(a, b)| {
                                let flow = Flow {
                                    source: resolve::as_party(cluster, from_id, a),
                                    destination: resolve::as_party(cluster, to_id, b),
                                    protocol,
                                    port,
                                };
                                evaluator::evaluate(&model, &flow).allowed()
                            });
                    let got = open(
                        &connections,
                        |p| is_peer(from, p),
                        |p| is_peer(to, p),
                        protocol,
                        port,
                    );
                    assert_eq!(got, expected, "{from} -> {to} {port}/{protocol}");
                    asked += 1;
                }
            }
        }
    }
    let outside = [
        "10.0.9.9",
        "10.1.0.1",
        "10.2.255.255",
        "10.3.0.0",
        "203.0.113.5",
        "172.16.9.9",
        "8.8.8.8",
        "2001:db8::1",
        "::1",
    ];
    for (id, pod) in cluster.endpoint_ids() {
        for address in outside.map(|text| text.parse::<IpAddr>().unwrap()) {
            for protocol in Protocol::TRANSPORT {
                for port in PORTS {
                    let holds = |peer: &Peer| matches!(peer, Peer::Outside(blocks) if blocks.iter().any(|block| block.contains(&address)));
                    let party = resolve::as_party(cluster, id, pod.address(ir::cluster::Family::of(address)));
                    for outgoing in [true, false] {
                        let (source, destination) = if outgoing {
                            (party, Party::Outside(address))
                        } else {
                            (Party::Outside(address), party)
                        };
                        let flow = Flow {
                            source,
                            destination,
                            protocol,
                            port,
                        };
                        let expected = evaluator::evaluate(&model, &flow).allowed();
                        let got = if outgoing {
                            open(&connections, |p| is_peer(pod, p), holds, protocol, port)
                        } else {
                            open(&connections, holds, |p| is_peer(pod, p), protocol, port)
                        };
                        assert_eq!(
                            got, expected,
                            "{pod} {address} outgoing={outgoing} {port}/{protocol}"
                        );
                        asked += 1;
                    }
                }
            }
        }
    }
    assert!(asked > 5_000, "{asked}");
}

#[test]
fn pods_of_one_workload_are_one_peer_until_they_differ() {
    let model = model(SHOP);
    let connections = connections(&Resolved::of(&model));
    let names: BTreeSet<_> = connections
        .iter()
        .flat_map(|connection| [&connection.source, &connection.destination])
        .filter_map(|peer| match &**peer {
            Peer::Workload {
                namespace,
                name,
                kind,
                host_network,
            } => Some(format!("{namespace}/{name} {kind} {host_network}")),
            Peer::Outside(_) => None,
        })
        .collect();
    let names: Vec<_> = names.into_iter().collect();
    assert_eq!(
        names,
        [
            "other/mixed-0 Pod false",
            "other/mixed-1 Pod false",
            "other/tool Pod false",
            "shop/agent DaemonSet true",
            "shop/api Deployment false",
            "shop/old Deployment false",
            "shop/web Deployment false",
        ]
    );
}

#[test]
fn a_workload_talks_to_itself_only_when_it_can_have_two_pods() {
    let text = "endpoint a/many of Deployment/many\nendpoint a/one of Deployment/one single\n";
    let connections = connections(&Resolved::of(&model(text)));
    let own: Vec<_> = connections
        .iter()
        .filter(|connection| connection.source == connection.destination)
        .map(|connection| format!("{:?}", connection.source))
        .collect();
    assert_eq!(own.len(), 1);
    assert!(own[0].contains("many"));
}

#[test]
fn each_pair_has_one_entry_and_blocks_are_disjoint() {
    let model = model(SHOP);
    let connections = connections(&Resolved::of(&model));
    for (index, one) in connections.iter().enumerate() {
        assert!(!one.ports.is_empty());
        for other in &connections[index + 1..] {
            assert!((&one.source, &one.destination) < (&other.source, &other.destination));
        }
    }
    let of_api = |connection: &&Connection| {
        matches!(&*connection.destination, Peer::Workload { name, .. } if name == "api")
            && matches!(*connection.source, Peer::Outside(_))
    };
    let blocks: Vec<_> = connections
        .iter()
        .filter(of_api)
        .map(|connection| format!("{:?}", connection.source))
        .collect();
    assert_eq!(blocks, ["Outside([203.0.113.0/24])"]);
}

#[test]
fn threads_make_no_difference() {
    let model = model(SHOP);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| connections(&Resolved::of(&model)))
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn the_formats_are_contracts() {
    let text = "\
endpoint shop/web of Deployment/web single
endpoint shop/cart of Deployment/cart single
endpoint shop/agent of DaemonSet/agent host-network
policy NetworkPolicy shop/cart on pods [ns=shop] denies both @ p.yaml:1:1 {
  allow ingress from pods [ns=shop], cidr 10.0.0.0/8 ports 7070/TCP, 7071-7080/TCP, 53/UDP @ p.yaml:2:1
}
";
    let connections = connections(&Resolved::of(&model(text)));
    let (mut json, mut human) = (Vec::new(), Vec::new());
    json::write(&mut json, &connections, None).unwrap();
    human::write(&mut human, &connections).unwrap();
    insta::assert_snapshot!("json", String::from_utf8(json).unwrap());
    insta::assert_snapshot!("human", String::from_utf8(human).unwrap());
}

#[test]
fn ids_of_endpoints_are_their_positions() {
    // `Resolved::tables` relies on it.
    let model = model(SHOP);
    for (position, (id, _)) in model.cluster.endpoint_ids().enumerate() {
        assert_eq!(id, EndpointId(u32::try_from(position).unwrap()));
    }
}
