//! `policy.networking.k8s.io/v1alpha2`: ClusterNetworkPolicy. `v1beta1` has the same fields.
//!
//! Source: `apis/v1alpha2/clusternetworkpolicy_types.go`, `apis/v1beta1/clusternetworkpolicy_types.go`.

use super::peer::{EgressPeer, IngressPeer, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Above or below NetworkPolicy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterNetworkPolicy {
    /// `policy.networking.k8s.io/v1alpha2`.
    pub api_version: Option<String>,
    /// `ClusterNetworkPolicy`.
    pub kind: Option<String>,
    /// Name and labels; the kind has no namespace.
    pub metadata: ObjectMeta,
    /// What it asks for; required.
    pub spec: Option<ClusterNetworkPolicySpec>,
    /// What implementations report; not read.
    pub status: Option<IgnoredAny>,
}

/// `spec` of a [`ClusterNetworkPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterNetworkPolicySpec {
    /// `Admin` or `Baseline`; required.
    pub tier: Option<String>,
    /// 0 to 1000 within the tier, lower is asked earlier; required.
    pub priority: Option<i32>,
    /// The pods it applies to; required.
    pub subject: Option<Subject>,
    /// At most 25; without any, ingress is not affected.
    pub ingress: Option<Vec<IngressRule>>,
    /// At most 25; without any, egress is not affected.
    pub egress: Option<Vec<EgressRule>>,
}

/// An entry of `ingress`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressRule {
    /// A name for people, at most 100 characters.
    pub name: Option<String>,
    /// `Accept`, `Deny` or `Pass`; required.
    pub action: Option<String>,
    /// 1 to 25 sources; required.
    pub from: Option<Vec<IngressPeer>>,
    /// 1 to 25 entries; absent, every protocol.
    pub protocols: Option<Vec<Protocol>>,
}

/// An entry of `egress`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EgressRule {
    /// A name for people, at most 100 characters.
    pub name: Option<String>,
    /// `Accept`, `Deny` or `Pass`; required.
    pub action: Option<String>,
    /// 1 to 25 destinations; required.
    pub to: Option<Vec<EgressPeer>>,
    /// 1 to 25 entries; absent, every protocol.
    pub protocols: Option<Vec<Protocol>>,
}

/// An entry of `protocols`: exactly one field.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Protocol {
    /// TCP.
    pub tcp: Option<Transport>,
    /// UDP.
    pub udp: Option<Transport>,
    /// SCTP.
    pub sctp: Option<Transport>,
    /// The numbers that the destination pod gives this name, whatever their protocol.
    pub destination_named_port: Option<String>,
}

/// What is asked of one protocol: at least one field, and there is one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Transport {
    /// The port at the destination.
    pub destination_port: Option<Port>,
}

/// Exactly one field.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Port {
    /// 1 to 65535.
    pub number: Option<i32>,
    /// A range.
    pub range: Option<PortRange>,
}

/// Ports `start` to `end`, both included.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortRange {
    /// 1 to 65535, below `end`; required.
    pub start: Option<i32>,
    /// 1 to 65535; required.
    pub end: Option<i32>,
}
