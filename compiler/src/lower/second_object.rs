//! Two objects of one kind, namespace and name: only one of them can exist.
//!
//! Directories hold bases beside overlays and one install manifest beside another. The first one, in the order of
//! files and documents, stands for the object. Policies have a stricter rule of their own, because there the choice
//! decides flows.

use crate::diagnostic::{Code, Finding};
use crate::load::{Object, ObjectKind};
use crate::route;
use std::collections::BTreeMap;

/// The workloads and pods that stand for theirs, and findings about those that differ from them.
pub(super) fn first_workloads<'a>(objects: &'a [Object], findings: &mut Vec<Finding>) -> Vec<&'a Object> {
    let mut first_of = BTreeMap::new();
    let mut firsts = Vec::new();
    for object in objects {
        // Pods that are only generated from one name are many.
        let named = object
            .kind
            .metadata()
            .name
            .as_ref()
            .is_some_and(|name| !name.is_empty());
        if !named {
            firsts.push(object);
            continue;
        }
        match first_of.get(&object.name) {
            None => {
                first_of.insert(&object.name, object);
                firsts.push(object);
            }
            Some(first) if !is_workload(object) || same_pods(first, object) => {}
            Some(first) => {
                let at = route!["metadata", "name"];
                let (kind, name) = (&object.name.kind, &object.name.name);
                findings.push(
                    Finding::new(
                        Code::DUPLICATE_OBJECT,
                        format!("there are two different {kind} objects `{name}`: only one of them will exist"),
                    )
                    .at(object.origin(&at), "left out of every answer")
                    .because(first.origin(&at), "this one stands for it")
                    .about(object.name.clone())
                    .help("name only the files that are applied together, or render them first (`kustomize build`, `helm template`)"),
                );
            }
        }
    }
    firsts
}

fn is_workload(object: &Object) -> bool {
    matches!(
        object.kind,
        ObjectKind::Pod(_)
            | ObjectKind::Deployment(_)
            | ObjectKind::ReplicaSet(_)
            | ObjectKind::StatefulSet(_)
            | ObjectKind::DaemonSet(_)
            | ObjectKind::ReplicationController(_)
            | ObjectKind::Job(_)
            | ObjectKind::CronJob(_)
    )
}

/// Whether two objects make the same pods.
fn same_pods(one: &Object, other: &Object) -> bool {
    match (&one.kind, &other.kind) {
        (ObjectKind::Pod(one), ObjectKind::Pod(other)) => {
            one.spec == other.spec && one.metadata.labels == other.metadata.labels
        }
        (ObjectKind::Deployment(one), ObjectKind::Deployment(other)) => one.spec == other.spec,
        (ObjectKind::ReplicaSet(one), ObjectKind::ReplicaSet(other)) => one.spec == other.spec,
        (ObjectKind::StatefulSet(one), ObjectKind::StatefulSet(other)) => one.spec == other.spec,
        (ObjectKind::DaemonSet(one), ObjectKind::DaemonSet(other)) => one.spec == other.spec,
        (ObjectKind::ReplicationController(one), ObjectKind::ReplicationController(other)) => {
            one.spec == other.spec
        }
        (ObjectKind::Job(one), ObjectKind::Job(other)) => one.spec == other.spec,
        (ObjectKind::CronJob(one), ObjectKind::CronJob(other)) => one.spec == other.spec,
        _ => false,
    }
}
