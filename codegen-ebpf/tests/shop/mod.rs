//! A small shop, built as a model by hand: two web pods whose `http` is another number on each, a client that may reach
//! them, DNS, and an address block with a hole. Lines of the manifest below are the origins.

use std::collections::BTreeMap;
use std::sync::Arc;

use ir::cluster::{Cluster, ContainerPort, ContainerRole, Endpoint, EndpointId, Node, Workload};
use ir::identity::Identities;
use ir::model::Model;
use ir::origin::Origin;
use ir::peer::{CidrBlock, CidrScope, Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Directions, Policy, PolicyKind, Rank, Rule, Subject};
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::{Attribute, Labels, Requirement, Selector};
use ir::table::VerdictTable;
use portcullis_codegen_ebpf::compile::{self, Compiled, Input};

pub(crate) const FILE: &str = "shop.yaml";
pub(crate) const MANIFEST: &str = "\
kind: NetworkPolicy            # client
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress, Ingress]
  egress:
    - to: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: http}]
    - ports: [{port: 53, protocol: UDP}]
    - to: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.128/25]}}]
      ports: [{port: 8000, endPort: 8999}]
    - to: [{ipBlock: {cidr: 2001:db8::/32, except: [2001:db8:0:1::8/125]}}]
---
kind: NetworkPolicy            # web
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
    - from: [{podSelector: {matchLabels: {app: client}}}]
      ports: [{port: http}]
";

pub(crate) fn origin(needle: &str) -> Origin {
    let (index, text) = MANIFEST
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains(needle))
        .unwrap();
    Origin {
        line: index as u32 + 1,
        column: text.find(needle).unwrap() as u32 + 1,
        ..Origin::synthetic(FILE)
    }
}

fn app(name: &str) -> Selector {
    Selector::new([Requirement::equals(Attribute::Label("app".to_owned()), name)])
}

fn pod(name: &str, labels: &str, addresses: &[&str], http: Option<u16>) -> Endpoint {
    Endpoint {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        workload: Workload {
            kind: "Pod".to_owned(),
            name: name.to_owned(),
            replicated: false,
        },
        labels: Labels::from([("app".to_owned(), labels.to_owned())]),
        service_account: "default".to_owned(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        node: Some("node-a".to_owned()),
        host_network: false,
        ports: http
            .map(|number| ContainerPort {
                container: "main".to_owned(),
                role: ContainerRole::Main,
                name: Some("http".to_owned()),
                number,
                protocol: Protocol::Tcp,
                origin: Origin::synthetic("pods.yaml"),
            })
            .into_iter()
            .collect(),
        origin: Origin::synthetic("pods.yaml"),
    }
}

fn rule(direction: Direction, needle: &str, peers: Peers, ports: Ports) -> Rule {
    Rule {
        direction,
        rank: Rank::NAMESPACED,
        action: Action::Allow,
        peers,
        ports,
        beyond: Vec::new(),
        origin: origin(needle),
    }
}

fn peer(needle: &str, matches: PeerMatch) -> Peers {
    Peers::OneOf(vec![Peer {
        matches,
        origin: origin(needle),
    }])
}

fn block(cidr: &str, except: &str) -> PeerMatch {
    PeerMatch::Cidr(CidrBlock {
        cidr: cidr.parse().unwrap(),
        except: vec![except.parse().unwrap()],
        scope: CidrScope::Everything,
    })
}

fn port(needle: &str, matches: PortMatch) -> Ports {
    Ports::OneOf(vec![Port {
        matches,
        origin: origin(needle),
    }])
}

fn http() -> PortMatch {
    PortMatch::Name {
        protocol: ProtocolSet::One(Protocol::Tcp),
        name: "http".to_owned(),
    }
}

fn numbers(protocol: Protocol, first: u16, last: u16) -> PortMatch {
    PortMatch::Numbers {
        protocol: ProtocolSet::One(protocol),
        first,
        last,
    }
}

pub(crate) fn model() -> Model {
    let endpoints = [
        pod("client", "client", &["10.0.0.1", "fd00::1"], None),
        pod("other", "other", &["10.0.0.9", "fd00::9"], Some(8080)),
        pod("web-a", "web", &["10.0.0.2", "fd00::2"], Some(8080)),
        pod("web-b", "web", &["10.0.0.3", "fd00::3"], Some(80)),
    ];
    let node = Node {
        name: "node-a".to_owned(),
        labels: Labels::new(),
        addresses: vec!["192.168.7.1".parse().unwrap()],
        pod_cidrs: Vec::new(),
        origin: Origin::synthetic("nodes.yaml"),
    };
    let both = Directions {
        ingress: true,
        egress: true,
    };
    let ingress_only = Directions {
        ingress: true,
        egress: false,
    };
    let client = Policy {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some("shop".to_owned()),
        name: "client".to_owned(),
        subject: Subject::Endpoints(app("client")),
        applies: both,
        default_deny: both,
        rules: vec![
            rule(
                Direction::Egress,
                "to: [{podSelector",
                peer(
                    "{podSelector: {matchLabels: {app: web}}}]",
                    PeerMatch::Endpoints(app("web")),
                ),
                port("port: http", http()),
            ),
            rule(
                Direction::Egress,
                "ports: [{port: 53",
                Peers::Any,
                port("port: 53", numbers(Protocol::Udp, 53, 53)),
            ),
            rule(
                Direction::Egress,
                "to: [{ipBlock: {cidr: 203",
                peer("ipBlock: {cidr: 203", block("203.0.113.0/24", "203.0.113.128/25")),
                port("port: 8000", numbers(Protocol::Tcp, 8000, 8999)),
            ),
            rule(
                Direction::Egress,
                "to: [{ipBlock: {cidr: 2001",
                peer(
                    "ipBlock: {cidr: 2001",
                    block("2001:db8::/32", "2001:db8:0:1::8/125"),
                ),
                Ports::Any,
            ),
        ],
        origin: origin("# client"),
    };
    let web = Policy {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some("shop".to_owned()),
        name: "web".to_owned(),
        subject: Subject::Endpoints(app("web")),
        applies: ingress_only,
        default_deny: ingress_only,
        rules: vec![rule(
            Direction::Ingress,
            "from: [{podSelector",
            peer(
                "{podSelector: {matchLabels: {app: client}}}]",
                PeerMatch::Endpoints(app("client")),
            ),
            port("port: http", http()),
        )],
        origin: origin("# web"),
    };
    Model::new(Cluster::new([], endpoints, [node]), [client, web])
}

pub(crate) fn endpoint(model: &Model, name: &str) -> EndpointId {
    model
        .cluster
        .endpoint_ids()
        .find(|(_, endpoint)| endpoint.name == name)
        .unwrap()
        .0
}

pub(crate) fn compile(model: &Model, id: EndpointId) -> [Compiled; 2] {
    with_input(model, id, |input| compile::endpoint(input).unwrap())
}

pub(crate) fn with_input<R>(model: &Model, id: EndpointId, then: impl FnOnce(&Input<'_>) -> R) -> R {
    let identities = Identities::of(model);
    let text: BTreeMap<Arc<str>, Vec<String>> =
        BTreeMap::from([(FILE.into(), MANIFEST.lines().map(str::to_owned).collect())]);
    let [ingress, egress] =
        Direction::BOTH.map(|direction| VerdictTable::build(model, &identities, id, direction));
    then(&Input {
        model,
        endpoint: id,
        ingress: &ingress,
        egress: &egress,
        addresses: identities.addresses(),
        text: &text,
    })
}
