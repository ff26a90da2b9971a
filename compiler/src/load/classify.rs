//! Which objects are read, which are other people's business, and which must not be passed over in silence.
//!
//! Decided by `apiVersion` and `kind` alone, before anything is typed. A manifest that looks like a policy and is not
//! read is an error: an answer that leaves it out would be wrong.

use crate::de::suggest;
use crate::diagnostic::{Applicability, Code, Finding};

/// What to do with an object.
#[derive(Debug)]
pub(super) enum Class {
    /// Read it as this kind.
    Read(Kind),
    /// Count it under this name.
    Skip(String),
    /// Refuse it. The finding lacks its place; the flag says whether to point at the kind or at the API version.
    Refuse(Box<Finding>, At, Option<Instead>),
}

/// What probably should stand at the line that a refusal points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instead {
    pub(super) word: &'static str,
    pub(super) applicability: Applicability,
}

/// Which line of the object a refusal points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// `apiVersion`.
    ApiVersion,
    /// `kind`.
    Kind,
}

macro_rules! kinds {
    ($($kind:ident $version:literal;)*) => {
        /// A kind that is read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", stringify!($kind), "` of `", $version, "`.")] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The kind's name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)*
                }
            }

            /// The one API version it is read in.
            #[must_use]
            pub fn api_version(self) -> &'static str {
                match self {
                    $(Self::$kind => $version,)*
                }
            }
        }
    };
}

kinds! {
    NetworkPolicy "networking.k8s.io/v1";
    ClusterNetworkPolicy "policy.networking.k8s.io/v1alpha2";
    AdminNetworkPolicy "policy.networking.k8s.io/v1alpha1";
    BaselineAdminNetworkPolicy "policy.networking.k8s.io/v1alpha1";
    CiliumNetworkPolicy "cilium.io/v2";
    CiliumClusterwideNetworkPolicy "cilium.io/v2";
    CiliumCIDRGroup "cilium.io/v2";
    Namespace "v1";
    Node "v1";
    Pod "v1";
    Service "v1";
    EndpointSlice "discovery.k8s.io/v1";
    ReplicationController "v1";
    DaemonSet "apps/v1";
    Deployment "apps/v1";
    ReplicaSet "apps/v1";
    StatefulSet "apps/v1";
    CronJob "batch/v1";
    Job "batch/v1";
}

impl Kind {
    /// Whether it decides flows itself, or is a part of what does, rather than being what policies apply to.
    #[must_use]
    pub fn is_policy(self) -> bool {
        matches!(
            self,
            Self::NetworkPolicy
                | Self::ClusterNetworkPolicy
                | Self::AdminNetworkPolicy
                | Self::BaselineAdminNetworkPolicy
                | Self::CiliumNetworkPolicy
                | Self::CiliumClusterwideNetworkPolicy
                | Self::CiliumCIDRGroup
        )
    }

    /// Whether it is read in `version`: its own, or one with the same fields.
    fn is_in(self, version: &str) -> bool {
        self.api_version() == version
            || (self == Self::CiliumCIDRGroup && version == "cilium.io/v2alpha1")
            || (self == Self::ClusterNetworkPolicy && version == "policy.networking.k8s.io/v1beta1")
    }

    /// The group of its API version; empty for the core.
    fn group(self) -> &'static str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether its objects live in a namespace.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        !matches!(
            self,
            Self::Namespace
                | Self::Node
                | Self::ClusterNetworkPolicy
                | Self::AdminNetworkPolicy
                | Self::BaselineAdminNetworkPolicy
                | Self::CiliumClusterwideNetworkPolicy
                | Self::CiliumCIDRGroup
        )
    }
}

/// The rest of the kinds in the API versions that [`Kind`] is about. What is in neither list does not exist.
const OTHERS: &[(&str, &[&str])] = &[
    (
        "networking.k8s.io/v1",
        &["IPAddress", "Ingress", "IngressClass", "ServiceCIDR"],
    ),
    (
        "v1",
        &[
            "Binding",
            "ComponentStatus",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "List",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "PodTemplate",
            "ResourceQuota",
            "Secret",
            "ServiceAccount",
            // Not objects of a cluster, but written in manifests with this version.
            "Config",
            "Eviction",
            "Status",
        ],
    ),
    ("apps/v1", &["ControllerRevision"]),
    ("batch/v1", &[]),
];

/// Kinds outside [`Kind`] that decide flows, with the group that owns them.
const OTHER_POLICIES: &[(&str, &str)] = &[
    ("cilium.io", "CiliumCIDRGroup"),
    ("cilium.io", "CiliumClusterwideNetworkPolicy"),
    ("cilium.io", "CiliumNetworkPolicy"),
    ("policy.networking.k8s.io", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
];

/// Decides about an object with this `apiVersion` and `kind`; `None` where it has none or not a string.
pub(super) fn classify(api_version: Option<&str>, kind: Option<&str>, looks_like_object: bool) -> Class {
    match (api_version, kind) {
        (Some(version), Some(kind)) => known(version, kind),
        (Some(version), None) if looks_like_object || version.contains('/') => {
            let finding = Finding::new(Code::UNKNOWN_KIND, "this object has no `kind`");
            refuse(
                finding.help("say what it is, for example `kind: NetworkPolicy`"),
                At::ApiVersion,
            )
        }
        (None, Some(kind)) if decides_flows(kind) || by_name(kind).is_some() => {
            let message = format!("this `{kind}` has no `apiVersion`");
            let finding = Finding::new(Code::API_VERSION, message);
            let version = by_name(kind).map(Kind::api_version);
            refuse(
                with_help(
                    finding,
                    version.map(|version| format!("add `apiVersion: {version}`")),
                ),
                At::Kind,
            )
        }
        (None, Some(kind)) => Class::Skip(kind.to_owned()),
        (_, None) => Class::Skip(NOT_AN_OBJECT.to_owned()),
    }
}

/// Under which name kustomize's patches are counted.
pub(super) const PATCH: &str = "(a patch)";

/// Under which name documents that are not Kubernetes objects (a chart's values, a patch) are counted.
pub(super) const NOT_AN_OBJECT: &str = "(not an object)";

fn known(version: &str, kind: &str) -> Class {
    let group = version.split_once('/').map_or("", |(group, _)| group);
    if let Some(read) = by_name(kind) {
        if read.is_in(version) {
            return Class::Read(read);
        }
        // `Service` of Knative and `Job` of Volcano are kinds of their own; a wrong group of Kubernetes' own is not.
        if is_builtin(group) || group == read.group() {
            let message = format!("`{kind}` is not in API version `{version}`");
            let finding = Finding::new(Code::API_VERSION, message);
            let instead = Instead {
                word: read.api_version(),
                applicability: Applicability::Suggestion,
            };
            let finding = finding.help(format!("write `apiVersion: {}`", read.api_version()));
            return Class::Refuse(Box::new(finding), At::ApiVersion, Some(instead));
        }
    }
    if decides_flows(kind) {
        let message =
            format!("`{kind}` of `{version}` is not read by this version, so no answer would be complete");
        let help = "leave the file out to look at the other policies alone";
        return refuse(Finding::new(Code::NOT_READ_YET, message).help(help), At::Kind);
    }
    let same_group = |&&(owner, _): &&(&str, &str)| owner == group;
    let policies: Vec<_> = OTHER_POLICIES
        .iter()
        .filter(same_group)
        .map(|&(_, kind)| kind)
        .collect();
    let builtin = OTHERS.iter().find(|(other, _)| *other == version);
    let exists = builtin.is_some_and(|(_, kinds)| kinds.contains(&kind.strip_suffix("List").unwrap_or(kind)))
        || kind == "List";
    let mut candidates = policies.clone();
    if !exists && let Some((_, kinds)) = builtin {
        candidates.extend(*kinds);
        candidates.extend(
            Kind::ALL
                .iter()
                .filter(|read| read.api_version() == version)
                .map(|read| read.name()),
        );
    }
    let near = suggest::nearest(kind, &candidates);
    let misspelt = if builtin.is_some() {
        !exists
    } else {
        !near.is_empty()
    };
    if misspelt {
        let message = format!("`{version}` has no kind `{kind}`");
        let finding = with_help(
            Finding::new(Code::UNKNOWN_KIND, message),
            near.first().map(|near| format!("did you mean `{near}`?")),
        );
        let instead =
            suggest::sole(kind, &candidates).map(|(word, applicability)| Instead { word, applicability });
        return Class::Refuse(Box::new(finding), At::Kind, instead);
    }
    Class::Skip(if is_builtin(group) {
        kind.to_owned()
    } else {
        format!("{kind}.{group}")
    })
}

fn refuse(finding: Finding, at: At) -> Class {
    Class::Refuse(Box::new(finding), at, None)
}

fn with_help(finding: Finding, help: Option<String>) -> Finding {
    match help {
        Some(help) => finding.help(help),
        None => finding,
    }
}

fn by_name(kind: &str) -> Option<Kind> {
    Kind::ALL.iter().copied().find(|read| read.name() == kind)
}

/// Any engine's policy: its kind's name says so.
pub(super) fn decides_flows(kind: &str) -> bool {
    kind.ends_with("NetworkPolicy") || OTHER_POLICIES.iter().any(|&(_, policy)| policy == kind)
}

/// Groups of Kubernetes itself: the core, `apps`, and everything under `k8s.io`.
fn is_builtin(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}

/// What a list of this kind holds when its items do not say: `PodList` holds `Pod`s.
pub(super) fn item_kind(list_kind: &str) -> Option<&str> {
    list_kind.strip_suffix("List").filter(|kind| !kind.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(version: &str, kind: &str) -> String {
        let optional = |text: &str| {
            if text.is_empty() {
                None
            } else {
                Some(text.to_owned())
            }
        };
        match classify(optional(version).as_deref(), optional(kind).as_deref(), true) {
            Class::Read(kind) => format!("read {}", kind.name()),
            Class::Skip(name) => format!("skip {name}"),
            Class::Refuse(finding, ..) => format!("{} {}", finding.code, finding.help.unwrap_or_default()),
        }
    }

    #[test]
    fn nothing_that_decides_flows_is_passed_over() {
        let table = [
            ("networking.k8s.io/v1", "NetworkPolicy", "read NetworkPolicy"),
            ("apps/v1", "Deployment", "read Deployment"),
            ("v1", "ConfigMap", "skip ConfigMap"),
            (
                "serving.knative.dev/v1",
                "Service",
                "skip Service.serving.knative.dev",
            ),
            (
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                "skip CustomResourceDefinition",
            ),
            (
                "extensions/v1beta1",
                "NetworkPolicy",
                "PC117 write `apiVersion: networking.k8s.io/v1`",
            ),
            (
                "extensions/v1beta1",
                "Deployment",
                "PC117 write `apiVersion: apps/v1`",
            ),
            ("v1", "Deployment", "PC117 write `apiVersion: apps/v1`"),
            (
                "",
                "NetworkPolicy",
                "PC117 add `apiVersion: networking.k8s.io/v1`",
            ),
            (
                "networking.k8s.io/v1",
                "",
                "PC118 say what it is, for example `kind: NetworkPolicy`",
            ),
            (
                "networking.k8s.io/v1",
                "networkpolicy",
                "PC118 did you mean `NetworkPolicy`?",
            ),
            (
                "networking.k8s.io/v1",
                "NetworkPolicies",
                "PC118 did you mean `NetworkPolicy`?",
            ),
            (
                "policy.networking.k8s.io/v1alpha2",
                "ClusterNetworkPolicy",
                "read ClusterNetworkPolicy",
            ),
            (
                "policy.networking.k8s.io/v1beta1",
                "ClusterNetworkPolicy",
                "read ClusterNetworkPolicy",
            ),
            (
                "policy.networking.k8s.io/v1alpha1",
                "BaselineAdminNetworkPolicy",
                "read BaselineAdminNetworkPolicy",
            ),
            (
                "policy.networking.k8s.io/v1alpha2",
                "AdminNetworkPolicy",
                "PC117 write `apiVersion: policy.networking.k8s.io/v1alpha1`",
            ),
            (
                "policy.networking.k8s.io/v1alpha2",
                "ClusterNetworkPolicys",
                "PC118 did you mean `ClusterNetworkPolicy`?",
            ),
            ("networking.k8s.io/v1", "Ingress", "skip Ingress"),
            ("networking.k8s.io/v1", "Gateway", "PC118 "),
            ("apps/v1", "Deploymnet", "PC118 did you mean `Deployment`?"),
            ("cilium.io/v2", "CiliumNode", "skip CiliumNode.cilium.io"),
            ("cilium.io/v2", "CiliumNetworkPolicy", "read CiliumNetworkPolicy"),
            (
                "cilium.io/v2",
                "CiliumClusterwideNetworkPolicy",
                "read CiliumClusterwideNetworkPolicy",
            ),
            ("cilium.io/v2", "CiliumCIDRGroup", "read CiliumCIDRGroup"),
            ("cilium.io/v2alpha1", "CiliumCIDRGroup", "read CiliumCIDRGroup"),
            (
                "cilium.io/v2alpha1",
                "CiliumNetworkPolicy",
                "PC117 write `apiVersion: cilium.io/v2`",
            ),
            (
                "cilium.io/v2alpha1",
                "CiliumBGPPeeringPolicy",
                "skip CiliumBGPPeeringPolicy.cilium.io",
            ),
            (
                "cilium.io/v2",
                "CiliumNetworkPolicys",
                "PC118 did you mean `CiliumNetworkPolicy`?",
            ),
            ("", "", "skip (not an object)"),
        ];
        for (version, kind, expected) in table {
            assert_eq!(outcome(version, kind), expected, "{version} {kind}");
        }
        for (version, kind) in [
            ("crd.projectcalico.org/v1", "NetworkPolicy"),
            ("projectcalico.org/v3", "GlobalNetworkPolicy"),
            ("projectcalico.org/v3", "NetworkPolicy"),
        ] {
            assert!(outcome(version, kind).starts_with("PC116"), "{version} {kind}");
        }
    }
}
