//! `policy.networking.k8s.io/v1alpha1`: AdminNetworkPolicy and BaselineAdminNetworkPolicy.
//!
//! Source: `apis/v1alpha1/{adminnetworkpolicy,baselineadminnetworkpolicy,shared}_types.go`.

use super::peer::{BaselineEgressPeer, EgressPeer, IngressPeer, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Above NetworkPolicy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AdminNetworkPolicy {
    /// `policy.networking.k8s.io/v1alpha1`.
    pub api_version: Option<String>,
    /// `AdminNetworkPolicy`.
    pub kind: Option<String>,
    /// Name and labels; the kind has no namespace.
    pub metadata: ObjectMeta,
    /// What it asks for; required.
    pub spec: Option<AdminNetworkPolicySpec>,
    /// What implementations report; not read.
    pub status: Option<IgnoredAny>,
}

/// `spec` of an [`AdminNetworkPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AdminNetworkPolicySpec {
    /// 0 to 1000, lower is asked earlier; required.
    pub priority: Option<i32>,
    /// The pods it applies to; required.
    pub subject: Option<Subject>,
    /// At most 100; without any, ingress is not affected.
    pub ingress: Option<Vec<IngressRule>>,
    /// At most 100; without any, egress is not affected.
    pub egress: Option<Vec<EgressRule<EgressPeer>>>,
}

/// Below NetworkPolicy. There is one, named `default`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BaselineAdminNetworkPolicy {
    /// `policy.networking.k8s.io/v1alpha1`.
    pub api_version: Option<String>,
    /// `BaselineAdminNetworkPolicy`.
    pub kind: Option<String>,
    /// Name and labels; the kind has no namespace.
    pub metadata: ObjectMeta,
    /// What it asks for; required.
    pub spec: Option<BaselineAdminNetworkPolicySpec>,
    /// What implementations report; not read.
    pub status: Option<IgnoredAny>,
}

/// `spec` of a [`BaselineAdminNetworkPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BaselineAdminNetworkPolicySpec {
    /// The pods it applies to; required.
    pub subject: Option<Subject>,
    /// At most 100; without any, ingress is not affected.
    pub ingress: Option<Vec<IngressRule>>,
    /// At most 100; without any, egress is not affected.
    pub egress: Option<Vec<EgressRule<BaselineEgressPeer>>>,
}

/// An entry of `ingress`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressRule {
    /// A name for people, at most 100 characters.
    pub name: Option<String>,
    /// `Allow`, `Deny` or `Pass` (`Allow` or `Deny` in the baseline); required.
    pub action: Option<String>,
    /// 1 to 100 sources; required.
    pub from: Option<Vec<IngressPeer>>,
    /// 1 to 100 destination ports; absent, every protocol and port.
    pub ports: Option<Vec<Port>>,
}

/// An entry of `egress`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EgressRule<P> {
    /// A name for people, at most 100 characters.
    pub name: Option<String>,
    /// `Allow`, `Deny` or `Pass` (`Allow` or `Deny` in the baseline); required.
    pub action: Option<String>,
    /// 1 to 100 destinations; required.
    pub to: Option<Vec<P>>,
    /// 1 to 100 destination ports; absent, every protocol and port.
    pub ports: Option<Vec<Port>>,
}

impl<P> Default for EgressRule<P> {
    fn default() -> Self {
        Self {
            name: None,
            action: None,
            to: None,
            ports: None,
        }
    }
}

/// An entry of `ports`: exactly one field.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Port {
    /// One number.
    pub port_number: Option<PortNumber>,
    /// The numbers that the destination pod gives this name, whatever their protocol.
    pub named_port: Option<String>,
    /// A range.
    pub port_range: Option<PortRange>,
}

/// One port of one protocol.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortNumber {
    /// `TCP` (the default), `UDP` or `SCTP`.
    pub protocol: Option<String>,
    /// 1 to 65535; required.
    pub port: Option<i32>,
}

/// Ports `start` to `end`, both included.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortRange {
    /// `TCP` (the default), `UDP` or `SCTP`.
    pub protocol: Option<String>,
    /// 1 to 65535, below `end`; required.
    pub start: Option<i32>,
    /// 1 to 65535; required.
    pub end: Option<i32>,
}
