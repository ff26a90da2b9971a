//! What the documentation says of a flow: "Layer 3 Policies", "Layer 4 Policies" and "Policy Enforcement Modes" of
//! Cilium, with the tables of `docs/semantics.md`, over label arrays as Cilium keeps them.

use super::policy::{CidrRule, Entry, Operator, Peers, Policy, Port, PortsOrIcmp, Selector, Service};
use super::world::{Kind, Party, Pod, Probe};
use ipnet::IpNet;
use ir::port::Protocol;

const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const NAMESPACE_LABELS: &str = "io.cilium.k8s.namespace.labels.";
const CLUSTER: &str = "io.cilium.k8s.policy.cluster";

/// Labels with their sources.
type Labels = Vec<(&'static str, &'static str, &'static str)>;

pub(crate) fn open(policies: &[Policy], from: &Party, to: &Party, probe: Probe) -> bool {
    let egress = match from.kind {
        Kind::Pod(pod) => lets(policies, pod, to, to, probe, false),
        Kind::Node(_) | Kind::Outside => true,
    };
    let ingress = match to.kind {
        Kind::Pod(pod) => lets(policies, pod, from, to, probe, true),
        Kind::Node(_) | Kind::Outside => true,
    };
    egress && ingress
}

/// Whether the policies of `pod` let through what it opens to (or receives from) `peer`.
fn lets(
    policies: &[Policy],
    pod: &'static Pod,
    peer: &Party,
    to: &Party,
    probe: Probe,
    ingress: bool,
) -> bool {
    // "Traffic from the local host to its pods is always allowed", and a pod reaches itself.
    match peer.kind {
        Kind::Pod(other) if other == pod => return true,
        Kind::Node(node) if ingress && node.name == pod.node => return true,
        _ => {}
    }
    let (mut asked, mut allowed, mut denied) = (false, false, false);
    for policy in policies.iter().filter(|policy| selects(policy, pod)) {
        let (allow, deny, said) = if ingress {
            (&policy.ingress, &policy.ingress_deny, policy.default_deny_ingress)
        } else {
            (&policy.egress, &policy.egress_deny, policy.default_deny_egress)
        };
        let (allow, deny) = (allow.as_deref().unwrap_or(&[]), deny.as_deref().unwrap_or(&[]));
        if allow.is_empty() && deny.is_empty() {
            continue;
        }
        asked |= said.unwrap_or(true);
        let matching = |entry: &Entry| entry_matches(policy, entry, pod, peer, to, probe);
        allowed |= allow.iter().any(matching);
        denied |= deny.iter().any(matching);
    }
    !denied && (allowed || !asked)
}

fn labels_of(pod: &Pod) -> Labels {
    pod.labels
        .iter()
        .map(|(key, value)| ("k8s", *key, *value))
        .collect()
}

/// What a selector of peers of `pod` looks at.
fn labels(peer: &Party, pod: &Pod) -> Labels {
    match peer.kind {
        Kind::Pod(other) => labels_of(other),
        Kind::Node(node) if node.name == pod.node => vec![("reserved", "host", "")],
        Kind::Node(_) => vec![("reserved", "remote-node", "")],
        Kind::Outside => vec![("reserved", "world", "")],
    }
}

fn selects(policy: &Policy, pod: &Pod) -> bool {
    let Some(own) = policy.namespace else {
        return fits(&policy.subject, &labels_of(pod));
    };
    // The policy's own namespace takes the place of another in `matchLabels`.
    let mut confined = policy.subject.clone();
    confined
        .labels
        .retain(|(key, _)| *key != "k8s:io.kubernetes.pod.namespace");
    pod.namespace == own && fits(&confined, &labels_of(pod))
}

fn fits(selector: &Selector, labels: &Labels) -> bool {
    let value = |written: &str| {
        let (source, key) = split(written);
        let mut of_key = labels
            .iter()
            .filter(|(of, name, _)| (source == "any" || source == *of) && key == *name);
        of_key.next().map(|(_, _, value)| *value)
    };
    selector
        .labels
        .iter()
        .all(|(key, wanted)| value(key) == Some(*wanted))
        && selector.expressions.iter().all(|(key, operator)| match operator {
            Operator::In(values) => value(key).is_some_and(|value| values.contains(&value)),
            Operator::NotIn(values) => value(key).is_none_or(|value| !values.contains(&value)),
            Operator::Exists => value(key).is_some(),
            Operator::DoesNotExist => value(key).is_none(),
        })
}

/// The source of a key, `any` where none is written, and the rest.
fn split(key: &str) -> (&str, &str) {
    let older = || Some(("reserved", key.strip_prefix("reserved.")?));
    key.split_once(':').or_else(older).unwrap_or(("any", key))
}

fn entry_matches(
    policy: &Policy,
    entry: &Entry,
    pod: &'static Pod,
    peer: &Party,
    to: &Party,
    probe: Probe,
) -> bool {
    let written = match &entry.ports {
        PortsOrIcmp::Nothing => false,
        // "toPorts: []" is as if it were not written.
        PortsOrIcmp::Ports(rules) => !rules.is_empty(),
        PortsOrIcmp::Icmp(_) => true,
    };
    let peers = match &entry.peers {
        // Nothing at all selects nothing; ports alone mean every peer.
        None => written,
        Some(peers) => peer_matches(policy, peers, pod, peer),
    };
    let ports = match &entry.ports {
        PortsOrIcmp::Ports(rules) if written => rules
            .iter()
            .flatten()
            .flatten()
            .any(|port| port_matches(port, to, probe)),
        PortsOrIcmp::Nothing | PortsOrIcmp::Ports(_) => true,
        PortsOrIcmp::Icmp(messages) => messages.iter().any(|(family, number)| {
            let protocol = if *family == Some("IPv6") {
                Protocol::Icmpv6
            } else {
                Protocol::Icmp
            };
            probe.protocol == protocol && message_type(protocol, number) == probe.port
        }),
    };
    peers && ports
}

/// The number of a type: RFC 792, and RFC 4443.
fn message_type(protocol: Protocol, written: &str) -> u16 {
    match (protocol, written) {
        (Protocol::Icmp, "EchoReply") => 0,
        (Protocol::Icmp, "DestinationUnreachable") => 3,
        (Protocol::Icmp, "EchoRequest") => 8,
        (_, "DestinationUnreachable") => 1,
        (_, "EchoRequest") => 128,
        (_, "EchoReply") => 129,
        _ => written.parse().unwrap(),
    }
}

fn port_matches(port: &Port, to: &Party, probe: Probe) -> bool {
    let protocol = match port.protocol.unwrap_or("ANY") {
        "TCP" => probe.protocol == Protocol::Tcp,
        "UDP" => probe.protocol == Protocol::Udp,
        "SCTP" => probe.protocol == Protocol::Sctp,
        _ => matches!(probe.protocol, Protocol::Tcp | Protocol::Udp | Protocol::Sctp),
    };
    let number = match port.port.parse::<u16>() {
        Ok(0) => true,
        Ok(first) => (first..=port.end.unwrap_or(first)).contains(&probe.port),
        // A name is the destination's own.
        Err(_) => match to.kind {
            Kind::Pod(pod) => pod.ports.iter().any(|(name, protocol, number)| {
                name.eq_ignore_ascii_case(port.port) && (*protocol, *number) == (probe.protocol, probe.port)
            }),
            Kind::Node(_) | Kind::Outside => false,
        },
    };
    protocol && number
}

fn peer_matches(policy: &Policy, peers: &Peers, pod: &'static Pod, peer: &Party) -> bool {
    match peers {
        Peers::Endpoints(selectors) => selectors
            .iter()
            .any(|selector| endpoint_matches(policy, selector, &labels(peer, pod))),
        // "CIDR rules do not apply to traffic where both sides are managed by Cilium", nor to nodes.
        Peers::Cidr(blocks) => peer.kind == Kind::Outside && blocks.iter().any(|block| holds(block, peer)),
        Peers::CidrSet(rules) => {
            peer.kind == Kind::Outside && rules.iter().any(|rule| cidr_matches(rule, peer))
        }
        Peers::Entities(names) => names.iter().any(|name| entity_matches(name, pod, peer)),
        Peers::Nodes(selectors) => match peer.kind {
            Kind::Node(node) if node.name != pod.node => {
                let labels = node
                    .labels
                    .iter()
                    .map(|(key, value)| ("node", *key, *value))
                    .collect();
                selectors.iter().any(|selector| fits(selector, &labels))
            }
            _ => false,
        },
        Peers::Services(services) => match peer.kind {
            Kind::Pod(other) => services.iter().any(|service| serves(service, other)),
            _ => false,
        },
        // Which addresses a name has is not known.
        Peers::Fqdns(_) => false,
    }
}

fn endpoint_matches(policy: &Policy, selector: &Selector, labels: &Labels) -> bool {
    let keys = || {
        let labels = selector.labels.iter().map(|(key, _)| split(key));
        labels.chain(selector.expressions.iter().map(|(key, _)| split(key)))
    };
    let names_namespace = keys().any(|(_, key)| key == NAMESPACE);
    let names_label = keys().any(|(_, key)| key.starts_with(NAMESPACE_LABELS));
    let names_cluster = keys().any(|(_, key)| key == CLUSTER);
    let has = |key: &str| {
        labels
            .iter()
            .find(|(source, name, _)| *source == "k8s" && *name == key)
    };
    let confined = if keys().any(|(source, _)| source == "reserved") {
        true
    } else if names_namespace || (names_label && policy.namespace.is_some()) {
        // Since 1.19 to this cluster.
        names_cluster || has(CLUSTER).is_some_and(|(_, _, name)| *name == "default")
    } else if names_label {
        // Cluster-wide: a namespace, whichever.
        has(NAMESPACE).is_some()
    } else {
        match policy.namespace {
            Some(own) => has(NAMESPACE).is_some_and(|(_, _, name)| *name == own),
            None => has(NAMESPACE).is_some(),
        }
    };
    confined && fits(selector, labels)
}

fn holds(block: &str, peer: &Party) -> bool {
    let block: IpNet = block
        .parse()
        .unwrap_or_else(|_| IpNet::from(block.parse::<std::net::IpAddr>().unwrap()));
    block.contains(&peer.address)
}

fn cidr_matches(rule: &CidrRule, peer: &Party) -> bool {
    const GROUPS: [(&str, &str, &[&str]); 2] = [
        ("office", "north", &["203.0.113.0/25", "2001:db8:1::/48"]),
        ("home", "south", &["198.51.100.0/24"]),
    ];
    let any = |wanted: &dyn Fn(&str, &str) -> bool| {
        GROUPS
            .iter()
            .filter(|(name, site, _)| wanted(name, site))
            .any(|(_, _, blocks)| blocks.iter().any(|block| holds(block, peer)))
    };
    let (CidrRule::Block(_, except) | CidrRule::Group(_, except) | CidrRule::Groups(_, except)) = rule;
    if except.iter().any(|hole| holds(hole, peer)) {
        return false;
    }
    match rule {
        CidrRule::Block(block, _) => holds(block, peer),
        CidrRule::Group(name, _) => any(&|group, _| group == *name),
        CidrRule::Groups(selector, _) => any(&|_, site| {
            let site = if site == "north" { "north" } else { "south" };
            fits(selector, &vec![("cidrgroup", "site", site)])
        }),
    }
}

fn entity_matches(name: &str, pod: &Pod, peer: &Party) -> bool {
    let outside = peer.kind == Kind::Outside;
    match name {
        "all" => true,
        "world" => outside,
        "world-ipv4" => outside && peer.address.is_ipv4(),
        "world-ipv6" => outside && peer.address.is_ipv6(),
        "cluster" => !outside,
        "host" => matches!(peer.kind, Kind::Node(node) if node.name == pod.node),
        "remote-node" => matches!(peer.kind, Kind::Node(node) if node.name != pod.node),
        _ => false,
    }
}

/// Whether the pod stands behind the service. Each service selects the pods of its namespace whose `app` is its name, and has
/// that name in its label `service`.
fn serves(service: &Service, pod: &Pod) -> bool {
    const SERVICES: [(&str, &str); 3] = [("web", "shop"), ("web", "ledger"), ("api", "shop")];
    let (Service::Named(_, within) | Service::Labelled(_, within)) = service;
    SERVICES.iter().any(|&(name, namespace)| {
        let is_meant = match service {
            Service::Named(written, _) => *written == name,
            Service::Labelled(selector, _) => fits(selector, &vec![("k8s", "service", name)]),
        };
        let is_behind = pod.namespace == namespace && pod.labels.contains(&("app", name));
        is_meant && within.is_none_or(|within| within == namespace) && is_behind
    })
}
