//! Typed objects → the [`Model`]: what the manifests say, in the vocabulary of `ir`.
//!
//! Input: what [`crate::load`] read. Output: a cluster and its policies, every part with its [`ir::origin::Origin`],
//! and what the API server would refuse, as findings. The rules of the API are those of
//! `k8s.io/kubernetes/pkg/apis/networking/validation`; a policy that breaks them is never given part of its meaning:
//! its findings [block analysis](Finding::blocks_analysis).

mod address_block;
mod cilium;
mod cluster_policy;
mod contradiction;
mod endpoint;
mod label_selector;
mod name;
mod network_policy;
mod node;
mod owner;
mod port;
mod second_object;
mod site;
#[cfg(test)]
mod tests;

use crate::diagnostic::{self, Finding, Severity};
use crate::load::{Input, ObjectKind};
use ir::cluster::{Cluster, Node};
use ir::model::Model;
use ir::peer::CidrScope;
use ir::policy::{Policy, PolicyKind};
use ir::port::{PortMatch, Ports};
use ir::selector::Labels;
use rayon::prelude::*;
use site::Site;
use std::collections::{BTreeMap, BTreeSet};

/// Whether address blocks match pods and nodes (`--cidr-match`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CidrMatch {
    /// By each API's own contract: `ipBlock` of `networking.k8s.io/v1` matches every address.
    #[default]
    ByApi,
    /// Only addresses outside the cluster: Cilium's default for every kind of policy.
    External,
    /// Every address, for every kind of policy.
    All,
}

impl CidrMatch {
    /// What a block of a NetworkPolicy speaks of.
    ///
    /// The upstream end-to-end suite demands that `ipBlock` matches pod addresses
    /// (`test/e2e/network/netpol/network_policy.go`, "should enforce except clause").
    #[must_use]
    pub fn of_network_policy(self) -> CidrScope {
        match self {
            Self::ByApi | Self::All => CidrScope::Everything,
            Self::External => CidrScope::OutsideCluster,
        }
    }

    /// What a block of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy speaks of.
    ///
    /// "Only connections which do *not* originate from the cluster or from the local host are subject to CIDR rules"
    /// (API text of `fromCIDR`).
    #[must_use]
    pub fn of_cilium_policy(self) -> CidrScope {
        match self {
            Self::ByApi | Self::External => CidrScope::OutsideCluster,
            Self::All => CidrScope::Everything,
        }
    }

    /// What a block of a ClusterNetworkPolicy, or of its predecessors, speaks of.
    ///
    /// `networks` is meant for what is outside, "but note that cluster-internal traffic will be checked against the
    /// rule as well" (API text of the field).
    #[must_use]
    pub fn of_cluster_network_policy(self) -> CidrScope {
        match self {
            Self::ByApi | Self::All => CidrScope::Everything,
            Self::External => CidrScope::OutsideCluster,
        }
    }
}

/// What manifests leave open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether address blocks match pods and nodes.
    pub cidr_match: CidrMatch,
}

/// What lowering gives.
#[derive(Clone, Debug, Default)]
pub struct Lowered {
    /// The cluster and its policies. Incomplete where findings [block analysis](Finding::blocks_analysis).
    pub model: Model,
    /// What the API server would refuse, sorted.
    pub findings: Vec<Finding>,
}

/// Lowers everything that was read.
#[must_use]
pub fn lower(input: &Input, options: &Options) -> Lowered {
    let mut findings = Vec::new();
    let context = cilium::Context::of(&input.objects, &mut findings);
    let repeated = second_object::repeated_policies(&input.objects, &mut findings);
    second_object::check_nodes(&input.objects, &mut findings);
    let read: Vec<_> = input
        .objects
        .par_iter()
        .enumerate()
        .map(|(index, object)| {
            let mut site = Site::new(object);
            name::check_object(&mut site);
            let said = said(&mut site, &context, *options);
            // What is wrong with a repetition is said as well: somebody may apply it.
            let said = if repeated.contains(&index) {
                Said::Nothing
            } else {
                said
            };
            (said, site.findings)
        })
        .collect();
    let mut namespaces: BTreeMap<String, Labels> = BTreeMap::new();
    let mut nodes = Vec::new();
    let mut policies = Vec::new();
    for (object, (said, found)) in input.objects.iter().zip(read) {
        findings.extend(found);
        match said {
            Said::Nothing => {}
            Said::Namespace(labels) => namespaces
                .entry(object.name.name.clone())
                .or_default()
                .extend(labels),
            Said::Node(node) => nodes.push(*node),
            Said::Policies(said) => {
                policies.extend(said);
                // Policies may name namespaces that nothing else mentions: they exist.
                if let Some(namespace) = &object.name.namespace {
                    namespaces.entry(namespace.clone()).or_default();
                }
            }
        }
    }
    let endpoints = endpoint::lower_all(&input.objects, &port_names(&policies), &mut findings);
    forget_stand_ins(&mut findings, &input.findings);
    diagnostic::sort(&mut findings);
    Lowered {
        model: Model::new(Cluster::new(namespaces, endpoints, nodes), policies),
        findings,
    }
}

/// What an object says that needs no other object to be understood.
enum Said {
    Nothing,
    /// Its labels.
    Namespace(Labels),
    Node(Box<Node>),
    Policies(Vec<Policy>),
}

fn said(site: &mut Site<'_>, context: &cilium::Context, options: Options) -> Said {
    Said::Policies(match &site.object.kind {
        ObjectKind::Namespace(namespace) => {
            return Said::Namespace(namespace.metadata.labels.clone().unwrap_or_default());
        }
        ObjectKind::Node(node) => return Said::Node(Box::new(node::lower(site, node))),
        ObjectKind::NetworkPolicy(policy) => {
            let lowered = network_policy::lower(site, policy, options);
            cilium::check_network_policy(site, policy);
            vec![lowered]
        }
        ObjectKind::ClusterNetworkPolicy(policy) => {
            cluster_policy::cluster(site, policy, options).into_iter().collect()
        }
        ObjectKind::AdminNetworkPolicy(policy) => {
            cluster_policy::admin(site, policy, options).into_iter().collect()
        }
        ObjectKind::BaselineAdminNetworkPolicy(policy) => {
            cluster_policy::baseline(site, policy, options).into_iter().collect()
        }
        ObjectKind::CiliumNetworkPolicy(policy) => {
            let kind = PolicyKind::CiliumNetworkPolicy;
            cilium::lower(site, policy, kind, context, options)
        }
        ObjectKind::CiliumClusterwideNetworkPolicy(policy) => {
            let kind = PolicyKind::CiliumClusterwideNetworkPolicy;
            cilium::lower(site, policy, kind, context, options)
        }
        // Context for names and translation, not for what policies mean.
        ObjectKind::Service(_) | ObjectKind::EndpointSlice(_)
        // What policies refer to is gathered before them.
        | ObjectKind::CiliumCidrGroup(_)
        // Pods and templates are read together, because one may stand for the other.
        | ObjectKind::Pod(_)
        | ObjectKind::ReplicationController(_)
        | ObjectKind::DaemonSet(_)
        | ObjectKind::Deployment(_)
        | ObjectKind::ReplicaSet(_)
        | ObjectKind::StatefulSet(_)
        | ObjectKind::CronJob(_)
        | ObjectKind::Job(_) => return Said::Nothing,
    })
}

/// Drops what is said about a value that could not be read as written, where reading has said so: of `port: [80]`
/// nothing but a stand-in is left, and of `{prot: 80}` nothing at all.
fn forget_stand_ins(findings: &mut Vec<Finding>, read: &[Finding]) {
    let unreadable: BTreeSet<_> = read
        .iter()
        .filter(|finding| finding.severity == Severity::Error && finding.blocks_analysis)
        .filter_map(|finding| finding.labels.first())
        .map(|label| (&label.origin.file, label.origin.line, label.origin.column))
        .collect();
    findings.retain(|finding| {
        finding.labels.first().is_none_or(|label| {
            let at = &label.origin;
            let (start, end) = (
                (&at.file, at.line, at.column),
                (&at.file, at.end_line, at.end_column),
            );
            !unreadable.contains(&start) && (end <= start || unreadable.range(start..end).next().is_none())
        })
    });
}

/// The port names that policies use, in lower case.
fn port_names(policies: &[Policy]) -> BTreeSet<String> {
    let ports = policies
        .iter()
        .flat_map(|policy| &policy.rules)
        .flat_map(|rule| match &rule.ports {
            Ports::Any => &[][..],
            Ports::OneOf(ports) => ports,
        });
    ports
        .filter_map(|port| match &port.matches {
            PortMatch::Name { name, .. } => Some(name.to_ascii_lowercase()),
            PortMatch::Numbers { .. } | PortMatch::Icmp { .. } => None,
        })
        .collect()
}
