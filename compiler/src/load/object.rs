//! A typed object that still knows where every part of it is written.

use super::classify::Kind;
use super::pod::Pod;
use crate::cilium::{CiliumCidrGroup, CiliumPolicy};
use crate::de::{self, Problem};
use crate::diagnostic::{Applicability, Code, Finding, Fix, ObjectName, Unrendered};
use crate::network_policy_api::v1alpha1::{AdminNetworkPolicy, BaselineAdminNetworkPolicy};
use crate::network_policy_api::v1alpha2::ClusterNetworkPolicy;
use crate::route::Route;
use crate::source::{Position, Source, SourceId, Span};
use crate::tree::{self, Document, Found, NodeId};
use ir::origin::Origin;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{self, Namespace, Node, ReplicationController, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// An object's typed form.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each variant is the Kubernetes kind of its name")]
pub enum ObjectKind {
    NetworkPolicy(Box<NetworkPolicy>),
    ClusterNetworkPolicy(Box<ClusterNetworkPolicy>),
    AdminNetworkPolicy(Box<AdminNetworkPolicy>),
    BaselineAdminNetworkPolicy(Box<BaselineAdminNetworkPolicy>),
    CiliumNetworkPolicy(Box<CiliumPolicy>),
    CiliumClusterwideNetworkPolicy(Box<CiliumPolicy>),
    CiliumCidrGroup(Box<CiliumCidrGroup>),
    Namespace(Box<Namespace>),
    Node(Box<Node>),
    Pod(Box<Pod>),
    Service(Box<Service>),
    EndpointSlice(Box<EndpointSlice>),
    ReplicationController(Box<ReplicationController>),
    DaemonSet(Box<DaemonSet>),
    Deployment(Box<Deployment>),
    ReplicaSet(Box<ReplicaSet>),
    StatefulSet(Box<StatefulSet>),
    CronJob(Box<CronJob>),
    Job(Box<Job>),
}

impl ObjectKind {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NetworkPolicy(_) => Kind::NetworkPolicy,
            Self::ClusterNetworkPolicy(_) => Kind::ClusterNetworkPolicy,
            Self::AdminNetworkPolicy(_) => Kind::AdminNetworkPolicy,
            Self::BaselineAdminNetworkPolicy(_) => Kind::BaselineAdminNetworkPolicy,
            Self::CiliumNetworkPolicy(_) => Kind::CiliumNetworkPolicy,
            Self::CiliumClusterwideNetworkPolicy(_) => Kind::CiliumClusterwideNetworkPolicy,
            Self::CiliumCidrGroup(_) => Kind::CiliumCIDRGroup,
            Self::Namespace(_) => Kind::Namespace,
            Self::Node(_) => Kind::Node,
            Self::Pod(_) => Kind::Pod,
            Self::Service(_) => Kind::Service,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::ReplicationController(_) => Kind::ReplicationController,
            Self::DaemonSet(_) => Kind::DaemonSet,
            Self::Deployment(_) => Kind::Deployment,
            Self::ReplicaSet(_) => Kind::ReplicaSet,
            Self::StatefulSet(_) => Kind::StatefulSet,
            Self::CronJob(_) => Kind::CronJob,
            Self::Job(_) => Kind::Job,
        }
    }

    /// Its metadata.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::NetworkPolicy(object) => &object.metadata,
            Self::ClusterNetworkPolicy(object) => &object.metadata,
            Self::AdminNetworkPolicy(object) => &object.metadata,
            Self::BaselineAdminNetworkPolicy(object) => &object.metadata,
            Self::CiliumNetworkPolicy(object) | Self::CiliumClusterwideNetworkPolicy(object) => {
                &object.metadata
            }
            Self::CiliumCidrGroup(object) => &object.metadata,
            Self::Namespace(object) => &object.metadata,
            Self::Node(object) => &object.metadata,
            Self::Pod(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::EndpointSlice(object) => &object.metadata,
            Self::ReplicationController(object) => &object.metadata,
            Self::DaemonSet(object) => &object.metadata,
            Self::Deployment(object) => &object.metadata,
            Self::ReplicaSet(object) => &object.metadata,
            Self::StatefulSet(object) => &object.metadata,
            Self::CronJob(object) => &object.metadata,
            Self::Job(object) => &object.metadata,
        }
    }
}

/// Reads the object at `node` as `kind`.
pub(super) fn read(kind: Kind, document: &Document, node: NodeId, route: &Route) -> de::Reading<ObjectKind> {
    fn narrowed<T: DeserializeOwned>(
        document: &Document,
        node: NodeId,
        route: &Route,
        wrap: impl FnOnce(T) -> ObjectKind,
    ) -> de::Reading<ObjectKind> {
        let reading = de::read::<T>(document, node, route);
        de::Reading {
            value: reading.value.map(wrap),
            problems: reading.problems,
        }
    }
    fn typed<T: DeserializeOwned>(
        document: &Document,
        node: NodeId,
        route: &Route,
        wrap: impl FnOnce(Box<T>) -> ObjectKind,
    ) -> de::Reading<ObjectKind> {
        narrowed(document, node, route, |value| wrap(Box::new(value)))
    }
    match kind {
        Kind::NetworkPolicy => typed(document, node, route, ObjectKind::NetworkPolicy),
        Kind::ClusterNetworkPolicy => typed(document, node, route, ObjectKind::ClusterNetworkPolicy),
        Kind::AdminNetworkPolicy => typed(document, node, route, ObjectKind::AdminNetworkPolicy),
        Kind::BaselineAdminNetworkPolicy => {
            typed(document, node, route, ObjectKind::BaselineAdminNetworkPolicy)
        }
        Kind::CiliumNetworkPolicy => typed(document, node, route, ObjectKind::CiliumNetworkPolicy),
        Kind::CiliumClusterwideNetworkPolicy => {
            typed(document, node, route, ObjectKind::CiliumClusterwideNetworkPolicy)
        }
        Kind::CiliumCIDRGroup => typed(document, node, route, ObjectKind::CiliumCidrGroup),
        Kind::Namespace => typed(document, node, route, ObjectKind::Namespace),
        Kind::Node => typed(document, node, route, ObjectKind::Node),
        Kind::Pod => narrowed::<v1::Pod>(document, node, route, |pod| ObjectKind::Pod(Box::new(pod.into()))),
        Kind::Service => typed(document, node, route, ObjectKind::Service),
        Kind::EndpointSlice => typed(document, node, route, ObjectKind::EndpointSlice),
        Kind::ReplicationController => typed(document, node, route, ObjectKind::ReplicationController),
        Kind::DaemonSet => typed(document, node, route, ObjectKind::DaemonSet),
        Kind::Deployment => typed(document, node, route, ObjectKind::Deployment),
        Kind::ReplicaSet => typed(document, node, route, ObjectKind::ReplicaSet),
        Kind::StatefulSet => typed(document, node, route, ObjectKind::StatefulSet),
        Kind::CronJob => typed(document, node, route, ObjectKind::CronJob),
        Kind::Job => typed(document, node, route, ObjectKind::Job),
    }
}

/// Where an object stands: its source, its document and its place in it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The source it was read from.
    pub source_id: SourceId,
    /// That source.
    pub source: Arc<Source>,
    /// The document it is in.
    pub document: Arc<Document>,
    /// Its root in the document.
    pub node: NodeId,
    /// The way there: empty, or `items[3]` in a list.
    pub route: Route,
}

impl Place {
    /// Where the value at `route`, counted from the object, is written: the value's own characters, or its key's
    /// when the value is left out. For a field that is absent, the nearest enclosing value that exists; the path is
    /// the one asked for.
    #[must_use]
    pub fn origin(&self, route: &Route) -> Origin {
        self.origin_of(route, |document, found| document.span_of(found))
    }

    /// Where the last key of `route` is written; for an element of a list, the element.
    #[must_use]
    pub fn key_origin(&self, route: &Route) -> Origin {
        self.origin_of(route, |document, found| match found.key {
            Some(key) => document.node(key).span,
            None => document.span_of(found),
        })
    }

    fn origin_of(&self, route: &Route, span: impl Fn(&Document, Found) -> Span) -> Origin {
        let mut steps = route.steps();
        let found = loop {
            match (self.document.find_steps(self.node, steps), steps.split_last()) {
                (Some(found), _) => break found,
                (None, Some((_, rest))) => steps = rest,
                (None, None) => {
                    break Found {
                        key: None,
                        value: self.node,
                    };
                }
            }
        };
        let path = self.route.joined_text(route);
        origin_of_path(
            &self.source,
            self.document.index,
            path,
            span(&self.document, found),
        )
    }

    /// Whether there is the same at `route` as at the same route of `other`, however it is written.
    #[must_use]
    pub fn says_the_same(&self, other: &Self, route: &Route) -> bool {
        let at = |place: &Self| place.document.find(place.node, route).map(|found| found.value);
        match (at(self), at(other)) {
            (Some(one), Some(two)) => tree::same((&self.document, one), (&other.document, two)),
            (one, two) => one.is_none() && two.is_none(),
        }
    }

    /// The origin of a span, for a route counted from the document.
    #[must_use]
    pub fn origin_at(&self, route: &Route, span: Span) -> Origin {
        origin(&self.source, self.document.index, route, span)
    }
}

/// The origin of a span of `source`.
pub(super) fn origin(source: &Source, document: u32, route: &Route, span: Span) -> Origin {
    origin_of_path(source, document, route.to_string(), span)
}

fn origin_of_path(source: &Source, document: u32, path: String, span: Span) -> Origin {
    let (start, end) = (source.position(span.start), source.position(span.end));
    Origin {
        file: source.name().clone(),
        document,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        path: path.into(),
    }
}

/// A typed object and where it is written.
#[derive(Clone, Debug)]
pub struct Object {
    /// The object.
    pub kind: ObjectKind,
    /// Its kind, namespace and name. Objects that name no namespace are in `default`, where `kubectl apply` puts them.
    pub name: ObjectName,
    /// Where it is written.
    pub place: Place,
    /// Whether something in it could not be read as written, so that parts of it are missing or stand-ins. The
    /// findings say what.
    pub incomplete: bool,
}

impl Object {
    /// Where the value at `route` is written, see [`Place::origin`].
    #[must_use]
    pub fn origin(&self, route: &Route) -> Origin {
        self.place.origin(route)
    }

    /// What waits in a place of this object to be filled in: `"{{ .Values.cidr }}"` reads as text.
    #[must_use]
    pub fn unrendered(&self, origin: &Origin) -> Option<Unrendered> {
        let source = &self.place.source;
        let offset = |line, column| source.offset(Position { line, column });
        let start = offset(origin.line, origin.column)?;
        let end = offset(origin.end_line, origin.end_column)?;
        Unrendered::in_text(source.slice(Span::new(start, end)))
    }

    /// Whether there is a value at `route`.
    #[must_use]
    pub fn has(&self, route: &Route) -> bool {
        self.place.document.find(self.place.node, route).is_some()
    }

    /// Where the last key of `route` is written, see [`Place::key_origin`].
    #[must_use]
    pub fn key_origin(&self, route: &Route) -> Origin {
        self.place.key_origin(route)
    }
}

/// The finding that a problem is, once object and file are known.
pub(super) fn finding(problem: Problem, place: &Place, name: &ObjectName, is_policy: bool) -> Finding {
    // An unknown field takes nothing away from what a workload's known fields say. A wrong value does, and in a
    // policy anything may: there a misspelt `ports` leaves the rule open for all ports.
    let blocks = problem.is_error() && (is_policy || problem.code != Code::UNKNOWN_FIELD);
    let mut finding = Finding::new(problem.code, problem.message)
        .at(place.origin_at(&problem.route, problem.span), problem.label)
        .about(name.clone());
    if let Some((span, text)) = problem.related {
        finding = finding.because(place.origin_at(&problem.route, span), text);
    }
    if let Some(draft) = problem.fix {
        // What an API of a workload does not have, a later version of it may.
        let is_sure = is_policy || problem.code != Code::UNKNOWN_FIELD;
        let applicability = if is_sure {
            draft.applicability
        } else {
            Applicability::Suggestion
        };
        let at = place.origin_at(&problem.route, draft.span);
        let fix = Fix::new(applicability, draft.title);
        finding = finding.fix(match draft.was {
            Some(was) => fix.reword(at, was, draft.replacement),
            None => fix.replace(at, draft.replacement),
        });
    }
    finding.help = problem.help;
    finding.blocks_analysis = blocks;
    match problem.unrendered {
        Some(unrendered) => finding.unrendered(unrendered),
        None => finding,
    }
}
