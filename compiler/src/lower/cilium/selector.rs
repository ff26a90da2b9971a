//! Label selectors with sources: what they match of pods, and what of everything else that has labels in Cilium.
//!
//! Cilium gives labels to every peer, not to pods alone: the host has `reserved:host`, an address outside has
//! `reserved:world`. A selector matches whatever fits it, so that a condition that *excludes* something (`NotIn`,
//! `DoesNotExist`) fits peers that have no such label at all. What keeps selectors to pods is what Cilium adds to
//! them: the policy's namespace, and since 1.19 the cluster. A selector that names one of them itself does not get it,
//! and one with a `reserved:` label gets neither.
//!
//! Source: `labels.GetExtendedKeyFrom` for the prefixes, `getEndpointSelector` for what is added; the cluster is added
//! unless `policy-default-local-cluster` is switched off (1.19 switched it on).

use super::super::contradiction;
use super::super::label_selector;
use super::super::name;
use super::super::site::Site;
use crate::de::suggest;
use crate::diagnostic::Code;
use crate::load::Object;
use crate::route::Route;
use ir::origin::Origin;
use ir::peer::Entity;
use ir::selector::{Attribute, Operator, Requirement, Selector};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::BTreeSet;

/// Where a label comes from: the part of its key in front of `:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// No prefix, or `any:`.
    Any,
    /// `k8s:`, what Kubernetes says of pods.
    Kubernetes,
    /// `reserved:`, what peers other than pods have.
    Reserved,
    /// `cidrgroup:`, addresses in a CiliumCIDRGroup.
    CidrGroup,
    /// `node:`, labels of nodes.
    Node,
}

/// The label with the pod's namespace.
const NAMESPACE: &str = "io.kubernetes.pod.namespace";
/// In front of the labels of the pod's namespace.
const NAMESPACE_LABEL: &str = "io.cilium.k8s.namespace.labels.";
/// The label with the pod's service account.
const SERVICE_ACCOUNT: &str = "io.cilium.k8s.policy.serviceaccount";
/// The label with the cluster's name.
const CLUSTER: &str = "io.cilium.k8s.policy.cluster";

/// One condition of a selector, as written.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) source: Source,
    /// The key without its source.
    pub(super) key: String,
    pub(super) operator: Operator,
    /// Its place: an entry of `matchLabels`, or of `matchExpressions`.
    pub(super) at: Route,
    /// Whether it is of `matchLabels`.
    pub(super) is_label: bool,
}

impl Condition {
    /// What it asks of a pod; `None` for a source that pods have no labels from.
    pub(super) fn attribute(&self) -> Option<Attribute> {
        if !matches!(self.source, Source::Any | Source::Kubernetes) {
            return None;
        }
        Some(match self.key.as_str() {
            NAMESPACE => Attribute::Namespace,
            SERVICE_ACCOUNT => Attribute::ServiceAccount,
            CLUSTER => Attribute::Cluster,
            key => match key.strip_prefix(NAMESPACE_LABEL) {
                Some(key) => Attribute::NamespaceLabel(key.to_owned()),
                None => Attribute::Label(key.to_owned()),
            },
        })
    }

    /// Whether it fits a peer that has nothing but one `reserved:` label.
    fn fits_reserved(&self, name: &str) -> bool {
        let has = matches!(self.source, Source::Any | Source::Reserved) && self.key == name;
        self.operator.accepts(has.then_some(""))
    }
}

/// The conditions of a selector. What is refused is missing, and a finding blocks analysis.
pub(super) fn conditions(site: &mut Site<'_>, at: &Route, selector: &LabelSelector) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (written, value) in selector.match_labels.iter().flatten() {
        let at = at.then("matchLabels").then(written.as_str());
        name::check_value(site, value, || at.clone());
        if let Some((source, key)) = source(site, written, |object| object.key_origin(&at)) {
            conditions.push(Condition {
                source,
                key,
                operator: Operator::In(BTreeSet::from([value.clone()])),
                at,
                is_label: true,
            });
        }
    }
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let at = at.then("matchExpressions").then(index);
        let source = label_selector::is_written(site, &at, "key")
            .then(|| source(site, &expression.key, |object| object.origin(&at.then("key"))))
            .flatten();
        if let Some(operator) = label_selector::operator(site, &at, expression)
            && let Some((source, key)) = source
        {
            conditions.push(Condition {
                source,
                key,
                operator,
                at,
                is_label: false,
            });
        }
    }
    let of_pods = conditions.iter().filter_map(|condition| {
        Some(contradiction::Condition {
            // The namespace may be replaced by the policy's own.
            attribute: condition
                .attribute()
                .filter(|attribute| *attribute != Attribute::Namespace)?,
            operator: &condition.operator,
            at: condition.at.clone(),
        })
    });
    contradiction::check(site, &of_pods.collect::<Vec<_>>());
    conditions
}

/// Takes a key apart, which is written where `at` says.
fn source(
    site: &mut Site<'_>,
    written: &str,
    at: impl FnOnce(&Object) -> Origin,
) -> Option<(Source, String)> {
    let (prefix, key) = match written.split_once(':') {
        Some((prefix, key)) => (prefix, key),
        // An older way to write it, which Cilium still reads.
        None => match written.strip_prefix("reserved.") {
            Some(key) => ("reserved", key),
            None => ("any", written),
        },
    };
    let source = match prefix {
        "any" | "" => Source::Any,
        "k8s" => Source::Kubernetes,
        "reserved" => Source::Reserved,
        "cidrgroup" => Source::CidrGroup,
        "node" => Source::Node,
        other => {
            let message = format!("no label comes from `{other}`");
            let finding = site.refusal_at(Code::INVALID_SELECTOR, at(site.object), message);
            let near = suggest::nearest(other, &["k8s", "any", "reserved", "cidrgroup", "node"]);
            site.report(finding.help(match near.first() {
                Some(near) => format!("did you mean `{near}:{key}`?"),
                None => {
                    format!("in front of `:` stands where a label comes from: write `k8s:{key}`, or `{key}`")
                }
            }));
            return None;
        }
    };
    if source == Source::Reserved {
        let known = Entity::named(key).is_some_and(|entity| entity != Entity::Cluster);
        if !known {
            let message = format!("there is no label `reserved:{key}`");
            let finding = site.refusal_at(Code::INVALID_SELECTOR, at(site.object), message);
            site.report(
                finding.help("such labels are `reserved:host`, `reserved:remote-node`, `reserved:world`, …"),
            );
            return None;
        }
    } else {
        name::check_key(site, key, at);
    }
    Some((source, key.to_owned()))
}

/// What a peer selector matches.
pub(super) struct Matched {
    /// Pods.
    pub(super) pods: Option<Selector>,
    /// Peers that are not pods.
    pub(super) entities: Vec<Entity>,
    /// Whether it fits addresses outside that it does not name.
    pub(super) outside: Outside,
}

/// Whether a selector fits addresses outside the cluster because they lack what it excludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outside {
    /// It does not, or it names them.
    No,
    /// It does where Cilium does not add the cluster to it: before 1.19.
    WithoutCluster,
    /// It does.
    Yes,
}

/// Peers that are not pods, each with the label that it has.
const RESERVED: [Entity; 7] = [
    Entity::World,
    Entity::Host,
    Entity::RemoteNode,
    Entity::Ingress,
    Entity::Health,
    Entity::Init,
    Entity::Unmanaged,
];

/// What an entry of `fromEndpoints` or `toEndpoints` matches, in a policy of `namespace` or a cluster-wide one.
/// `None` when it is refused.
pub(super) fn peers(
    site: &mut Site<'_>,
    conditions: &[Condition],
    namespace: Option<&str>,
) -> Option<Matched> {
    let reserved = |condition: &Condition| condition.source == Source::Reserved;
    let names_reserved = conditions.iter().any(reserved);
    let names_namespace = conditions
        .iter()
        .any(|condition| condition.attribute() == Some(Attribute::Namespace));
    let names_namespace_label = conditions
        .iter()
        .any(|condition| matches!(condition.attribute(), Some(Attribute::NamespaceLabel(_))));
    let names_cluster = conditions
        .iter()
        .any(|condition| condition.attribute() == Some(Attribute::Cluster));
    let (own, by_namespace) = match namespace {
        _ if names_reserved || names_namespace => (None, false),
        Some(own) if !names_namespace_label => (Some(own), true),
        Some(_) => (None, false),
        None => (None, true),
    };
    let fits = |entity: &Entity| {
        conditions
            .iter()
            .all(|condition| condition.fits_reserved(entity.name()))
    };

    let pods = pods(conditions, own);
    if by_namespace || !(names_reserved || names_cluster) {
        return Some(Matched {
            pods,
            entities: Vec::new(),
            outside: if by_namespace || !fits(&Entity::World) {
                Outside::No
            } else {
                Outside::WithoutCluster
            },
        });
    }
    if let Some(odd) = conditions
        .iter()
        .find(|condition| matches!(condition.source, Source::CidrGroup | Source::Node))
    {
        let message = "this selector asks for addresses or nodes among pods, which is not read here";
        let finding = site.refusal(Code::INVALID_SELECTOR, &odd.at, message);
        site.report(finding.help(
            "select addresses with `cidrGroupSelector` in `fromCIDRSet` or `toCIDRSet`, and nodes with `fromNodes` or `toNodes`",
        ));
        return None;
    }
    if conditions
        .iter()
        .any(|condition| reserved(condition) && condition.key == Entity::All.name())
    {
        return Some(Matched {
            pods: None,
            entities: vec![Entity::All],
            outside: Outside::No,
        });
    }
    let api_server = conditions
        .iter()
        .find(|condition| reserved(condition) && condition.key == Entity::KubeApiServer.name());
    if let Some(condition) = api_server {
        if conditions.len() > 1 || !condition.operator.accepts(Some("")) {
            let message = "which peers are not the API server is not known";
            let finding = site.refusal(Code::INVALID_SELECTOR, &condition.at, message);
            site.report(finding.help("name the peers that are meant"));
            return None;
        }
        return Some(Matched {
            pods: None,
            entities: vec![Entity::KubeApiServer],
            outside: Outside::No,
        });
    }
    let entities: Vec<Entity> = RESERVED.into_iter().filter(fits).collect();
    Some(Matched {
        pods,
        outside: if names_reserved || !entities.contains(&Entity::World) {
            Outside::No
        } else {
            Outside::Yes
        },
        entities,
    })
}

/// The pods that fit every condition and are in the namespace `own`, if one is given.
fn pods(conditions: &[Condition], own: Option<&str>) -> Option<Selector> {
    let mut requirements: Vec<Requirement> = own
        .map(|own| Requirement::equals(Attribute::Namespace, own))
        .into_iter()
        .collect();
    for condition in conditions {
        match condition.attribute() {
            Some(attribute) => requirements.push(Requirement {
                attribute,
                operator: condition.operator.clone(),
            }),
            None if condition.operator.accepts(None) => {}
            None => return None,
        }
    }
    Some(Selector::new(requirements))
}

/// What a selector of nodes asks for; `labels_from` is where nodes' labels come from in it.
pub(super) fn nodes(
    site: &mut Site<'_>,
    at: &Route,
    selector: &LabelSelector,
    labels_from: Source,
) -> Selector {
    let mut requirements = Vec::new();
    for condition in conditions(site, at, selector) {
        if condition.source != Source::Any && condition.source != labels_from {
            let message = "nodes have no labels from this source";
            let finding = site.refusal(Code::INVALID_SELECTOR, &condition.at, message);
            site.report(finding.help(format!("write `{}`", condition.key)));
            continue;
        }
        requirements.push(Requirement {
            attribute: if condition.key == CLUSTER {
                Attribute::Cluster
            } else {
                Attribute::Label(condition.key)
            },
            operator: condition.operator,
        });
    }
    Selector::new(requirements)
}

/// A selector that nothing fits.
pub(super) fn nothing() -> Selector {
    Selector::new([Requirement {
        attribute: Attribute::Namespace,
        operator: Operator::In(BTreeSet::new()),
    }])
}
