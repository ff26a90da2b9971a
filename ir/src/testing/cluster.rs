//! Generated clusters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Lines, Profile, pick, words};
use crate::cluster::{Cluster, ContainerPort, ContainerRole, Endpoint, Node, Workload};
use crate::port::Protocol;
use crate::selector::Labels;

/// Names of container ports; `HTTP` is `http` to a policy.
pub(super) const PORT_NAMES: [&str; 4] = ["http", "metrics", "HTTP", "dns"];
/// Numbers of container ports.
pub(super) const PORT_NUMBERS: [u16; 6] = [80, 8080, 8081, 53, 65535, 1];
const KEYS: [&str; 3] = ["app", "tier", "example.com/team"];
const VALUES: [&str; 3] = ["a", "b", "c"];

type LabelSketch = Vec<(u8, u8)>;

#[derive(Clone, Debug)]
pub(super) struct ClusterSketch {
    namespaces: Vec<LabelSketch>,
    nodes: Vec<LabelSketch>,
    endpoints: Vec<EndpointSketch>,
}

#[derive(Clone, Debug)]
struct EndpointSketch {
    namespace: u8,
    labels: LabelSketch,
    account: u8,
    workload: u8,
    node: u8,
    /// Families: both, IPv4, IPv6.
    families: u8,
    /// 0 to 11: 7 lacks an address, 8 a node, 9 both; 10 is a host-network pod, 11 one without a node.
    place: u8,
    ports: Vec<(u8, u8, u8, u8)>,
}

pub(super) fn keys(profile: Profile) -> Vec<String> {
    words(profile, &KEYS)
}

pub(super) fn values(profile: Profile) -> Vec<String> {
    words(profile, &VALUES)
}

pub(super) fn protocols(profile: Profile) -> Vec<Protocol> {
    let mut protocols = vec![Protocol::Tcp, Protocol::Tcp, Protocol::Udp];
    if profile.sctp {
        protocols.push(Protocol::Sctp);
    }
    protocols
}

/// Sketches of clusters.
pub(super) fn sketches(_: Profile) -> impl Strategy<Value = ClusterSketch> + use<> {
    let labels = || vec((0..24_u8, 0..24_u8), 0..=3);
    let endpoint = (
        (0..3_u8, labels(), 0..2_u8, 0..4_u8),
        (0..3_u8, 0..3_u8, 0..12_u8),
        vec((0..6_u8, 0..6_u8, 0..4_u8, 0..8_u8), 0..=3),
    )
        .prop_map(
            |((namespace, labels, account, workload), (node, families, place), ports)| EndpointSketch {
                namespace,
                labels,
                account,
                workload,
                node,
                families,
                place,
                ports,
            },
        );
    (vec(labels(), 1..=3), vec(labels(), 1..=3), vec(endpoint, 1..=7)).prop_map(
        |(namespaces, nodes, endpoints)| ClusterSketch {
            namespaces,
            nodes,
            endpoints,
        },
    )
}

fn draw_labels(sketch: &LabelSketch, profile: Profile) -> Labels {
    let (keys, values) = (keys(profile), values(profile));
    sketch
        .iter()
        .filter_map(|(key, value)| Some((pick(&keys, *key)?, pick(&values, *value)?)))
        .collect()
}

fn v4(third: u8, last: u8) -> IpAddr {
    Ipv4Addr::new(10, 244, third, last).into()
}

fn v6(fourth: u8, last: u8) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0, 0, u16::from(fourth), 0, 0, 0, u16::from(last)).into()
}

fn node_addresses(number: u8, profile: Profile) -> Vec<IpAddr> {
    let mut addresses = vec![Ipv4Addr::new(192, 168, 77, number).into()];
    if profile.ipv6 {
        addresses.push(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, u16::from(number)).into());
    }
    addresses
}

impl ClusterSketch {
    pub(super) fn draw(&self, profile: Profile) -> Cluster {
        let namespace_names = words(profile, &["shop", "pay", "ops"]);
        let namespaces: Vec<_> = self
            .namespaces
            .iter()
            .zip(&namespace_names)
            .map(|(labels, name)| (name.clone(), draw_labels(labels, profile)))
            .collect();
        let mut lines = Lines::new(if profile.odd_text {
            "nodes \"1\".yaml"
        } else {
            "nodes.yaml"
        });
        let nodes: Vec<_> = (1..)
            .zip(&self.nodes)
            .map(|(number, labels)| {
                let mut pod_cidrs = vec![slice(v4(number, 0), 24)];
                if profile.ipv6 {
                    pod_cidrs.push(slice(v6(number, 0), 64));
                }
                Node {
                    name: format!("node-{number}"),
                    labels: draw_labels(labels, profile),
                    addresses: node_addresses(number, profile),
                    pod_cidrs: pod_cidrs.into_iter().flatten().collect(),
                    origin: lines.origin(""),
                }
            })
            .collect();
        let mut lines = Lines::new("pods.yaml");
        let endpoints: Vec<_> = (0..)
            .zip(&self.endpoints)
            .map(|(number, sketch)| sketch.draw(number, &namespaces, &nodes, profile, &mut lines))
            .collect();
        let cluster = Cluster::new(namespaces, endpoints, nodes);
        // As policies call it, now and then.
        if profile.cilium && self.endpoints.len() % 3 == 1 {
            cluster.named(&words(profile, &["other"]).concat())
        } else {
            cluster
        }
    }
}

fn slice(address: IpAddr, prefix: u8) -> Option<IpNet> {
    IpNet::new(address, prefix).ok()
}

impl EndpointSketch {
    fn draw(
        &self,
        number: u8,
        namespaces: &[(String, Labels)],
        nodes: &[Node],
        profile: Profile,
        lines: &mut Lines,
    ) -> Endpoint {
        let namespace = pick(namespaces, self.namespace).map_or_else(String::new, |(name, _)| name);
        let mut node = pick(nodes, self.node).map(|node| node.name);
        let node_number = self
            .node
            .checked_rem(u8::try_from(nodes.len()).unwrap_or(1))
            .unwrap_or(0)
            + 1;
        let mut addresses = match (self.families, profile.ipv6) {
            (_, false) | (1, true) => vec![v4(node_number, 10 + number)],
            (2, true) => vec![v6(node_number, 10 + number)],
            (_, true) => vec![v4(node_number, 10 + number), v6(node_number, 10 + number)],
        };
        let host_network = profile.host_network && self.place >= 10;
        if host_network {
            addresses = node_addresses(node_number, profile);
        }
        if profile.unplaced && matches!(self.place, 8 | 9 | 11) {
            node = None;
        }
        if profile.unplaced && matches!(self.place, 7 | 9 | 11) {
            addresses.clear();
        }
        lines.next_document();
        let name = format!("pod-{number}");
        let (kind, owner) = match self.workload {
            0 => ("Pod", name.as_str()),
            1 => ("Deployment", "web"),
            2 => ("Job", "migrate"),
            _ => ("Pod", "somewhere-else"),
        };
        Endpoint {
            workload: Workload {
                kind: kind.to_owned(),
                name: owner.to_owned(),
                replicated: self.workload == 1,
            },
            namespace,
            name,
            labels: draw_labels(&self.labels, profile),
            service_account: pick(&words(profile, &["default", "robot"]), self.account).unwrap_or_default(),
            addresses,
            node,
            host_network,
            ports: self
                .ports
                .iter()
                .filter_map(|sketch| draw_port(*sketch, profile, lines))
                .collect(),
            origin: lines.origin("spec"),
        }
    }
}

fn draw_port(
    (name, number, protocol, role): (u8, u8, u8, u8),
    profile: Profile,
    lines: &mut Lines,
) -> Option<ContainerPort> {
    let names = words(profile, &PORT_NAMES);
    let (role, container) = match role {
        6 => (ContainerRole::Sidecar, "proxy"),
        7 => (ContainerRole::Init, "setup"),
        _ => (ContainerRole::Main, "main"),
    };
    Some(ContainerPort {
        container: container.to_owned(),
        role,
        // The last choice is a port without a name.
        name: if name == 5 { None } else { pick(&names, name) },
        number: pick(&PORT_NUMBERS, number)?,
        protocol: pick(&protocols(profile), protocol)?,
        origin: lines.origin("spec.containers[0].ports[0]"),
    })
}
