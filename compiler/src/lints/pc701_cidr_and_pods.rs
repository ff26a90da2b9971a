//! # PC701 cidr-and-pods
//!
//! Engines differ on whether a CIDR matches pods.
//!
//! ## What is wrong
//! Kubernetes' text leaves open whether an `ipBlock` matches pods; its conformance suite demands that it does, and
//! most engines (and this one, unless told otherwise) take it so. Cilium matches neither pods nor nodes with a block.
//! Here a pod of the input makes the difference: with one reading the block lets it through, with the other it does
//! not.
//!
//! Said only where some flow's verdict differs. A rule for egress is a note where no pod of the input lists one of its
//! ports: it is about what is outside, as a rule. `--cidr-match=external` gives Cilium's reading throughout.
//!
//! ## Example
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress]
//!   ingress:
//!     - from: [{ipBlock: {cidr: 0.0.0.0/0}}]   # pods too, or only what is outside?
//!       ports: [{port: 8080}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: api, namespace: shop, labels: {app: api}}
//! spec: {containers: [{name: api, image: api}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: web, namespace: shop, labels: {app: web}}
//! spec: {containers: [{name: web, image: web}]}
//! ```
//!
//! ## How to fix it
//! Say both: the block for what is outside, and a selector for the pods that are meant; or leave the peers out if
//! everything is.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {}
//!   policyTypes: [Ingress]
//!   ingress:
//!     - ports: [{port: 8080}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: api, namespace: shop, labels: {app: api}}
//! spec: {containers: [{name: api, image: api}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: web, namespace: shop, labels: {app: web}}
//! spec: {containers: [{name: web, image: web}]}
//! ```

use super::blocks::Blocks;
use super::object_name;
use super::pc606_cidr_inside_cluster_range::Ranges;
use super::surroundings::{Surroundings, listed};
use crate::diagnostic::{Code, Finding, Severity, Witness};
use ipnet::IpNet;
use ir::cluster::EndpointId;
use ir::flow::Party;
use ir::judge::Judge;
use ir::model::Model;
use ir::peer::{CidrBlock, CidrScope, Peer, PeerMatch, Peers};
use ir::policy::{Direction, Policy, PolicyKind, Rule};
use ir::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use std::collections::{BTreeSet, HashMap};

/// Pods that are tried on either side of a block; the first that fits is nearly always the first.
const TRIED: usize = 4;

/// Finds such blocks, one finding for each.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    let model = around.model;
    let blocks: Vec<_> = blocks(model).collect();
    if blocks.is_empty() {
        return Vec::new();
    }
    let ranges = Ranges::of(around);
    let external = as_external(model);
    let mut search = Search {
        around,
        external: around.judge.of_other_rules(&external),
        addresses: addresses(model),
        known: HashMap::new(),
    };
    let listed_ports = ListedPorts::of(model);
    let mut findings = Vec::new();
    for (policy, rule, peer, block) in blocks {
        // A block about the cluster's own addresses is told as such.
        if ranges.holds(block).is_some() {
            continue;
        }
        if let Some(witness) = search.witness(policy, rule, block) {
            let mut finding = finding(policy, peer, rule.direction, witness);
            if rule.direction == Direction::Egress && !listed_ports.meets(&rule.ports) {
                finding.severity = Severity::Note;
            }
            findings.push(finding);
        }
    }
    findings
}

/// The blocks that match pods here: those of NetworkPolicy, which every engine enforces.
fn blocks(model: &Model) -> impl Iterator<Item = (&Policy, &Rule, &Peer, &CidrBlock)> {
    let policies = model.policies().iter();
    policies
        .filter(|policy| policy.kind == PolicyKind::NetworkPolicy)
        .flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)))
        .flat_map(|(policy, rule)| listed(&rule.peers).iter().map(move |peer| (policy, rule, peer)))
        .filter_map(|(policy, rule, peer)| match &peer.matches {
            PeerMatch::Cidr(block) if block.scope == CidrScope::Everything => {
                Some((policy, rule, peer, block))
            }
            _ => None,
        })
}

/// The same policies, their blocks matching nothing of the cluster.
fn as_external(model: &Model) -> Model {
    let mut policies = model.policies().to_vec();
    for rule in policies.iter_mut().flat_map(|policy| &mut policy.rules) {
        if let Peers::OneOf(peers) = &mut rule.peers {
            for peer in peers {
                if let PeerMatch::Cidr(block) = &mut peer.matches {
                    block.scope = CidrScope::OutsideCluster;
                }
            }
        }
    }
    Model::new(model.cluster.clone(), policies)
}

/// The addresses of the pods that blocks may match.
fn addresses(model: &Model) -> Blocks<EndpointId> {
    let pods = model.cluster.endpoint_ids();
    let own = pods.filter(|(_, pod)| !pod.host_network);
    Blocks::of(own.flat_map(|(id, pod)| {
        let addresses = pod.addresses.iter();
        addresses.map(move |address| (IpNet::from(*address), id))
    }))
}

/// The ports that pods list.
struct ListedPorts(BTreeSet<(Protocol, u16)>);

impl ListedPorts {
    fn of(model: &Model) -> Self {
        let pods = model.cluster.endpoints().iter().filter(|pod| !pod.host_network);
        Self(
            pods.flat_map(|pod| &pod.ports)
                .map(|port| (port.protocol, port.number))
                .collect(),
        )
    }

    /// Whether one of them may be among a rule's.
    fn meets(&self, ports: &Ports) -> bool {
        let Ports::OneOf(ports) = ports else {
            return true;
        };
        ports.iter().any(|port| match &port.matches {
            PortMatch::Numbers {
                protocol,
                first,
                last,
            } => Protocol::TRANSPORT
                .into_iter()
                .filter(|one| protocol.contains(*one))
                .any(|one| self.0.range((one, *first)..=(one, *last)).next().is_some()),
            PortMatch::Name { .. } => true,
            PortMatch::Icmp { .. } => false,
        })
    }
}

/// What flows are looked for in.
struct Search<'s, 'm> {
    around: &'s Surroundings<'m>,
    /// Answers where blocks match nothing of the cluster.
    external: Judge<'s>,
    addresses: Blocks<EndpointId>,
    /// The first pods in blocks that were asked about.
    known: HashMap<&'m CidrBlock, Vec<EndpointId>>,
}

impl<'m> Search<'_, 'm> {
    /// The first pods in a block. Those whose address is not known are in one that leaves nothing out.
    fn pods_in(&mut self, block: &'m CidrBlock) -> &[EndpointId] {
        let cluster = &self.around.model.cluster;
        let addresses = &self.addresses;
        self.known.entry(block).or_insert_with(|| {
            if block.is_whole_family() {
                let own = cluster.endpoint_ids().filter(|(_, pod)| !pod.host_network);
                let fitting = own.filter(|(_, pod)| {
                    pod.addresses.is_empty() || pod.addresses.iter().any(|address| block.contains(*address))
                });
                return fitting.map(|(id, _)| id).take(TRIED).collect();
            }
            let within = addresses.within(&block.cidr);
            let fitting = within.filter(|(_, address, _)| block.contains(address.addr()));
            let first: BTreeSet<EndpointId> = fitting.map(|(.., id)| id).collect();
            first.into_iter().take(TRIED).collect()
        })
    }

    /// A flow about which the two readings differ, allowed by the one that matches pods.
    fn witness(&mut self, policy: &Policy, rule: &Rule, block: &'m CidrBlock) -> Option<Witness> {
        let (protocol, port) = example_port(&rule.ports)?;
        let around = self.around;
        let subjects = around.subjects(policy);
        if subjects.is_empty() {
            return None;
        }
        let peers = self.pods_in(block).to_vec();
        for subject in subjects.iter().take(TRIED) {
            for id in peers.iter().filter(|id| **id != subject) {
                let pod = around.model.cluster.endpoint(*id)?;
                let address = pod
                    .addresses
                    .iter()
                    .copied()
                    .find(|address| block.contains(*address));
                let peer = Party::Endpoint { id: *id, address };
                let allows = |judge: &Judge<'_>| {
                    judge
                        .decide(subject, rule.direction, peer, protocol, port)
                        .allowed
                };
                if allows(around.judge) && !allows(&self.external) {
                    return flow(around.model, subject, rule.direction, *id, (protocol, port));
                }
            }
        }
        None
    }
}

fn flow(
    model: &Model,
    subject: EndpointId,
    direction: Direction,
    peer: EndpointId,
    (protocol, port): (Protocol, u16),
) -> Option<Witness> {
    let name = |id| model.cluster.endpoint(id).map(ToString::to_string);
    let (from, to) = match direction {
        Direction::Ingress => (peer, subject),
        Direction::Egress => (subject, peer),
    };
    Some(Witness {
        from: name(from)?,
        to: name(to)?,
        protocol: protocol.to_string(),
        port: Some(port),
    })
}

/// A port of the rule by number: its first, or 80.
fn example_port(ports: &Ports) -> Option<(Protocol, u16)> {
    let Ports::OneOf(list) = ports else {
        return Some((Protocol::Tcp, 80));
    };
    list.iter().find_map(|Port { matches, .. }| match matches {
        PortMatch::Numbers { protocol, first, .. } => {
            let protocol = match protocol {
                ProtocolSet::One(protocol) => *protocol,
                ProtocolSet::AnyTransport => Protocol::Tcp,
            };
            Some((protocol, (*first).max(1)))
        }
        PortMatch::Name { .. } | PortMatch::Icmp { .. } => None,
    })
}

fn finding(policy: &Policy, peer: &Peer, direction: Direction, witness: Witness) -> Finding {
    let (verb, field) = match direction {
        Direction::Ingress => ("from", "from"),
        Direction::Egress => ("to", "to"),
    };
    let message = format!(
        "whether this block allows flows {verb} pods depends on the engine: Cilium matches no pod with a CIDR"
    );
    Finding::new(Code::CIDR_AND_PODS, message)
        .at(peer.origin.clone(), "pods too in Kubernetes' conformance suite; only addresses outside in Cilium")
        .about(object_name(policy))
        .witness(witness)
        .help(format!(
            "where pods are meant, select them beside the block (`{field}: [{{ipBlock: …}}, {{namespaceSelector: {{}}}}]`); where they are not, cut their ranges out with `except`"
        ))
}
