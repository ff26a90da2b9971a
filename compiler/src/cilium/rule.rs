//! One rule of a Cilium policy: its subject, its sections, and what their entries say of peers and ports.
//!
//! Allow and deny sections share their entry types. What Cilium refuses in a deny entry (names by DNS, layer 7,
//! authentication) is read all the same, so that the refusal can say why instead of "unknown field".

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;

use super::layer7::{Layer7Rules, Listener, TlsContext};

/// `spec`, or one of `specs`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    /// The pods it is about; exactly one of this and `node_selector`.
    pub endpoint_selector: Option<LabelSelector>,
    /// The nodes it is about (cluster-wide policies only).
    pub node_selector: Option<LabelSelector>,
    /// What may come in.
    pub ingress: Option<Vec<IngressRule>>,
    /// What may not.
    pub ingress_deny: Option<Vec<IngressRule>>,
    /// What may go out.
    pub egress: Option<Vec<EgressRule>>,
    /// What may not.
    pub egress_deny: Option<Vec<EgressRule>>,
    /// Whether what no rule allows is denied, by direction.
    pub enable_default_deny: Option<DefaultDeny>,
    /// Names for the rule itself; without meaning for traffic.
    pub labels: Option<Vec<RuleLabel>>,
    /// For people.
    pub description: Option<String>,
    /// What to log beside a verdict; without meaning for traffic.
    pub log: Option<LogConfig>,
}

/// Default deny by direction; unset means "exactly if the rule has entries of that direction".
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DefaultDeny {
    /// Ingress.
    pub ingress: Option<bool>,
    /// Egress.
    pub egress: Option<bool>,
}

/// A name of a rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuleLabel {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Option<String>,
    /// Where the label is from, such as `k8s`.
    pub source: Option<String>,
}

/// What to log.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LogConfig {
    /// Free text.
    pub value: Option<String>,
}

/// An entry of `ingress` or `ingressDeny`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressRule {
    /// Pods by label.
    pub from_endpoints: Option<Vec<LabelSelector>>,
    /// Removed in Cilium 1.19; read so that it can be refused by name.
    pub from_requires: Option<Vec<LabelSelector>>,
    /// Prefixes or bare addresses.
    #[serde(rename = "fromCIDR")]
    pub from_cidr: Option<Vec<String>>,
    /// Prefixes with holes, or groups of them.
    #[serde(rename = "fromCIDRSet")]
    pub from_cidr_set: Option<Vec<CidrRule>>,
    /// Named classes of peers.
    pub from_entities: Option<Vec<String>>,
    /// Groups that a cloud provider knows.
    pub from_groups: Option<Vec<Group>>,
    /// Nodes by label.
    pub from_nodes: Option<Vec<LabelSelector>>,
    /// Ports.
    pub to_ports: Option<Vec<PortRule>>,
    /// ICMP message types.
    pub icmps: Option<Vec<IcmpRule>>,
    /// Mutual authentication.
    pub authentication: Option<Authentication>,
}

/// An entry of `egress` or `egressDeny`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EgressRule {
    /// Pods by label.
    pub to_endpoints: Option<Vec<LabelSelector>>,
    /// Removed in Cilium 1.19; read so that it can be refused by name.
    pub to_requires: Option<Vec<LabelSelector>>,
    /// Prefixes or bare addresses.
    #[serde(rename = "toCIDR")]
    pub to_cidr: Option<Vec<String>>,
    /// Prefixes with holes, or groups of them.
    #[serde(rename = "toCIDRSet")]
    pub to_cidr_set: Option<Vec<CidrRule>>,
    /// Named classes of peers.
    pub to_entities: Option<Vec<String>>,
    /// Services by name or label.
    pub to_services: Option<Vec<Service>>,
    /// Names that DNS resolves.
    #[serde(rename = "toFQDNs")]
    pub to_fqdns: Option<Vec<Fqdn>>,
    /// Groups that a cloud provider knows.
    pub to_groups: Option<Vec<Group>>,
    /// Nodes by label.
    pub to_nodes: Option<Vec<LabelSelector>>,
    /// Ports.
    pub to_ports: Option<Vec<PortRule>>,
    /// ICMP message types.
    pub icmps: Option<Vec<IcmpRule>>,
    /// Mutual authentication.
    pub authentication: Option<Authentication>,
}

/// A prefix with holes, or a reference to a group of prefixes: exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CidrRule {
    /// A prefix.
    pub cidr: Option<String>,
    /// A `CiliumCIDRGroup` by name.
    #[serde(rename = "cidrGroupRef")]
    pub cidr_group_ref: Option<String>,
    /// `CiliumCIDRGroup`s by label.
    #[serde(rename = "cidrGroupSelector")]
    pub cidr_group_selector: Option<LabelSelector>,
    /// Holes.
    pub except: Option<Vec<String>>,
}

/// A group that a cloud provider knows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Group {
    /// Amazon's.
    pub aws: Option<AwsGroup>,
}

/// Security groups of AWS.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AwsGroup {
    /// Tags of the instances.
    pub labels: Option<std::collections::BTreeMap<String, String>>,
    /// By id.
    pub security_groups_ids: Option<Vec<String>>,
    /// By name.
    pub security_groups_names: Option<Vec<String>>,
    /// The region.
    pub region: Option<String>,
}

/// A service: by label or by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// By label.
    #[serde(rename = "k8sServiceSelector")]
    pub by_selector: Option<ServiceSelector>,
    /// By name.
    #[serde(rename = "k8sService")]
    pub by_name: Option<ServiceName>,
}

/// Services by label.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSelector {
    /// The labels.
    pub selector: Option<LabelSelector>,
    /// Their namespace; any where it is absent.
    pub namespace: Option<String>,
}

/// A service by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceName {
    /// Its name.
    pub service_name: Option<String>,
    /// Its namespace; any where it is absent.
    pub namespace: Option<String>,
}

/// A DNS name or pattern: exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Fqdn {
    /// One name.
    pub match_name: Option<String>,
    /// A pattern with `*`.
    pub match_pattern: Option<String>,
}

/// An entry of `toPorts`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortRule {
    /// The ports.
    pub ports: Option<Vec<PortProtocol>>,
    /// TLS between the peer and the proxy.
    #[serde(rename = "terminatingTLS")]
    pub terminating_tls: Option<TlsContext>,
    /// TLS between the proxy and the server.
    #[serde(rename = "originatingTLS")]
    pub originating_tls: Option<TlsContext>,
    /// Allowed TLS server names.
    pub server_names: Option<Vec<String>>,
    /// A proxy listener to send the traffic through.
    pub listener: Option<Listener>,
    /// What must hold above the ports.
    pub rules: Option<Layer7Rules>,
}

/// One port: a number as a string, or a name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortProtocol {
    /// `"8080"`, `"0"` for every port, or a port name.
    pub port: Option<String>,
    /// The end of a range that starts at `port`.
    pub end_port: Option<i32>,
    /// `TCP`, `UDP`, `SCTP` or `ANY`.
    pub protocol: Option<String>,
}

/// An entry of `icmps`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IcmpRule {
    /// The message types.
    pub fields: Option<Vec<IcmpField>>,
}

/// One message type.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IcmpField {
    /// `IPv4` (the default) or `IPv6`.
    pub family: Option<String>,
    /// A number, or a name such as `EchoRequest`.
    #[serde(rename = "type")]
    pub message_type: Option<IntOrString>,
}

/// Mutual authentication.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Authentication {
    /// `required`, `disabled` or `test-always-fail`.
    pub mode: Option<String>,
}
