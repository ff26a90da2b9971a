//! # PC604 dns-forgotten
//!
//! Egress is restricted and DNS is not allowed.
//!
//! ## What is wrong
//! Once a policy restricts egress, DNS is denied like everything else that no rule allows. The rule that lets the pod
//! reach a database is of no use to a program that cannot ask for the database's address: it fails with timeouts that
//! do not look like a policy at all.
//!
//! All policies that select the pod are taken together. Anything that may be DNS counts: a rule for port 53 (or
//! where OpenShift's DNS, or the DNS pods of the input, listen) over UDP, unless its peers are pods that are DNS
//! and listen elsewhere, or are asked to be `k8s-app: kube-dns` where those are not; and a rule for every port to
//! `kube-dns`, to OpenShift's `openshift-dns`, to every pod, to nodes or to wide address blocks. What is the
//! internet alone (`world`, or a block without `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16` and the nodes'
//! slices) is not: clusters answer names inside. Port 53 without a protocol is TCP, over which programs do not
//! begin to ask: it is pointed at where DNS may be among the peers. Nothing is said of pods that may reach nothing,
//! or only fixed addresses, or that a rule denies DNS to; and it is a note where the input lacks the pods, since it
//! may lack another policy too.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Egress]
//!   egress:
//!     - to: [{podSelector: {matchLabels: {app: db}}}]
//!       ports: [{port: 5432}]
//! ```
//!
//! ## How to fix it
//! Allow it, in this policy or once for the whole namespace.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Egress]
//!   egress:
//!     - to: [{podSelector: {matchLabels: {app: db}}}]
//!       ports: [{port: 5432}]
//!     - to:
//!         - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
//!           podSelector: {matchLabels: {k8s-app: kube-dns}}
//!       ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
//! ```

use super::object_name;
use super::pc618_domain_names_never_learned::names_peers;
use super::probes::{DNS_LABEL, DNS_NAME, OPENSHIFT_NAMESPACE, Probing, is_probe};
use super::surroundings::Surroundings;
use crate::diagnostic::{Code, Finding, Severity, Witness};
use ipnet::{IpNet, Ipv4Net};
use ir::cluster::{Cluster, Endpoint, EndpointId};
use ir::flow::{Flow, Party};
use ir::peer::{CidrBlock, Entity, Peer, PeerMatch, Peers};
use ir::policy::{Action, BeyondKind, Direction, Policy, PolicyId, Rule, Subject};
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Requirement, Selector};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The port of DNS, and the one behind it on OpenShift.
pub(super) const DNS_PORTS: [u16; 2] = [53, 5353];
/// Where the API server listens (kubeadm's default), whose address clients are given.
const API_SERVER: u16 = 6443;
/// Blocks at least this wide may well hold a resolver.
const WIDE: u8 = 16;

/// Where clusters have their pods, nodes and services (RFC 1918).
const CLUSTERS: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
];

/// Finds policies that together forget it, one finding for each set of them.
#[must_use]
pub fn check(around: &Surroundings<'_>, probing: &Probing<'_>) -> Vec<Finding> {
    let model = &probing.probes.model;
    let cluster = &model.cluster;
    let policies: Vec<_> = model
        .policy_ids()
        .filter(|(_, policy)| policy.applies.egress)
        .collect();
    if !policies.iter().any(|(_, policy)| policy.default_deny.egress) {
        return Vec::new();
    }
    // Pods by the policies that are in force for them; pods of equal labels are asked about once.
    let mut asked = BTreeSet::new();
    let mut sets: BTreeMap<Vec<PolicyId>, Vec<(EndpointId, &Endpoint)>> = BTreeMap::new();
    let pods = cluster
        .endpoint_ids()
        .filter(|(_, pod)| !pod.host_network && !is_probe(pod) && !is_dns(pod));
    let selecting = probing.judge.selecting();
    for (id, pod) in pods {
        if asked.insert((&pod.namespace, &pod.labels, &pod.service_account)) {
            let in_force = selecting.policies(selecting.list(id)).iter().copied();
            let in_force =
                in_force.filter(|id| model.policy(*id).is_some_and(|policy| policy.applies.egress));
            sets.entry(in_force.collect()).or_default().push((id, pod));
        }
    }
    let dns = Dns::of(probing);
    let mut findings = Vec::new();
    for (set, pods) in &sets {
        let set: Vec<&Policy> = set.iter().filter_map(|id| model.policy(*id)).collect();
        let witness = || pods.iter().find_map(|(id, pod)| witness(probing, &dns, *id, pod));
        findings.extend(finding(&dns, &set, witness));
    }
    // Policies whose pods the input lacks: with everything else that may be in force where they are.
    let mut by_namespace: BTreeMap<Option<&str>, Vec<&Policy>> = BTreeMap::new();
    for (_, policy) in &policies {
        by_namespace
            .entry(policy.namespace.as_deref())
            .or_default()
            .push(policy);
    }
    let in_namespace = |namespace| by_namespace.get(&namespace).into_iter().flatten().copied();
    let mut forgotten_in: BTreeMap<Option<&str>, bool> = BTreeMap::new();
    for (_, policy) in &policies {
        let is_vain =
            |subject: &Subject| matches!(subject, Subject::Endpoints(pods) if !around.selects_any(pods));
        if policy.default_deny.egress && is_vain(&policy.subject) {
            let namespace = policy.namespace.as_deref();
            let is_forgotten = forgotten_in.entry(namespace).or_insert_with(|| {
                let cluster_wide = in_namespace(None).filter(|_| namespace.is_some());
                let together: Vec<_> = cluster_wide.chain(in_namespace(namespace)).collect();
                finding(&dns, &together, || None).is_some()
            });
            if *is_forgotten {
                findings.extend(finding(&dns, &[policy], || None));
            }
        }
    }
    findings
}

fn is_dns(pod: &Endpoint) -> bool {
    let named = ["kube-dns", "coredns", "dns"];
    [DNS_LABEL, "app.kubernetes.io/name", "app"]
        .iter()
        .filter_map(|key| pod.labels.get(*key))
        .any(|value| named.contains(&value.as_str()))
        || pod
            .ports
            .iter()
            .any(|port| port.protocol == Protocol::Udp && DNS_PORTS.contains(&port.number))
}

/// The pods that are DNS, as far as they can be told.
pub(super) struct Dns<'p> {
    cluster: &'p Cluster,
    /// Those of the input.
    real: Vec<(EndpointId, &'p Endpoint)>,
    /// The probes.
    probes: Vec<(EndpointId, &'p Endpoint)>,
}

impl<'p> Dns<'p> {
    pub(super) fn of(probing: &Probing<'p>) -> Self {
        let cluster = &probing.probes.model.cluster;
        let probes = probing.probes.dns.iter();
        Self {
            cluster,
            real: cluster
                .endpoint_ids()
                .filter(|(_, pod)| !is_probe(pod) && is_dns(pod))
                .collect(),
            probes: probes
                .filter_map(|id| Some((*id, cluster.endpoint(*id)?)))
                .collect(),
        }
    }

    fn pods(&self) -> impl Iterator<Item = (EndpointId, &'p Endpoint)> {
        self.real.iter().chain(&self.probes).copied()
    }

    /// Those that a selector may pick: of the labels of namespaces only the name is known.
    fn among(&self, selector: &Selector) -> impl Iterator<Item = &'p Endpoint> {
        let is_unknown = |attribute: &Attribute| matches!(attribute, Attribute::NamespaceLabel(key) if key != NAMESPACE_NAME_LABEL);
        self.pods().map(|(_, pod)| pod).filter(move |pod| {
            selector.requirements().iter().all(|asked| {
                let value = || self.cluster.attribute(pod, &asked.attribute);
                is_unknown(&asked.attribute) || asked.operator.accepts(value())
            })
        })
    }

    /// Whether a port may be that of DNS.
    fn may_be_port(&self, port: &PortMatch) -> bool {
        self.pods().any(|(_, pod)| may_be_port_of(pod, port))
    }

    /// Whether a port of a peer may be that of DNS. Pods that are nobody's DNS that is known may be one of their own,
    /// unless they are called as that of the cluster is.
    fn may_be(&self, peer: &PeerMatch, port: &PortMatch) -> bool {
        let PeerMatch::Endpoints(selector) = peer else {
            return self.may_be_port(port);
        };
        let mut among = self.among(selector).peekable();
        if among.peek().is_some() {
            return among.any(|pod| may_be_port_of(pod, port));
        }
        !self.is_kube_dns_elsewhere(selector) && self.may_be_port(port)
    }

    /// Whether a selector asks for `kube-dns`, and for namespaces in which no DNS is. Of labels that the pods there have
    /// besides nothing is known.
    fn is_kube_dns_elsewhere(&self, selector: &Selector) -> bool {
        let asks_for_it = |asked: &Requirement| {
            matches!(&asked.attribute, Attribute::Label(key) if key == DNS_LABEL)
                && matches!(&asked.operator, Operator::In(values) if values.iter().any(|value| value == DNS_NAME))
        };
        let of_namespace = |asked: &&Requirement| !matches!(asked.attribute, Attribute::Label(_));
        let namespaces = selector.requirements().iter().filter(of_namespace).cloned();
        selector.requirements().iter().any(asks_for_it)
            && self.among(&Selector::new(namespaces)).next().is_none()
    }
}

/// Whether a port may be that of this pod's DNS; of one that lists no port for UDP, the usual ones.
fn may_be_port_of(pod: &Endpoint, port: &PortMatch) -> bool {
    match port {
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => {
            let listed = pod.ports.iter().filter(|port| port.protocol == Protocol::Udp);
            let mut numbers: Vec<u16> = listed.map(|port| port.number).collect();
            if numbers.is_empty() {
                numbers.extend(DNS_PORTS);
            }
            protocol.contains(Protocol::Udp) && numbers.iter().any(|number| (*first..=*last).contains(number))
        }
        PortMatch::Name { name, .. } => {
            let name = name.to_ascii_lowercase();
            name.contains("dns") || name == "domain"
        }
        PortMatch::Icmp { .. } => false,
    }
}

/// What is wrong with policies that are in force together; `witness` is a flow that shows it on a pod of the input.
fn finding(dns: &Dns<'_>, set: &[&Policy], witness: impl FnOnce() -> Option<Witness>) -> Option<Finding> {
    let isolating = set.iter().find(|policy| policy.default_deny.egress)?;
    let rules = || {
        set.iter()
            .flat_map(|policy| policy.rules.iter().map(move |rule| (*policy, rule)))
            .filter(|(_, rule)| rule.direction == Direction::Egress)
    };
    if rules().any(|(_, rule)| speaks_of_dns(dns, rule)) {
        return None;
    }
    let astray = rules().find_map(|(_, rule)| astray(dns, rule));
    let (owner, needs) = rules().find(|(_, rule)| rule.action == Action::Allow && asks_for_names(rule))?;
    let witness = witness();
    let over_tcp = rules().find_map(|(policy, rule)| Some((policy, over_tcp(dns, rule)?)));
    let (owner, message) = match over_tcp {
        Some((policy, _)) => (
            policy,
            "egress is restricted and DNS is allowed over TCP alone, so names cannot be looked up",
        ),
        None => (
            owner,
            "egress is restricted and DNS is not allowed, so names cannot be looked up",
        ),
    };
    let finding = Finding::new(Code::DNS_FORGOTTEN, message).about(object_name(owner));
    let mut finding = match (over_tcp, astray) {
        (Some((_, port)), _) => finding.at(port.origin.clone(), "TCP, and questions come over UDP"),
        (None, Some(peer)) => finding.at(
            peer.origin.clone(),
            "DNS is not among these pods, or not on these ports",
        ),
        (None, None) => finding.at(needs.origin.clone(), "reached by name, which needs DNS"),
    };
    finding = finding.because(isolating.origin.clone(), "restricts egress");
    if object_name(isolating) != object_name(owner) {
        finding = finding.about(object_name(isolating));
    }
    match witness {
        Some(witness) => finding = finding.witness(witness),
        None => finding.severity = Severity::Note,
    }
    // A pod may ask one there (`dnsPolicy: Default`).
    if let Some((_, rule)) = rules().find(|(_, rule)| reaches_resolvers_outside(rule)) {
        finding = finding.because(
            rule.origin.clone(),
            "a resolver outside is reached, and the cluster's is not",
        );
        finding.severity = Severity::Note;
    }
    let by_domain = rules().any(|(_, rule)| names_peers(rule));
    Some(finding.help(match (over_tcp, owner.kind.is_cilium()) {
        (Some(_), true) => "write `protocol: ANY`",
        (Some(_), false) => "add the same port with UDP beside it: what gives no protocol is TCP",
        (None, true) if by_domain => {
            "add an egress rule `toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}]` with `toPorts: [{ports: [{port: \"53\", protocol: ANY}], rules: {dns: [{matchPattern: \"*\"}]}}]`: addresses of `toFQDNs` are learned from answers"
        }
        (None, true) => {
            "add an egress rule `toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-system, k8s-app: kube-dns}}]` with `toPorts: [{ports: [{port: \"53\", protocol: ANY}]}]`"
        }
        (None, false) if set.iter().any(|policy| is_of_openshift(policy)) => {
            "add an egress rule for ports 5353/UDP and 5353/TCP to the pods of namespace `openshift-dns`, here or in a policy for the whole namespace"
        }
        (None, false) => {
            "add an egress rule for ports 53/UDP and 53/TCP to the pods `k8s-app: kube-dns` in namespace `kube-system`, here or in a policy for the whole namespace"
        }
    }))
}

/// Whether a rule's peers are found by name: everything but fixed addresses and nodes.
fn asks_for_names(rule: &Rule) -> bool {
    match &rule.peers {
        // In-cluster clients are given the API server's address.
        Peers::Any => !matches!(&rule.ports, Ports::OneOf(ports) if ports.iter().all(is_of_api_server)),
        Peers::OneOf(peers) => peers.iter().any(|peer| match peer.matches {
            PeerMatch::Endpoints(_) | PeerMatch::Domain(_) => true,
            PeerMatch::Entity(entity) => matches!(
                entity,
                Entity::All | Entity::World | Entity::WorldIpv4 | Entity::WorldIpv6 | Entity::Cluster
            ),
            PeerMatch::Cidr(_) | PeerMatch::Nodes(_) | PeerMatch::OtherNodes(_) => false,
        }),
    }
}

/// Whether a policy is of OpenShift's own, or speaks of its DNS.
fn is_of_openshift(policy: &Policy) -> bool {
    let picks = |peer: &Peer| {
        let PeerMatch::Endpoints(selector) = &peer.matches else {
            return false;
        };
        selector.requirements().iter().any(|asked| {
            matches!(&asked.operator, Operator::In(values) if values.iter().any(|value| value == OPENSHIFT_NAMESPACE))
        })
    };
    let mut rules = policy.rules.iter();
    let of_its_own = policy
        .namespace
        .as_deref()
        .is_some_and(|name| name.starts_with("openshift-"));
    of_its_own || rules.any(|rule| matches!(&rule.peers, Peers::OneOf(peers) if peers.iter().any(picks)))
}

/// Whether a rule opens every port towards everything outside.
fn reaches_resolvers_outside(rule: &Rule) -> bool {
    let is_outside = |peer: &Peer| match &peer.matches {
        PeerMatch::Entity(entity) => matches!(entity, Entity::World | Entity::WorldIpv4),
        PeerMatch::Cidr(block) => block.cidr.prefix_len() == 0,
        _ => false,
    };
    rule.action == Action::Allow
        && rule.ports == Ports::Any
        && matches!(&rule.peers, Peers::OneOf(peers) if peers.iter().any(is_outside))
}

fn is_of_api_server(port: &Port) -> bool {
    matches!(&port.matches, PortMatch::Numbers { first, last, .. } if first == last && *first == API_SERVER)
}

/// Whether a rule may be about DNS: allow it, or deny it on purpose.
pub(super) fn speaks_of_dns(dns: &Dns<'_>, rule: &Rule) -> bool {
    if rule.beyond.iter().any(|beyond| beyond.kind == BeyondKind::Dns) {
        return true;
    }
    match (&rule.ports, &rule.peers) {
        (Ports::OneOf(ports), Peers::Any) => ports.iter().any(|port| dns.may_be_port(&port.matches)),
        (Ports::OneOf(ports), Peers::OneOf(peers)) => {
            let may_be = |peer: &Peer| ports.iter().any(|port| dns.may_be(&peer.matches, &port.matches));
            peers.iter().any(may_be)
        }
        (Ports::Any, _) => rule.action == Action::Allow && may_reach_dns(dns, rule),
    }
}

/// A peer by which a rule for the ports of DNS means DNS, and does not reach it.
fn astray<'r>(dns: &Dns<'_>, rule: &'r Rule) -> Option<&'r Peer> {
    let (Ports::OneOf(ports), Peers::OneOf(peers)) = (&rule.ports, &rule.peers) else {
        return None;
    };
    let is_meant = ports.iter().any(|port| dns.may_be_port(&port.matches));
    let picks_pods = |peer: &&Peer| matches!(peer.matches, PeerMatch::Endpoints(_));
    peers
        .iter()
        .find(picks_pods)
        .filter(|_| is_meant && rule.action == Action::Allow)
}

/// Whether DNS may be among a rule's peers, whatever its ports.
fn may_reach_dns(dns: &Dns<'_>, rule: &Rule) -> bool {
    match &rule.peers {
        Peers::Any => true,
        Peers::OneOf(peers) => peers.iter().any(|peer| may_hold_dns(dns, &peer.matches)),
    }
}

/// A port of an allow rule that would be DNS, were it not TCP alone.
fn over_tcp<'r>(dns: &Dns<'_>, rule: &'r Rule) -> Option<&'r Port> {
    let Ports::OneOf(ports) = &rule.ports else {
        return None;
    };
    let would_be_dns = |port: &&Port| match port.matches {
        PortMatch::Numbers {
            protocol: ProtocolSet::One(Protocol::Tcp),
            first,
            last,
        } if first == last => {
            let over_udp = PortMatch::Numbers {
                protocol: ProtocolSet::One(Protocol::Udp),
                first,
                last,
            };
            match &rule.peers {
                Peers::Any => dns.may_be_port(&over_udp),
                Peers::OneOf(peers) => peers
                    .iter()
                    .any(|peer| may_hold_dns(dns, &peer.matches) && dns.may_be(&peer.matches, &over_udp)),
            }
        }
        _ => false,
    };
    ports
        .iter()
        .find(would_be_dns)
        .filter(|_| rule.action == Action::Allow)
}

/// Whether DNS may be among these peers, which may be reached on every port.
fn may_hold_dns(dns: &Dns<'_>, peer: &PeerMatch) -> bool {
    match peer {
        PeerMatch::Endpoints(selector) => dns.among(selector).next().is_some(),
        PeerMatch::Cidr(block) => {
            let is_wide = block.cidr.prefix_len() <= WIDE;
            let is_one = block.cidr.prefix_len() == block.cidr.max_prefix_len();
            is_one || (is_wide && !is_internet_alone(dns.cluster, block))
        }
        PeerMatch::Entity(entity) => matches!(
            entity,
            Entity::All | Entity::Cluster | Entity::Host | Entity::RemoteNode | Entity::Unmanaged
        ),
        PeerMatch::Nodes(_) | PeerMatch::OtherNodes(_) => true,
        PeerMatch::Domain(_) => false,
    }
}

/// Whether a block of all IPv4 leaves out every range that clusters take their addresses from.
fn is_internet_alone(cluster: &Cluster, block: &CidrBlock) -> bool {
    let is_everything = matches!(block.cidr, IpNet::V4(all) if all.prefix_len() == 0);
    let is_left_out = |range: &IpNet| {
        let is_of_family = block.cidr.contains(range);
        !is_of_family || block.except.iter().any(|except| except.contains(range))
    };
    let slices = cluster.nodes().iter().flat_map(|node| &node.pod_cidrs);
    let ranges = CLUSTERS.map(IpNet::V4);
    is_everything && ranges.iter().chain(slices).all(is_left_out)
}

/// A question to DNS that is denied.
fn witness(probing: &Probing<'_>, dns: &Dns<'_>, id: EndpointId, pod: &Endpoint) -> Option<Witness> {
    let port = DNS_PORTS[0];
    let (dns, server) = dns.pods().find(|(_, other)| !other.host_network)?;
    let party = |id, pod: &Endpoint| Party::Endpoint {
        id,
        address: pod.addresses.first().copied(),
    };
    let flow = Flow {
        source: party(id, pod),
        destination: party(dns, server),
        protocol: Protocol::Udp,
        port,
    };
    let judgement = probing.judge.evaluate(&flow);
    (!judgement.egress.allowed).then(|| Witness {
        from: pod.to_string(),
        to: server.to_string(),
        protocol: Protocol::Udp.to_string(),
        port: Some(port),
    })
}
