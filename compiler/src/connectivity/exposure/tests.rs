//! Entries against the reference evaluator, asked about pods that do not exist yet.

use super::*;
use ir::cluster::{ContainerPort, ContainerRole, Workload};
use ir::evaluator;
use ir::flow::Party;
use ir::named_port;
use ir::origin::Origin;
use ir::port::{Protocol, ProtocolSet};
use ir::testing::{self, Profile};
use proptest::prelude::*;
use std::net::IpAddr;

fn model(text: &str) -> Model {
    ir::text::parse(text).unwrap()
}

/// What the entries of every pod say, in words.
fn told(text: &str) -> String {
    let model = model(text);
    let resolved = Resolved::of(&model);
    let mut out = Vec::new();
    human::write(&mut out, &exposures(&resolved, &Connectivity::of(&resolved))).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn descriptions_are_those_that_rules_give() {
    insta::assert_snapshot!(told("\
namespace shop team=blue
namespace other
endpoint shop/web of Deployment/web labels app=web tier=front ports http 8080/TCP
endpoint shop/api of Deployment/api labels app=api ports http 80/TCP
endpoint shop/job of Deployment/job labels app=job
endpoint shop/agent of DaemonSet/agent host-network
policy NetworkPolicy shop/web on pods [app=web, ns=shop] denies both @ p.yaml:1:1 {
  allow ingress @ p.yaml:2:1
  allow egress to pods [app=api, ns=shop] ports http/TCP, 53/UDP @ p.yaml:3:1
  allow egress to pods [app=api] ports http/TCP @ p.yaml:4:1
}
policy NetworkPolicy shop/api on pods [app=api, ns=shop] denies ingress @ p.yaml:5:1 {
  allow ingress from pods [ns:team=blue], pods [app=b, ns=new] ports http/TCP @ p.yaml:6:1
  allow ingress from pods [app=c, ns:team=blue], pods [ns:kubernetes.io/metadata.name=other] ports http/TCP, 9000-9010/TCP @ p.yaml:7:1
  allow ingress from cidr 10.0.0.0/8 except 10.1.0.0/16 ports 443/TCP @ p.yaml:8:1
}
policy CiliumNetworkPolicy shop/job on pods [app=job, ns=shop] denies both @ p.yaml:9:1 {
  allow ingress from entity cluster ports 1-100/TCP @ p.yaml:10:1
  deny ingress from pods [app=bad] ports 80/TCP @ p.yaml:11:1
  deny ingress from entity all ports 22/TCP @ p.yaml:12:1
}
"));
}

#[test]
fn a_pass_of_numbers_narrows_the_names_behind_it() {
    insta::assert_snapshot!(told(
        "\
endpoint shop/web labels app=web
policy ClusterNetworkPolicy tier on pods [app=web] @ p.yaml:1:1 {
  pass egress admin 1.0 to pods [app=api] ports 8000-8999/TCP, metrics/TCP @ p.yaml:2:1
  deny egress admin 1.1 to entity all @ p.yaml:3:1
}
policy NetworkPolicy shop/web on pods [app=web, ns=shop] denies egress @ p.yaml:4:1 {
  allow egress to pods [ns=shop] ports http/TCP, 8080/TCP, 9090/TCP @ p.yaml:5:1
}
"
    ));
}

/// A pod that the model does not have: place, labels, account, address and ports, each a choice.
type Sketch = (u8, Vec<(u8, u8)>, u8, u8, Vec<(u8, u8, u8)>);

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    let labels = prop::collection::vec((0u8..3, 0u8..4), 0..4);
    let ports = prop::collection::vec((0u8..3, 0u8..3, 0u8..2), 0..3);
    prop::collection::vec((any::<u8>(), labels, 0u8..3, any::<u8>(), ports), 6..12)
}

const INVENTED: &str = "<invented>";

/// The pods, with the address that each has.
fn invented(sketches: &[Sketch], model: &Model) -> Vec<Endpoint> {
    let mut places: Vec<&str> = model.cluster.namespaces().keys().map(String::as_str).collect();
    places.push("unheard-of");
    let outside: Vec<IpAddr> = testing::parties(model)
        .into_iter()
        .filter_map(|party| match party {
            Party::Outside(address) => Some(address),
            _ => None,
        })
        .collect();
    let accounts: Vec<&str> = model
        .cluster
        .endpoints()
        .iter()
        .map(|pod| pod.service_account.as_str())
        .chain(["default", "unheard-of"])
        .collect();
    let at = |choice: u8, length: usize| usize::from(choice) % length;
    sketches
        .iter()
        .enumerate()
        .map(|(index, (place, labels, account, address, ports))| {
            let name = format!("invented-{index}");
            Endpoint {
                namespace: places[at(*place, places.len())].to_owned(),
                workload: Workload {
                    kind: "Pod".to_owned(),
                    name: name.clone(),
                    replicated: false,
                },
                name,
                labels: labels
                    .iter()
                    .map(|(key, value)| {
                        let key = ["app", "tier", "example.com/team"][usize::from(*key)];
                        let value = ["a", "b", "c", "unheard-of"][usize::from(*value)];
                        (key.to_owned(), value.to_owned())
                    })
                    .collect(),
                service_account: accounts[at(*account, accounts.len())].to_owned(),
                // Every third has none.
                addresses: Some(outside[at(*address, outside.len())])
                    .filter(|_| index % 3 != 0)
                    .into_iter()
                    .collect(),
                node: None,
                host_network: false,
                ports: ports
                    .iter()
                    .map(|(name, number, protocol)| ContainerPort {
                        container: "main".to_owned(),
                        role: ContainerRole::Main,
                        name: Some(["http", "metrics", "dns"][usize::from(*name)].to_owned()),
                        number: [80, 8080, 53][usize::from(*number)],
                        protocol: [Protocol::Tcp, Protocol::Udp][usize::from(*protocol)],
                        origin: Origin::synthetic(INVENTED),
                    })
                    .collect(),
                origin: Origin::synthetic(INVENTED),
            }
        })
        .collect()
}

fn opens(opening: &Opening, pod: &Endpoint, protocol: Protocol, port: u16) -> bool {
    opening.numbers.contains(protocol, port)
        || opening.names.iter().any(|(named, among)| {
            named.protocol == protocol
                && among.contains(protocol, port)
                && named.names.iter().all(|name| {
                    named_port::definitions(pod, name, ProtocolSet::One(protocol))
                        .any(|own| own.number == port)
                })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn entries_let_through_whom_the_evaluator_lets_through(
        model in testing::models(Profile::everything()),
        sketches in sketches(),
    ) {
        let cluster = &model.cluster;
        let mut grounds = Grounds::of(&model);
        let pods = invented(&sketches, &model);
        let extended = Cluster::new(
            cluster.namespaces().clone(),
            cluster.endpoints().iter().chain(&pods).cloned(),
            cluster.nodes().to_vec(),
        )
        .named(cluster.name());
        let extended = model.in_cluster(extended);
        let id_of = |wanted: &Endpoint| {
            extended.cluster.endpoint_ids().find(|(_, pod)| *pod == wanted).map(|(id, _)| id).unwrap()
        };
        let ports: Vec<_> = testing::ports(&model)
            .into_iter()
            .filter(|(protocol, port)| protocol.has_ports() && *port > 0)
            .collect();
        for (id, subject) in cluster.endpoint_ids().filter(|(_, pod)| !pod.host_network) {
            for direction in Direction::BOTH {
                let entries = grounds.entries(id, direction);
                for pod in &pods {
                    let address = pod.addresses.first().copied();
                    let peer = Party::Endpoint { id: id_of(pod), address };
                    for (protocol, port) in &ports {
                        let expected =
                            evaluator::decide(&extended, id_of(subject), direction, peer, *protocol, *port);
                        let speaks = |who: &Unknown, opening: &Opening| {
                            who.fits(&extended.cluster, pod, address) && opens(opening, pod, *protocol, *port)
                        };
                        let got = entries.iter().any(|entry| {
                            speaks(&entry.who, &entry.opening)
                                && !entry.except.iter().any(|(who, opening)| speaks(who, opening))
                        });
                        prop_assert_eq!(
                            got, expected.allowed,
                            "{} {} {:?} {}/{}: {:?}\n{:#?}\n{}",
                            subject, direction, pod, port, protocol, expected.because, entries,
                            ir::text::print(&model)
                        );
                    }
                }
            }
        }
    }
}
