//! # PC606 cidr-inside-cluster-range
//!
//! A CIDR block lies inside the cluster's own address ranges.
//!
//! ## What is wrong
//! Blocks are for addresses outside the cluster.
//!
//! - A Service's address is translated to a pod's before policy looks, so that a rule for it matches nothing.
//! - A pod's address changes when the pod is replaced, and is then another pod's. Engines also differ on whether a
//!   block matches pods at all: Cilium's does not.
//!
//! What is known of the ranges is what the input shows: nodes' `podCIDRs`, pods' addresses and Services' `clusterIPs`.
//! At ingress there is a third pitfall, which no manifest shows: what comes from outside through a Service often has
//! a node's address as its source (`externalTrafficPolicy: Cluster`), and a block for the clients does not match it.
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
//!     - to: [{ipBlock: {cidr: 10.96.0.10/32}}]   # the address of the Service, never the pod's
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: db, namespace: shop}
//! spec: {clusterIP: 10.96.0.10, selector: {app: db}, ports: [{port: 5432}]}
//! ```
//!
//! ## How to fix it
//! Select the pods by their labels.
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: api, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: api}}
//!   policyTypes: [Egress]
//!   egress:
//!     - to: [{podSelector: {matchLabels: {app: db}}}]
//!     - to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
//!       ports: [{port: 53, protocol: UDP}]
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: db, namespace: shop}
//! spec: {clusterIP: 10.96.0.10, selector: {app: db}, ports: [{port: 5432}]}
//! ```

use super::blocks::Blocks;
use super::object_name;
use super::surroundings::{Surroundings, listed};
use crate::diagnostic::{Code, Finding};
use crate::load::{Object, ObjectKind};
use crate::route;
use ipnet::{IpNet, Ipv4Net};
use ir::cluster::{Endpoint, Node};
use ir::origin::Origin;
use ir::peer::{CidrBlock, Peer, PeerMatch};
use ir::policy::Policy;
use std::net::{IpAddr, Ipv4Addr};

/// Blocks that somebody writes who means "everything private", whatever the cluster's ranges are (RFC 1918, RFC 6598).
const PRIVATE: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
];
/// A cluster's range is hardly wider: kubeadm's default for Services is `10.96.0.0/12`, and at most /108 in IPv6.
const WIDEST_V4: u8 = 12;
const WIDEST_V6: u8 = 48;

/// Finds such blocks.
#[must_use]
pub fn check(around: &Surroundings<'_>) -> Vec<Finding> {
    let ranges = Ranges::of(around);
    let mut findings = Vec::new();
    for policy in around.model.policies() {
        for peer in policy.rules.iter().flat_map(|rule| listed(&rule.peers)) {
            if let PeerMatch::Cidr(block) = &peer.matches
                && let Some(inside) = ranges.holds(block)
            {
                findings.push(finding(policy, peer, block, &inside));
            }
        }
    }
    findings
}

/// What the input shows of the cluster's addresses.
pub struct Ranges<'a> {
    /// Services' addresses.
    services: Blocks<&'a Object>,
    /// Pods' addresses and nodes' slices of the pod network, with who has them.
    pods: Blocks<Holder<'a>>,
}

/// Who has a part of the pod network.
#[derive(Clone, Copy)]
enum Holder<'a> {
    Node(&'a Node),
    Pod(&'a Endpoint),
}

/// What a block is inside of.
pub struct Inside {
    what: String,
    origin: Origin,
    is_service: bool,
}

impl<'a> Ranges<'a> {
    /// Gathers them.
    #[must_use]
    pub fn of(around: &Surroundings<'a>) -> Self {
        let mut services = Vec::new();
        for object in around.objects {
            let ObjectKind::Service(service) = &object.kind else {
                continue;
            };
            let spec = service.spec.as_ref();
            let written = spec.and_then(|spec| spec.cluster_ip.as_ref());
            for text in written.into_iter().chain(
                spec.into_iter()
                    .flat_map(|spec| spec.cluster_ips.iter().flatten()),
            ) {
                // `None` is a headless Service, which has no address.
                if let Ok(address) = text.parse::<IpAddr>() {
                    services.push((IpNet::from(address), object));
                }
            }
        }
        let cluster = &around.model.cluster;
        let slices = cluster.nodes().iter().flat_map(|node| {
            let slices = node.pod_cidrs.iter();
            slices.map(move |slice| (slice.trunc(), Holder::Node(node)))
        });
        let own = cluster.endpoints().iter().filter(|pod| !pod.host_network);
        let addresses = own.flat_map(|pod| {
            let addresses = pod.addresses.iter();
            addresses.map(move |address| (IpNet::from(*address), Holder::Pod(pod)))
        });
        Self {
            services: Blocks::of(services),
            pods: Blocks::of(slices.chain(addresses)),
        }
    }

    /// The range of the cluster that a block is about; `None` where it is about what is outside.
    #[must_use]
    pub fn holds(&self, block: &CidrBlock) -> Option<Inside> {
        let is_wide = match block.cidr {
            IpNet::V4(cidr) => cidr.prefix_len() < WIDEST_V4 || PRIVATE.contains(&cidr),
            IpNet::V6(cidr) => cidr.prefix_len() < WIDEST_V6,
        };
        if is_wide {
            return None;
        }
        let within = self.services.within(&block.cidr);
        let service = within
            .filter(|(_, address, _)| block.contains(address.addr()))
            .min_by_key(|(place, ..)| *place);
        if let Some((_, address, object)) = service {
            let namespace = object.name.namespace.as_deref().unwrap_or_default();
            return Some(Inside {
                what: format!(
                    "`{}`, the address of Service `{namespace}/{}`",
                    address.addr(),
                    object.name.name
                ),
                origin: object.origin(&route!["spec", "clusterIP"]),
                is_service: true,
            });
        }
        let nested = self.pods.within(&block.cidr).chain(self.pods.around(&block.cidr));
        let (_, range, holder) = nested.min_by_key(|(place, ..)| *place)?;
        let (who, origin) = match holder {
            Holder::Node(node) => (format!("a pod CIDR of node `{}`", node.name), &node.origin),
            Holder::Pod(pod) => (format!("the address of pod `{pod}`"), &pod.origin),
        };
        Some(Inside {
            what: format!("`{range}`, {who}"),
            origin: origin.clone(),
            is_service: false,
        })
    }
}

fn finding(policy: &Policy, peer: &Peer, block: &CidrBlock, inside: &Inside) -> Finding {
    let cidr = block.cidr;
    let (message, label, help) = if inside.is_service {
        (
            format!(
                "`{cidr}` is about {}: it is translated before policy looks, so nothing matches",
                inside.what
            ),
            "an address that no packet has here",
            "select the Service's pods by their labels (in Cilium's policies also `toServices`), with the pods' ports",
        )
    } else {
        (
            format!(
                "`{cidr}` is about {}: pods change their addresses, and engines differ on whether a block matches them",
                inside.what
            ),
            "an address of the cluster's own",
            "select the pods by their labels",
        )
    };
    Finding::new(Code::CIDR_INSIDE_CLUSTER_RANGE, message)
        .at(peer.origin.clone(), label)
        .because(inside.origin.clone(), "here")
        .about(object_name(policy))
        .help(help)
}
