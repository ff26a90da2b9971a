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

use crate::diagnostic::{self, Code, Finding, ObjectName, Severity};
use crate::load::{Input, Object, ObjectKind};
use ir::cluster::Cluster;
use ir::model::Model;
use ir::peer::CidrScope;
use ir::policy::{Policy, PolicyKind};
use ir::port::{PortMatch, Ports};
use ir::selector::Labels;
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
    let mut namespaces: BTreeMap<String, Labels> = BTreeMap::new();
    let mut nodes = Vec::new();
    let mut policies = Vec::new();
    let mut named = BTreeMap::new();
    let context = cilium::Context::of(&input.objects, &mut findings);
    for object in &input.objects {
        let mut site = Site::new(object);
        name::check_object(&mut site);
        match &object.kind {
            ObjectKind::Namespace(namespace) => {
                let labels = namespace.metadata.labels.clone().unwrap_or_default();
                namespaces
                    .entry(object.name.name.clone())
                    .or_default()
                    .extend(labels);
            }
            ObjectKind::Node(node) => nodes.push(node::lower(&mut site, node)),
            kind if kind.kind().is_policy() && !first_of_its_name(object, &mut named, &mut site) => {}
            ObjectKind::NetworkPolicy(policy) => {
                policies.push(network_policy::lower(&mut site, policy, *options));
                cilium::check_network_policy(&mut site, policy);
                // Policies may name namespaces that nothing else mentions: they exist.
                if let Some(namespace) = &object.name.namespace {
                    namespaces.entry(namespace.clone()).or_default();
                }
            }
            ObjectKind::ClusterNetworkPolicy(policy) => {
                policies.extend(cluster_policy::cluster(&mut site, policy, *options));
            }
            ObjectKind::AdminNetworkPolicy(policy) => {
                policies.extend(cluster_policy::admin(&mut site, policy, *options));
            }
            ObjectKind::BaselineAdminNetworkPolicy(policy) => {
                policies.extend(cluster_policy::baseline(&mut site, policy, *options));
            }
            // Context for names and translation, not for what policies mean.
            ObjectKind::Service(_) | ObjectKind::EndpointSlice(_) => {}
            ObjectKind::CiliumNetworkPolicy(policy) => {
                let kind = PolicyKind::CiliumNetworkPolicy;
                policies.extend(cilium::lower(&mut site, policy, kind, &context, *options));
                if let Some(namespace) = &object.name.namespace {
                    namespaces.entry(namespace.clone()).or_default();
                }
            }
            ObjectKind::CiliumClusterwideNetworkPolicy(policy) => {
                let kind = PolicyKind::CiliumClusterwideNetworkPolicy;
                policies.extend(cilium::lower(&mut site, policy, kind, &context, *options));
            }
            // Above: what policies refer to is gathered before them.
            ObjectKind::CiliumCidrGroup(_) => {}
            // Below: pods and templates are read together, because one may stand for the other.
            ObjectKind::Pod(_)
            | ObjectKind::ReplicationController(_)
            | ObjectKind::DaemonSet(_)
            | ObjectKind::Deployment(_)
            | ObjectKind::ReplicaSet(_)
            | ObjectKind::StatefulSet(_)
            | ObjectKind::CronJob(_)
            | ObjectKind::Job(_) => {}
        }
        findings.append(&mut site.findings);
    }
    let endpoints = endpoint::lower_all(&input.objects, &port_names(&policies), &mut findings);
    forget_stand_ins(&mut findings, &input.findings);
    diagnostic::sort(&mut findings);
    Lowered {
        model: Model::new(Cluster::new(namespaces, endpoints, nodes), policies),
        findings,
    }
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

/// Whether no policy of this kind, namespace and name was met before; otherwise says so.
///
/// Only one of them will exist: whichever is applied last. A copy counts once. Where the two differ the answer would
/// depend on the order, so nothing is answered.
fn first_of_its_name<'a>(
    object: &'a Object,
    named: &mut BTreeMap<&'a ObjectName, &'a Object>,
    site: &mut Site<'_>,
) -> bool {
    let Some(first) = named.get(&object.name).filter(|_| !object.name.name.is_empty()) else {
        named.insert(&object.name, object);
        return true;
    };
    let at = crate::route!["metadata", "name"];
    let (kind, name) = (&object.name.kind, &object.name.name);
    let copy = match (&first.kind, &object.kind) {
        (ObjectKind::NetworkPolicy(one), ObjectKind::NetworkPolicy(other)) => one.spec == other.spec,
        (ObjectKind::CiliumNetworkPolicy(one), ObjectKind::CiliumNetworkPolicy(other))
        | (
            ObjectKind::CiliumClusterwideNetworkPolicy(one),
            ObjectKind::CiliumClusterwideNetworkPolicy(other),
        ) => (&one.spec, &one.specs) == (&other.spec, &other.specs),
        (ObjectKind::CiliumCidrGroup(one), ObjectKind::CiliumCidrGroup(other)) => one.spec == other.spec,
        (ObjectKind::ClusterNetworkPolicy(one), ObjectKind::ClusterNetworkPolicy(other)) => {
            one.spec == other.spec
        }
        (ObjectKind::AdminNetworkPolicy(one), ObjectKind::AdminNetworkPolicy(other)) => {
            one.spec == other.spec
        }
        (ObjectKind::BaselineAdminNetworkPolicy(one), ObjectKind::BaselineAdminNetworkPolicy(other)) => {
            one.spec == other.spec
        }
        _ => false,
    };
    let message = if copy {
        format!("the {kind} `{name}` is written twice, with the same content")
    } else {
        format!("there are two different {kind} objects `{name}`: only one of them will exist")
    };
    let mut finding = site
        .refusal(Code::DUPLICATE_POLICY_NAME, &at, message)
        .because(first.origin(&at), "the first")
        .help("remove one, or give it another name: `kubectl apply` lets the last one replace the others");
    if copy {
        finding.severity = Severity::Warning;
        finding.blocks_analysis = false;
    }
    site.report(finding);
    false
}
