//! The cluster that all policies speak of: what Cilium would know of it, and the same as manifests.

use ir::port::Protocol;
use std::fmt;
use std::net::IpAddr;

pub(crate) const CLUSTER: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: blue}}
---
apiVersion: v1
kind: Namespace
metadata: {name: ledger, labels: {team: red}}
---
apiVersion: v1
kind: Node
metadata: {name: one, labels: {zone: north}}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: two, labels: {zone: south}}
status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, tier: front}}
spec:
  nodeName: one
  serviceAccountName: web
  containers: [{name: c, ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]}]
status: {podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec:
  nodeName: two
  containers:
    - {name: c, ports: [{name: http, containerPort: 80}, {name: dns, containerPort: 53}, {name: dns, containerPort: 53, protocol: UDP}]}
status: {podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: ledger, labels: {app: db, tier: back}}
spec:
  nodeName: one
  containers: [{name: c, ports: [{name: http, containerPort: 5432}]}]
status: {podIPs: [{ip: 10.0.1.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: ledger, labels: {app: web}}
spec:
  nodeName: two
  serviceAccountName: web
  containers: [{name: c}]
status: {podIPs: [{ip: 10.0.1.2}, {ip: 'fd00::2'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: monitor, namespace: shop, labels: {app: api, tier: back}}
spec:
  hostNetwork: true
  nodeName: one
  containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]
status: {podIPs: [{ip: 192.168.0.1}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {service: web}}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ledger, labels: {service: web}}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop, labels: {service: api}}
spec: {selector: {app: api}, ports: [{port: 80}]}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: office, labels: {site: north}}
spec: {externalCIDRs: [203.0.113.0/25, '2001:db8:1::/48']}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: home, labels: {site: south}}
spec: {externalCIDRs: [198.51.100.0/24]}
";

/// What has an address.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub(crate) address: IpAddr,
    pub(crate) kind: Kind,
    /// The pod on the node's network that is meant, to policies the node itself.
    pub(crate) host_pod: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod(&'static Pod),
    Node(&'static Node),
    Outside,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
    /// The label array that Cilium gives the endpoint's identity, every source `k8s`.
    pub(crate) labels: &'static [(&'static str, &'static str)],
    pub(crate) node: &'static str,
    pub(crate) ports: &'static [(&'static str, Protocol, u16)],
    addresses: &'static [&'static str],
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) labels: &'static [(&'static str, &'static str)],
    address: &'static str,
}

const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const TEAM: &str = "io.cilium.k8s.namespace.labels.team";
const NAME_LABEL: &str = "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name";
const ACCOUNT: &str = "io.cilium.k8s.policy.serviceaccount";
const CLUSTER_NAME: (&str, &str) = ("io.cilium.k8s.policy.cluster", "default");

pub(crate) static PODS: [Pod; 4] = [
    Pod {
        namespace: "shop",
        name: "web",
        labels: &[
            ("app", "web"),
            ("tier", "front"),
            (NAMESPACE, "shop"),
            (TEAM, "blue"),
            (NAME_LABEL, "shop"),
            (ACCOUNT, "web"),
            CLUSTER_NAME,
        ],
        node: "one",
        ports: &[("http", Protocol::Tcp, 8080), ("dns", Protocol::Udp, 53)],
        addresses: &["10.0.0.1", "fd00::1"],
    },
    Pod {
        namespace: "shop",
        name: "api",
        labels: &[
            ("app", "api"),
            (NAMESPACE, "shop"),
            (TEAM, "blue"),
            (NAME_LABEL, "shop"),
            (ACCOUNT, "default"),
            CLUSTER_NAME,
        ],
        node: "two",
        ports: &[
            ("http", Protocol::Tcp, 80),
            ("dns", Protocol::Tcp, 53),
            ("dns", Protocol::Udp, 53),
        ],
        addresses: &["10.0.0.2"],
    },
    Pod {
        namespace: "ledger",
        name: "db",
        labels: &[
            ("app", "db"),
            ("tier", "back"),
            (NAMESPACE, "ledger"),
            (TEAM, "red"),
            (NAME_LABEL, "ledger"),
            (ACCOUNT, "default"),
            CLUSTER_NAME,
        ],
        node: "one",
        ports: &[("http", Protocol::Tcp, 5432)],
        addresses: &["10.0.1.1"],
    },
    Pod {
        namespace: "ledger",
        name: "web",
        labels: &[
            ("app", "web"),
            (NAMESPACE, "ledger"),
            (TEAM, "red"),
            (NAME_LABEL, "ledger"),
            (ACCOUNT, "web"),
            CLUSTER_NAME,
        ],
        node: "two",
        ports: &[],
        addresses: &["10.0.1.2", "fd00::2"],
    },
];

pub(crate) static NODES: [Node; 2] = [
    Node {
        name: "one",
        labels: &[("zone", "north")],
        address: "192.168.0.1",
    },
    Node {
        name: "two",
        labels: &[("zone", "south")],
        address: "192.168.0.2",
    },
];

/// On both sides of every edge that the vocabulary of policies has.
const OUTSIDE: [&str; 7] = [
    "203.0.113.7",
    "203.0.113.64",
    "203.0.113.200",
    "198.51.100.9",
    "8.8.8.8",
    "2001:db8:1::7",
    "2001:db8:2::7",
];

impl Party {
    pub(crate) fn is_pod(&self) -> bool {
        matches!(self.kind, Kind::Pod(_))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pod) = self.host_pod {
            return write!(f, "{pod}, on its node's network");
        }
        match self.kind {
            Kind::Pod(pod) => write!(f, "{}/{} ({})", pod.namespace, pod.name, self.address),
            Kind::Node(node) => write!(f, "node {}", node.name),
            Kind::Outside => write!(f, "{}", self.address),
        }
    }
}

pub(crate) fn parties() -> Vec<Party> {
    let party = |address: &str, kind| Party {
        address: address.parse().unwrap(),
        kind,
        host_pod: None,
    };
    let monitor = Party {
        host_pod: Some("monitor"),
        ..party(NODES[0].address, Kind::Node(&NODES[0]))
    };
    let pods = PODS.iter().flat_map(|pod| {
        pod.addresses
            .iter()
            .map(move |address| party(address, Kind::Pod(pod)))
    });
    let nodes = NODES.iter().map(|node| party(node.address, Kind::Node(node)));
    let outside = OUTSIDE.iter().map(|address| party(address, Kind::Outside));
    pods.chain(nodes).chain([monitor]).chain(outside).collect()
}

/// A protocol with a destination port, or a type of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

pub(crate) fn probes(ipv4: bool) -> Vec<Probe> {
    let ports = |protocol, ports: &[u16]| -> Vec<Probe> {
        let probe = |port: &u16| Probe {
            protocol,
            port: *port,
        };
        ports.iter().map(probe).collect()
    };
    let mut probes = ports(Protocol::Tcp, &[53, 79, 80, 81, 90, 91, 443, 5432, 8080, 65535]);
    probes.extend(ports(Protocol::Udp, &[53, 80]));
    probes.extend(ports(Protocol::Sctp, &[80, 8080]));
    let icmp = if ipv4 { Protocol::Icmp } else { Protocol::Icmpv6 };
    probes.extend(ports(icmp, &[0, 1, 3, 8, 128, 129]));
    probes.extend(ports(Protocol::Other, &[0]));
    probes
}
