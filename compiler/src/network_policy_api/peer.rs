//! Subjects and peers: the same in every version.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;

/// `spec.subject`: exactly one field. Host-network pods are never selected.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Subject {
    /// Every pod of these namespaces; the empty selector is every namespace.
    pub namespaces: Option<LabelSelector>,
    /// Some pods of some namespaces.
    pub pods: Option<NamespacedPod>,
}

/// Pods by their namespace's labels and their own.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NamespacedPod {
    /// The namespaces; the empty selector is every namespace.
    pub namespace_selector: Option<LabelSelector>,
    /// The pods; required, and every pod when empty.
    pub pod_selector: Option<LabelSelector>,
}

/// An entry of `from`: exactly one field.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressPeer {
    /// Every pod of these namespaces, host-network pods excepted.
    pub namespaces: Option<LabelSelector>,
    /// Some pods of some namespaces, host-network pods excepted.
    pub pods: Option<NamespacedPod>,
}

/// An entry of `to`: exactly one field.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EgressPeer {
    /// Every pod of these namespaces, host-network pods excepted.
    pub namespaces: Option<LabelSelector>,
    /// Some pods of some namespaces, host-network pods excepted.
    pub pods: Option<NamespacedPod>,
    /// The addresses of nodes, by the nodes' labels; the empty selector is every node.
    pub nodes: Option<LabelSelector>,
    /// Address blocks. Pods and nodes with an address in them are meant too.
    pub networks: Option<Vec<String>>,
    /// Domain names, in allowing rules only; a leading `*` stands for one or more labels.
    pub domain_names: Option<Vec<String>>,
}

/// An entry of `to` of a BaselineAdminNetworkPolicy, which has no domain names.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BaselineEgressPeer {
    /// As in [`EgressPeer`].
    pub namespaces: Option<LabelSelector>,
    /// As in [`EgressPeer`].
    pub pods: Option<NamespacedPod>,
    /// As in [`EgressPeer`].
    pub nodes: Option<LabelSelector>,
    /// As in [`EgressPeer`].
    pub networks: Option<Vec<String>>,
}
