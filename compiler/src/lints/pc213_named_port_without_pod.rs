//! # PC213 named-port-without-pod
//!
//! The peers have no container ports, so the port name means nothing towards them.
//!
//! ## What is wrong
//! A port name is looked up in the containers of the destination pod. An address block outside the cluster, a domain
//! name, the world, a node, or a pod on the host network has none. An egress rule towards them with a name matches
//! nothing: an allow opens nothing, a deny closes nothing. `https` is not 443 here: no list of well-known ports is
//! asked.
//!
//! Blocks of private addresses may hold pods, and nothing is said of them. Where some peers of the rule may have names
//! and others cannot, or the rule has other ports too, it is a warning; for a deny it is an error all the same.
//!
//! ## What engines do
//!
//! | | |
//! |---|---|
//! | Kubernetes' text | "a port on a pod": nothing matches |
//! | Cilium 1.20 | nothing matches |
//! | Cilium up to 1.19 | where one pod anywhere in the cluster defines the name, its number is used towards these peers too |
//!
//! ## Example
//! ```yaml
//! egress:
//!   - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
//!     ports: [{port: https}]
//! ```
//!
//! ## How to fix it
//! Write the number: `{port: 443}`. Towards pods on the host network name the nodes' addresses too: no selector matches
//! such pods.

use super::cilium_names::{Meaning, transport};
use super::named_port_hazards::{Case, Hazards, Judged, is_named};
use super::named_port_report::{address_in, at_use, egress_engines, with_engines, with_witness, witness};
use super::pc602_peer_selects_nothing::NODES_INSTEAD;
use crate::diagnostic::{Code, Finding, Severity};
use ir::flow::Party;
use ir::peer::{Entity, Peer, PeerMatch, Peers};
use ir::port::Protocol;
use ir::selector::Selector;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// Finds such rules.
#[must_use]
pub fn check(hazards: &Hazards<'_>) -> Vec<Finding> {
    hazards
        .uses
        .iter()
        .filter_map(|judged| {
            let peers: Vec<&Peer> = match (&judged.case, &judged.one.rule.peers) {
                (Case::WithoutPods, Peers::OneOf(peers)) => peers.iter().collect(),
                _ => judged.without_pods.clone(),
            };
            (!peers.is_empty()).then(|| finding(hazards, judged, &peers))
        })
        .collect()
}

fn finding(hazards: &Hazards<'_>, judged: &Judged<'_>, peers: &[&Peer]) -> Finding {
    let one = &judged.one;
    let whole = judged.case == Case::WithoutPods;
    // Other ports of the rule may mean something.
    let throughout = hazards.is_vain_throughout(judged);
    let nothing = format!("`{}` means nothing towards {}", one.name, kinds(peers));
    let message = match (judged.denies(), whole) {
        (true, true) if throughout => format!("this rule denies nothing: {nothing}"),
        (true, _) => format!("{nothing}, so it denies nothing there"),
        (false, true) if throughout => format!("{nothing}, so the rule allows nothing"),
        (false, _) => nothing,
    };
    let mut finding = at_use(
        judged,
        Code::NAMED_PORT_WITHOUT_POD,
        message,
        "only pods have port names",
    );
    for peer in peers.iter().take(4) {
        finding = finding.because(peer.origin.clone(), "no container ports here");
    }
    let allows_nothing = whole && throughout;
    if !judged.denies() && !allows_nothing {
        finding.severity = Severity::Warning;
    }
    let help = match (on_host_network(hazards, judged, peers), well_known(one.name)) {
        (Some(numbers), _) => format!("{NODES_INSTEAD}, with the number {numbers}"),
        (None, Some(number)) => format!("write the number: {number}, if that is meant"),
        (None, None) => "write the number".to_owned(),
    };
    // What Cilium up to 1.19 would use, else what the name is known for.
    let numbers: Vec<(Protocol, u16)> = transport(one.protocol)
        .filter_map(|protocol| match hazards.names.meaning(one.name, protocol) {
            Meaning::One(number) => Some((protocol, number)),
            Meaning::Ambiguous(numbers) => numbers.first().map(|number| (protocol, *number)),
            Meaning::Unknown => well_known(one.name).map(|number| (protocol, number)),
        })
        .collect();
    let outside = peers
        .iter()
        .filter_map(|peer| address(&peer.matches))
        .filter(|address| hazards.is_outside(*address));
    let flows: Vec<_> = outside
        .flat_map(|address| {
            numbers
                .iter()
                .map(move |(protocol, number)| (Party::Outside(address), *protocol, *number))
        })
        .collect();
    let denies = judged.denies();
    let flow = witness(hazards, judged, flows, |tried| {
        tried.judgement.allowed() == denies
    });
    let engines = egress_engines(hazards, judged).filter(|_| whole);
    with_witness(with_engines(finding.help(help), engines), flow)
}

/// The numbers behind the name on the pods that peers were meant for, where all of these are on the host network: a
/// number alone does not help, for no selector matches them.
fn on_host_network(hazards: &Hazards<'_>, judged: &Judged<'_>, peers: &[&Peer]) -> Option<String> {
    let selectors: Option<Vec<&Selector>> = peers
        .iter()
        .map(|peer| match &peer.matches {
            PeerMatch::Endpoints(selector) => Some(selector),
            _ => None,
        })
        .collect();
    let selectors = selectors?;
    let cluster = &hazards.model.cluster;
    let pods = cluster.endpoints().iter().filter(|pod| pod.host_network);
    let meant = pods.filter(|pod| {
        let attribute = |attribute: &_| cluster.attribute(pod, attribute);
        selectors.iter().any(|selector| selector.matches(attribute))
    });
    let named: BTreeSet<u16> = meant
        .flat_map(|pod| &pod.ports)
        .filter(|port| is_named(port, judged.one.name) && judged.one.protocol.contains(port.protocol))
        .map(|port| port.number)
        .collect();
    Some(match named.is_empty() {
        true => "that is meant".to_owned(),
        false => super::cilium_names::and(named.iter().map(u16::to_string)),
    })
}

/// An address that a peer stands for.
fn address(matches: &PeerMatch) -> Option<IpAddr> {
    match matches {
        PeerMatch::Cidr(block) => address_in(block),
        // One of the addresses that documents may use.
        PeerMatch::Entity(Entity::World | Entity::WorldIpv4) => Some(Ipv4Addr::new(203, 0, 113, 7).into()),
        _ => None,
    }
}

/// What the peers are, for people.
fn kinds(peers: &[&Peer]) -> String {
    let mut kinds: Vec<&str> = peers
        .iter()
        .map(|peer| match &peer.matches {
            PeerMatch::Endpoints(_) => "pods on the host network",
            PeerMatch::Nodes(_) | PeerMatch::OtherNodes(_) => "nodes",
            PeerMatch::Cidr(_) => "addresses",
            PeerMatch::Entity(_) => "what is no pod",
            PeerMatch::Domain(_) => "domain names",
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    super::cilium_names::and(kinds.into_iter().map(str::to_owned))
}

/// The number that people mean by a name (IANA's registry of services).
fn well_known(name: &str) -> Option<u16> {
    Some(match name.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        "dns" | "domain" => 53,
        "ssh" => 22,
        "smtp" => 25,
        "ldap" => 389,
        "ldaps" => 636,
        "ntp" => 123,
        "mysql" => 3306,
        "postgres" | "postgresql" => 5432,
        "redis" => 6379,
        _ => return None,
    })
}
