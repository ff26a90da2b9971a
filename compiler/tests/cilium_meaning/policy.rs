//! Policies as values, and strategies for them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A CiliumNetworkPolicy of a namespace, or a CiliumClusterwideNetworkPolicy.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// Whether it is an entry of `specs`, of one object with those before it.
    pub(crate) in_specs: bool,
    pub(crate) namespace: Option<&'static str>,
    pub(crate) subject: Selector,
    pub(crate) ingress: Option<Vec<Entry>>,
    pub(crate) ingress_deny: Option<Vec<Entry>>,
    pub(crate) egress: Option<Vec<Entry>>,
    pub(crate) egress_deny: Option<Vec<Entry>>,
    pub(crate) default_deny_ingress: Option<bool>,
    pub(crate) default_deny_egress: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector {
    /// Keys as they are written, source and all; each once.
    pub(crate) labels: Vec<(&'static str, &'static str)>,
    pub(crate) expressions: Vec<(&'static str, Operator)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operator {
    In(Vec<&'static str>),
    NotIn(Vec<&'static str>),
    Exists,
    DoesNotExist,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// `None` where no list of peers is written at all.
    pub(crate) peers: Option<Peers>,
    pub(crate) ports: PortsOrIcmp,
}

#[derive(Clone, Debug)]
pub(crate) enum Peers {
    Endpoints(Vec<Selector>),
    Cidr(Vec<&'static str>),
    CidrSet(Vec<CidrRule>),
    Entities(Vec<&'static str>),
    Nodes(Vec<Selector>),
    /// Egress only.
    Services(Vec<Service>),
    /// Egress only, and not in a deny.
    Fqdns(Vec<&'static str>),
}

#[derive(Clone, Debug)]
pub(crate) enum CidrRule {
    Block(&'static str, Vec<&'static str>),
    Group(&'static str, Vec<&'static str>),
    Groups(Selector, Vec<&'static str>),
}

#[derive(Clone, Debug)]
pub(crate) enum Service {
    Named(&'static str, Option<&'static str>),
    Labelled(Selector, Option<&'static str>),
}

#[derive(Clone, Debug)]
pub(crate) enum PortsOrIcmp {
    /// Nothing is written of ports.
    Nothing,
    /// `toPorts`, each a list of ports; `None` where the element is `{}`.
    Ports(Vec<Option<Vec<Port>>>),
    Icmp(Vec<(Option<&'static str>, &'static str)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) port: &'static str,
    pub(crate) end: Option<u16>,
    pub(crate) protocol: Option<&'static str>,
}

/// What every run must have said at least once, so that it was compared.
pub(crate) const WORDS: [&str; 21] = [
    "endpoints",
    "cidr",
    "cidrset",
    "except",
    "except of a group",
    "entities",
    "nodes",
    "services",
    "fqdns",
    "no peers",
    "empty peers",
    "ports",
    "range",
    "name",
    "port 0",
    "icmp",
    "icmp by name",
    "deny",
    "default deny off",
    "cluster-wide",
    "specs",
];

impl Policy {
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        [&self.ingress, &self.ingress_deny, &self.egress, &self.egress_deny]
            .into_iter()
            .flatten()
            .flatten()
    }

    /// What is said in it, of [`WORDS`].
    pub(crate) fn words(&self) -> Vec<&'static str> {
        let mut words = Vec::new();
        let denies = [&self.ingress_deny, &self.egress_deny];
        if denies
            .iter()
            .any(|section| section.as_ref().is_some_and(|entries| !entries.is_empty()))
        {
            words.push("deny");
        }
        if self.default_deny_ingress == Some(false) || self.default_deny_egress == Some(false) {
            words.push("default deny off");
        }
        if self.namespace.is_none() {
            words.push("cluster-wide");
        }
        if self.in_specs {
            words.push("specs");
        }
        for entry in self.entries() {
            words.push(match &entry.peers {
                None => "no peers",
                Some(Peers::Endpoints(list)) if list.is_empty() => "empty peers",
                Some(Peers::Endpoints(_)) => "endpoints",
                Some(Peers::Cidr(_)) => "cidr",
                Some(Peers::CidrSet(list)) if list.iter().any(has_except) => "except",
                Some(Peers::CidrSet(list)) if list.iter().any(is_cut_group) => "except of a group",
                Some(Peers::CidrSet(_)) => "cidrset",
                Some(Peers::Entities(_)) => "entities",
                Some(Peers::Nodes(_)) => "nodes",
                Some(Peers::Services(_)) => "services",
                Some(Peers::Fqdns(_)) => "fqdns",
            });
            match &entry.ports {
                PortsOrIcmp::Nothing => {}
                PortsOrIcmp::Icmp(types) if types.iter().any(|(_, kind)| kind.parse::<u8>().is_err()) => {
                    words.push("icmp by name");
                }
                PortsOrIcmp::Icmp(_) => words.push("icmp"),
                PortsOrIcmp::Ports(lists) => {
                    words.extend(lists.iter().flatten().flatten().map(|port| match port.port {
                        "0" => "port 0",
                        _ if port.end.is_some() => "range",
                        name if name.starts_with(|c: char| c.is_ascii_alphabetic()) => "name",
                        _ => "ports",
                    }))
                }
            }
        }
        words
    }
}

fn has_except(rule: &CidrRule) -> bool {
    matches!(rule, CidrRule::Block(_, except) if !except.is_empty())
}

fn is_cut_group(rule: &CidrRule) -> bool {
    match rule {
        CidrRule::Group(_, except) | CidrRule::Groups(_, except) => !except.is_empty(),
        CidrRule::Block(..) => false,
    }
}

/// One to three policies.
pub(crate) fn sets() -> impl Strategy<Value = Vec<Policy>> {
    vec(policies(), 1..=3)
}

fn policies() -> impl Strategy<Value = Policy> {
    let section = |direction, deny| option::weighted(0.5, vec(entries(direction, deny), 0..=2));
    let rare = |direction| option::weighted(0.25, vec(entries(direction, true), 0..=2));
    (
        select(vec![Some("shop"), Some("shop"), Some("ledger"), None]),
        subjects(),
        section(Direction::Ingress, false),
        rare(Direction::Ingress),
        section(Direction::Egress, false),
        rare(Direction::Egress),
        option::weighted(0.25, any::<bool>()),
        option::weighted(0.25, any::<bool>()),
        proptest::bool::weighted(0.25),
    )
        .prop_map(
            |(
                namespace,
                subject,
                ingress,
                ingress_deny,
                egress,
                egress_deny,
                deny_in,
                deny_out,
                in_specs,
            )| Policy {
                in_specs,
                namespace,
                subject,
                ingress,
                ingress_deny,
                egress,
                egress_deny,
                default_deny_ingress: deny_in,
                default_deny_egress: deny_out,
            },
        )
        // A policy without any entry is refused.
        .prop_filter("says something", |policy| policy.entries().next().is_some())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

/// A key with values that it has, and one that it has nowhere.
type Key = (&'static str, &'static [&'static str]);

const OWN: [Key; 4] = [
    ("app", &["web", "api", "db", "none"]),
    ("k8s:app", &["web", "api", "db"]),
    ("any:tier", &["front", "back"]),
    ("io.cilium.k8s.policy.serviceaccount", &["web", "default"]),
];

const PEER: [Key; 12] = [
    ("app", &["web", "api", "db", "none"]),
    ("k8s:app", &["web", "api", "db"]),
    ("any:app", &["web", "db"]),
    ("tier", &["front", "back"]),
    ("k8s:io.kubernetes.pod.namespace", &["shop", "ledger", "none"]),
    ("io.kubernetes.pod.namespace", &["shop", "ledger"]),
    ("k8s:io.kubernetes.pod.namespace", &["shop", "ledger"]),
    ("k8s:io.cilium.k8s.namespace.labels.team", &["blue", "red"]),
    ("io.cilium.k8s.namespace.labels.team", &["blue", "red"]),
    (
        "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name",
        &["shop", "ledger"],
    ),
    ("k8s:io.cilium.k8s.policy.serviceaccount", &["web", "default"]),
    ("io.cilium.k8s.policy.cluster", &["default", "other"]),
];

const ZONES: [Key; 1] = [("zone", &["north", "south", "none"])];

fn selectors(keys: &'static [Key], labels: usize, expressions: usize) -> impl Strategy<Value = Selector> {
    let label = select(keys).prop_flat_map(|(key, values)| (Just(key), select(values)));
    let expression = select(keys).prop_flat_map(|(key, values)| {
        let some = vec(select(values), 1..=2);
        let operator = prop_oneof![
            some.clone().prop_map(Operator::In),
            some.prop_map(Operator::NotIn),
            Just(Operator::Exists),
            Just(Operator::DoesNotExist),
        ];
        (Just(key), operator)
    });
    (vec(label, 0..=labels), vec(expression, 0..=expressions)).prop_map(|(mut labels, expressions)| {
        labels.sort_unstable();
        labels.dedup_by_key(|(key, _)| *key);
        Selector { labels, expressions }
    })
}

/// Selectors that only exclude. Whoever has no labels fits them, unless the policy's namespace or the cluster is added.
fn excluding() -> impl Strategy<Value = Selector> {
    let keys: Vec<Key> = vec![
        ("k8s:io.kubernetes.pod.namespace", &["shop", "none"]),
        ("k8s:io.cilium.k8s.namespace.labels.team", &["red", "none"]),
        ("io.cilium.k8s.policy.cluster", &["other", "default"]),
        ("app", &["web", "none"]),
    ];
    let expression = select(keys).prop_flat_map(|(key, values)| {
        let operator = prop_oneof![
            2 => select(values).prop_map(|value| Operator::NotIn(vec![value])),
            1 => Just(Operator::DoesNotExist),
        ];
        (Just(key), operator)
    });
    vec(expression, 1..=3).prop_map(|expressions| Selector {
        labels: Vec::new(),
        expressions,
    })
}

/// Selectors of at least one group: of a deny that names none there is no answer.
fn sites() -> impl Strategy<Value = Selector> {
    let labelled = select(vec!["north", "south"]).prop_map(|site| Selector {
        labels: vec![("site", site)],
        expressions: Vec::new(),
    });
    let operators = vec![
        Operator::In(vec!["north", "south"]),
        Operator::In(vec!["south", "none"]),
        Operator::NotIn(vec!["north"]),
        Operator::Exists,
    ];
    let asked = select(operators).prop_map(|operator| Selector {
        labels: Vec::new(),
        expressions: vec![("site", operator)],
    });
    prop_oneof![labelled, asked]
}

fn subjects() -> impl Strategy<Value = Selector> {
    prop_oneof![
        6 => selectors(&OWN, 1, 0),
        2 => selectors(&OWN, 1, 1),
        // A namespace that is not the policy's own is replaced.
        1 => select(vec!["shop", "ledger"]).prop_map(|namespace| Selector {
            labels: vec![("k8s:io.kubernetes.pod.namespace", namespace)],
            expressions: Vec::new(),
        }),
    ]
}

fn entries(direction: Direction, deny: bool) -> impl Strategy<Value = Entry> {
    let with_ports = (option::weighted(0.8, peers(direction, deny)), ports());
    with_ports.prop_map(|(peers, ports)| {
        // Older versions refuse ports beside services, so that nobody writes them.
        let ports = match peers {
            Some(Peers::Services(_)) => PortsOrIcmp::Nothing,
            _ => ports,
        };
        Entry { peers, ports }
    })
}

fn peers(direction: Direction, deny: bool) -> BoxedStrategy<Peers> {
    let endpoints = prop_oneof![
        8 => vec(selectors(&PEER, 2, 1), 0..=2),
        2 => vec(excluding(), 1..=2),
        1 => select(vec!["reserved:host", "reserved:remote-node", "reserved:world", "reserved.host", "reserved.world"])
            .prop_map(|key| vec![Selector { labels: vec![(key, "")], expressions: Vec::new() }]),
    ];
    let blocks = vec![
        "203.0.113.0/24",
        "203.0.113.7",
        "203.0.113.64/26",
        "0.0.0.0/0",
        "10.0.0.0/8",
        "192.168.0.1/32",
        "198.51.100.0/24",
        "2001:db8:1::/48",
        "::/0",
        "fd00::1",
    ];
    let sets = prop_oneof![
        select(vec!["203.0.113.0/24", "0.0.0.0/0"]).prop_flat_map(|block| {
            let holes = vec(
                select(vec!["203.0.113.0/25", "203.0.113.64/26", "203.0.113.7/32"]),
                0..=2,
            );
            holes.prop_map(move |holes| CidrRule::Block(block, holes))
        }),
        Just(CidrRule::Block("::/0", vec!["2001:db8:1::/48"])),
        (select(vec!["office", "home"]), group_holes())
            .prop_map(|(name, holes)| CidrRule::Group(name, holes)),
        (sites(), group_holes()).prop_map(|(labels, holes)| CidrRule::Groups(labels, holes)),
    ];
    let entities = vec![
        "all",
        "world",
        "world-ipv4",
        "world-ipv6",
        "cluster",
        "host",
        "remote-node",
        "none",
        "init",
        "health",
        "ingress",
        "unmanaged",
    ];
    let everywhere = prop_oneof![
        5 => endpoints.prop_map(Peers::Endpoints),
        2 => vec(select(blocks), 1..=2).prop_map(Peers::Cidr),
        2 => vec(sets, 1..=2).prop_map(Peers::CidrSet),
        2 => vec(select(entities), 1..=2).prop_map(Peers::Entities),
        1 => vec(selectors(&ZONES, 1, 1), 1..=2).prop_map(Peers::Nodes),
    ];
    if direction == Direction::Ingress {
        return everywhere.boxed();
    }
    // A reference to what is not there has no answer in a deny.
    let named = || {
        select(vec![
            ("web", None),
            ("web", Some("shop")),
            ("web", Some("ledger")),
            ("api", None),
            ("api", Some("shop")),
        ])
    };
    let service = prop_oneof![
        named().prop_map(|(name, namespace)| Service::Named(name, namespace)),
        (named(), 0..3usize).prop_map(|((name, namespace), how)| {
            let other = if name == "web" { "api" } else { "web" };
            let (labels, expressions) = match how {
                0 => (vec![("service", name)], vec![]),
                1 => (vec![], vec![("service", Operator::In(vec![name, "none"]))]),
                _ => (vec![], vec![("service", Operator::NotIn(vec![other]))]),
            };
            Service::Labelled(Selector { labels, expressions }, namespace)
        }),
    ];
    let services = vec(service, 1..=2).prop_map(Peers::Services);
    if deny {
        return prop_oneof![6 => everywhere, 1 => services].boxed();
    }
    let names = vec(select(vec!["example.com", "*.example.com", "*"]), 1..=2).prop_map(Peers::Fqdns);
    prop_oneof![6 => everywhere, 1 => services, 1 => names].boxed()
}

/// Exceptions to whatever blocks a group has: a part, a whole block, and what no block has.
fn group_holes() -> impl Strategy<Value = Vec<&'static str>> {
    let holes = vec![
        "203.0.113.0/26",
        "203.0.113.0/24",
        "198.51.0.0/16",
        "198.51.100.9/32",
        "2001:db8:1::/64",
        "192.0.2.0/24",
    ];
    prop_oneof![1 => Just(Vec::new()), 1 => vec(select(holes), 1..=2)]
}

fn ports() -> impl Strategy<Value = PortsOrIcmp> {
    let protocol = || select(vec![None, Some("TCP"), Some("UDP"), Some("SCTP"), Some("ANY")]);
    let port = prop_oneof![
        (select(vec!["80", "443", "53", "8080", "65535", "0"]), protocol()).prop_map(|(port, protocol)| {
            Port {
                port,
                end: None,
                protocol,
            }
        }),
        (
            select(vec![("80", 90), ("1", 65535), ("79", 80), ("80", 80)]),
            protocol()
        )
            .prop_map(|((port, end), protocol)| Port {
                port,
                end: Some(end),
                protocol
            }),
        (select(vec!["http", "HTTP", "dns", "HTTP", "metrics"]), protocol()).prop_map(|(port, protocol)| {
            Port {
                port,
                end: None,
                protocol,
            }
        }),
    ];
    let rule = prop_oneof![
        8 => vec(port, 1..=3).prop_map(Some),
        1 => Just(None),
        1 => Just(Some(Vec::new())),
    ];
    let message = (
        select(vec![None, Some("IPv4"), Some("IPv6")]),
        select(vec![
            "8",
            "0",
            "3",
            "128",
            "EchoRequest",
            "EchoReply",
            "DestinationUnreachable",
        ]),
    );
    prop_oneof![
        3 => Just(PortsOrIcmp::Nothing),
        5 => vec(rule, 0..=2).prop_map(PortsOrIcmp::Ports),
        1 => vec(message, 1..=2).prop_map(PortsOrIcmp::Icmp),
    ]
}
