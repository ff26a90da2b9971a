//! The objects of `cilium.io` that hold policy, as they are written.
//!
//! Types only: what they mean is lowering's business. Every list is an `Option`, because an absent list and an
//! explicitly empty one differ in meaning (`fromEndpoints: []` selects no peer; without it every peer is meant).
//!
//! Source: the CustomResourceDefinitions and `pkg/policy/api` of Cilium 1.20.

mod layer7;
mod rule;

pub use layer7::{
    EnvoyConfig, HeaderMatch, HttpRule, KafkaRule, Layer7Rules, Listener, NameMatch, Secret, TlsContext,
};
pub use rule::{
    Authentication, AwsGroup, CidrRule, DefaultDeny, EgressRule, Fqdn, Group, IcmpField, IcmpRule,
    IngressRule, LogConfig, PortProtocol, PortRule, Rule, RuleLabel, Service, ServiceName, ServiceSelector,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

/// `CiliumNetworkPolicy` and `CiliumClusterwideNetworkPolicy`: one shape, told apart by their kind.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CiliumPolicy {
    /// `cilium.io/v2`.
    pub api_version: Option<String>,
    /// The kind.
    pub kind: Option<String>,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// One rule.
    pub spec: Option<Rule>,
    /// Several, each as if it stood in a policy of its own.
    pub specs: Option<Vec<Rule>>,
    /// What Cilium reports; not read.
    pub status: Option<serde_json::Value>,
}

/// `CiliumCIDRGroup`: a named set of address blocks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CiliumCidrGroup {
    /// `cilium.io/v2` or `cilium.io/v2alpha1`.
    pub api_version: Option<String>,
    /// `CiliumCIDRGroup`.
    pub kind: Option<String>,
    /// Name and labels; the kind has no namespace.
    pub metadata: ObjectMeta,
    /// The blocks.
    pub spec: CidrGroupSpec,
}

/// The blocks of a [`CiliumCidrGroup`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CidrGroupSpec {
    /// Prefixes.
    #[serde(rename = "externalCIDRs")]
    pub external_cidrs: Option<Vec<String>>,
}
