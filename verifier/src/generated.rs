//! Small generated worlds, for tests: few names, few numbers, so that rules meet often.
//!
//! Beside those of [`ir::testing`], whose selectors ask for what is there: here they also ask for what is not
//! (namespaces that nobody knows, other clusters, values that no pod has), ask the same twice over (the namespace by
//! name and by its label) and contradict themselves. Pods that *could* exist are what the encoding is about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ir::cluster::{Cluster, ContainerPort, ContainerRole, Endpoint, Node, Workload};
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{CidrBlock, CidrScope, DomainPattern, Entity, Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Directions, Policy, PolicyKind, Rank, Rule, Subject, Tier};
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::{Attribute, Labels, NAMESPACE_NAME_LABEL, Operator, Requirement, Selector};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// What a generated model may contain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) tiers: bool,
    pub(crate) domains: bool,
    pub(crate) policies: usize,
}

pub(crate) const EVERYTHING: Shape = Shape {
    tiers: true,
    domains: true,
    policies: 4,
};

fn origin() -> Origin {
    Origin::synthetic("generated.yaml")
}

fn labels(keys: &'static [&'static str]) -> impl Strategy<Value = Labels> {
    prop::collection::btree_map(
        select(keys).prop_map(str::to_owned),
        select(&["a", "b", "c"][..]).prop_map(str::to_owned),
        0..=keys.len(),
    )
}

/// Labels of a namespace.
pub(crate) fn namespace_labels() -> impl Strategy<Value = Labels> {
    labels(&["env"])
}

fn operator(values: &'static [&'static str]) -> impl Strategy<Value = Operator> {
    let set =
        move || subsequence(values, 1..=2).prop_map(|values| values.into_iter().map(str::to_owned).collect());
    prop_oneof![
        4 => set().prop_map(Operator::In),
        2 => set().prop_map(Operator::NotIn),
        1 => Just(Operator::Exists),
        1 => Just(Operator::DoesNotExist),
    ]
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let of = |attribute: Attribute, values: &'static [&'static str]| {
        operator(values).prop_map(move |operator| Requirement {
            attribute: attribute.clone(),
            operator,
        })
    };
    prop_oneof![
        4 => of(Attribute::Label("app".into()), &["a", "b"]),
        2 => of(Attribute::Label("tier".into()), &["a", "b"]),
        3 => of(Attribute::Namespace, &["shop", "dev", "gone"]),
        2 => of(Attribute::NamespaceLabel("env".into()), &["a", "b"]),
        1 => of(Attribute::NamespaceLabel(NAMESPACE_NAME_LABEL.into()), &["shop", "gone"]),
        1 => of(Attribute::ServiceAccount, &["default", "robot"]),
        1 => of(Attribute::Cluster, &["default", "elsewhere"]),
    ]
}

fn selector(most: usize) -> impl Strategy<Value = Selector> {
    prop::collection::vec(requirement(), 0..=most).prop_map(Selector::new)
}

fn block() -> impl Strategy<Value = CidrBlock> {
    let scope = select(&[CidrScope::Everything, CidrScope::OutsideCluster][..]);
    let nets: &'static [(&str, &[&str])] = &[
        ("0.0.0.0/0", &["10.0.0.0/8", "10.0.1.0/24"]),
        ("10.0.0.0/8", &["10.0.1.0/24", "10.0.0.0/8"]),
        ("10.0.1.0/24", &["10.0.1.7/32"]),
        ("10.0.1.7/32", &[]),
        ("::/0", &["fd00::/8"]),
        ("fd00::/8", &["fd00::1/128", "fd00:1::/65"]),
        ("fd00:1::/65", &[]),
    ];
    (select(nets), scope, any::<bool>()).prop_map(|((cidr, except), scope, holes)| CidrBlock {
        cidr: cidr.parse().unwrap(),
        except: if holes {
            except.iter().map(|hole| hole.parse::<IpNet>().unwrap()).collect()
        } else {
            vec![]
        },
        scope,
    })
}

fn peer(shape: Shape) -> impl Strategy<Value = Peer> {
    let entity = select(
        &[
            Entity::All,
            Entity::World,
            Entity::WorldIpv4,
            Entity::WorldIpv6,
            Entity::Cluster,
            Entity::Host,
            Entity::RemoteNode,
            Entity::None,
        ][..],
    );
    let domain =
        select(&["example.org", "*.example.org"][..]).prop_map(|name| DomainPattern(name.to_owned()));
    prop_oneof![
        6 => selector(2).prop_map(PeerMatch::Endpoints),
        1 => (any::<bool>(), selector(1)).prop_map(|(other, selector)| {
            if other { PeerMatch::OtherNodes(selector) } else { PeerMatch::Nodes(selector) }
        }),
        3 => block().prop_map(PeerMatch::Cidr),
        2 => entity.prop_map(PeerMatch::Entity),
        u32::from(shape.domains) => domain.prop_map(PeerMatch::Domain),
    ]
    .prop_map(|matches| Peer {
        matches,
        origin: origin(),
    })
}

fn port() -> impl Strategy<Value = Port> {
    let protocols = select(
        &[
            ProtocolSet::One(Protocol::Tcp),
            ProtocolSet::One(Protocol::Tcp),
            ProtocolSet::One(Protocol::Udp),
            ProtocolSet::AnyTransport,
        ][..],
    );
    let ranges = select(&[(80, 80), (80, 81), (1, 80), (443, 443), (0, u16::MAX)][..]);
    let icmp = select(&[(Protocol::Icmp, 8), (Protocol::Icmpv6, 128)][..]);
    prop_oneof![
        4 => (protocols.clone(), ranges).prop_map(|(protocol, (first, last))| PortMatch::Numbers {
            protocol,
            first,
            last,
        }),
        3 => (protocols, select(&["http", "HTTP", "dns"][..])).prop_map(|(protocol, name)| PortMatch::Name {
            protocol,
            name: name.to_owned(),
        }),
        1 => icmp.prop_map(|(protocol, message_type)| PortMatch::Icmp {
            protocol,
            message_type,
        }),
    ]
    .prop_map(|matches| Port {
        matches,
        origin: origin(),
    })
}

fn rule(shape: Shape, tier: Tier, priority: u32) -> impl Strategy<Value = Rule> {
    let direction = select(&Direction::BOTH[..]);
    let action = match tier {
        Tier::Admin => select(&[Action::Allow, Action::Deny, Action::Pass][..]),
        Tier::Namespaced => select(&[Action::Allow, Action::Allow, Action::Allow, Action::Deny][..]),
        Tier::Baseline => select(&[Action::Allow, Action::Deny, Action::Pass][..]),
    };
    let peers = prop_oneof![
        2 => Just(Peers::Any),
        5 => prop::collection::vec(peer(shape), 0..=2).prop_map(Peers::OneOf),
    ];
    let ports = prop_oneof![
        2 => Just(Ports::Any),
        5 => prop::collection::vec(port(), 0..=2).prop_map(Ports::OneOf),
    ];
    (direction, action, peers, ports).prop_map(move |(direction, action, peers, ports)| Rule {
        direction,
        rank: Rank {
            tier,
            priority,
            order: 0,
        },
        action,
        peers,
        ports,
        beyond: Vec::new(),
        origin: origin(),
    })
}

fn policy(shape: Shape) -> impl Strategy<Value = Policy> {
    let tier = if shape.tiers {
        select(&[Tier::Namespaced, Tier::Namespaced, Tier::Admin, Tier::Baseline][..])
    } else {
        select(&[Tier::Namespaced][..])
    };
    (tier, 0u32..2).prop_flat_map(move |(tier, priority)| {
        let priority = if tier == Tier::Namespaced { 0 } else { priority };
        let subject = prop_oneof![
            9 => selector(1).prop_map(Subject::Endpoints),
            1 => selector(1).prop_map(Subject::Nodes),
        ];
        let flags = prop_oneof![
            3 => Just((true, true)),
            1 => Just((true, false)),
            1 => Just((false, false)),
        ];
        let rules = prop::collection::vec(rule(shape, tier, priority), 0..=3);
        (subject, flags.clone(), flags, rules).prop_map(move |(subject, ingress, egress, mut rules)| {
            if tier != Tier::Namespaced {
                for (order, rule) in (0..).zip(&mut rules) {
                    rule.rank.order = order;
                }
            }
            let isolates = tier == Tier::Namespaced;
            Policy {
                kind: if isolates {
                    PolicyKind::CiliumClusterwideNetworkPolicy
                } else {
                    PolicyKind::ClusterNetworkPolicy
                },
                namespace: None,
                name: "policy".to_owned(),
                subject,
                applies: Directions {
                    ingress: ingress.0,
                    egress: egress.0,
                },
                default_deny: Directions {
                    ingress: ingress.1 && isolates,
                    egress: egress.1 && isolates,
                },
                rules,
                origin: origin(),
            }
        })
    })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let port = (
        select(&["http", "dns", "other"][..]),
        select(&[80u16, 81, 443][..]),
        select(&[Protocol::Tcp, Protocol::Udp][..]),
        select(&[ContainerRole::Main, ContainerRole::Sidecar, ContainerRole::Init][..]),
    )
        .prop_map(|(name, number, protocol, role)| ContainerPort {
            container: "main".to_owned(),
            role,
            name: Some(name.to_owned()),
            number,
            protocol,
            origin: origin(),
        });
    let addresses = select(vec![
        vec![],
        vec![IpAddr::V4(Ipv4Addr::new(10, 0, 1, 7))],
        vec![
            IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1)),
            IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 7)),
        ],
    ]);
    (
        select(&["shop", "dev", "unlisted"][..]),
        labels(&["app", "tier", "unasked"]),
        select(&["default", "robot", "someone"][..]),
        addresses,
        prop::option::of(select(&["node-1", "node-2", "node-gone"][..])),
        prop::bool::weighted(0.1),
        prop::collection::vec(port, 0..3),
    )
        .prop_map(
            |(namespace, labels, account, addresses, node, host_network, ports)| Endpoint {
                namespace: namespace.to_owned(),
                name: "pod".to_owned(),
                workload: Workload {
                    kind: "Pod".to_owned(),
                    name: "pod".to_owned(),
                    replicated: false,
                },
                labels,
                service_account: account.to_owned(),
                addresses,
                node: node.map(str::to_owned),
                host_network,
                ports,
                origin: origin(),
            },
        )
}

fn node(name: &'static str, address: Ipv4Addr) -> impl Strategy<Value = Node> {
    labels(&["app", "zone"]).prop_map(move |labels| Node {
        name: name.to_owned(),
        labels,
        addresses: vec![address.into()],
        pod_cidrs: vec![],
        origin: origin(),
    })
}

pub(crate) fn policies(shape: Shape) -> impl Strategy<Value = Vec<Policy>> {
    prop::collection::vec(policy(shape), 1..=shape.policies).prop_map(|mut policies| {
        for (number, policy) in policies.iter_mut().enumerate() {
            policy.name = format!("policy-{number}");
        }
        policies
    })
}

pub(crate) fn model(shape: Shape) -> impl Strategy<Value = Model> {
    let namespaces = (labels(&["env"]), labels(&["env"]))
        .prop_map(|(shop, dev)| vec![("shop".to_owned(), shop), ("dev".to_owned(), dev)]);
    let nodes = (
        node("node-1", Ipv4Addr::new(10, 9, 0, 1)),
        node("node-2", Ipv4Addr::new(10, 0, 1, 9)),
    );
    (
        namespaces,
        prop::collection::vec(endpoint(), 1..5),
        nodes,
        policies(shape),
    )
        .prop_map(|(namespaces, mut endpoints, nodes, policies)| {
            for (number, endpoint) in endpoints.iter_mut().enumerate() {
                endpoint.name = format!("pod-{number}");
                endpoint.workload.name = endpoint.name.clone();
            }
            // As some policies call it, now and then.
            let name = if endpoints.len() == 3 {
                "elsewhere"
            } else {
                "default"
            };
            let cluster = Cluster::new(namespaces, endpoints, [nodes.0, nodes.1]).named(name);
            Model::new(cluster, policies)
        })
}
