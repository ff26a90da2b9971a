//! Two objects of one kind, namespace and name: only one of them can exist.
//!
//! Directories hold bases beside overlays and one install manifest beside another. The first one, in the order of
//! files and documents, stands for the object. Policies have a stricter rule, because there the choice decides flows:
//! two that differ leave every answer open.

use super::site::Site;
use crate::diagnostic::{Code, Finding, ObjectName, Severity};
use crate::load::{Object, ObjectKind};
use crate::route;
use std::collections::{BTreeSet, HashMap};

/// Copies come of reading a base beside what is made from it.
const APPLIED_TOGETHER: &str = "name only the files that are applied together, or render them first (`kustomize build`, `helm template`)";

/// Which policies repeat the kind, namespace and name of one before, by index; says so of each.
///
/// Only one of them will exist: whichever is applied last. A copy counts once. Where the two differ the answer would
/// depend on the order, so nothing is answered.
pub(super) fn repeated_policies(objects: &[Object], findings: &mut Vec<Finding>) -> BTreeSet<usize> {
    let mut named: HashMap<&ObjectName, &Object> = HashMap::new();
    let mut repeated = BTreeSet::new();
    let policies = objects
        .iter()
        .enumerate()
        .filter(|(_, object)| object.kind.kind().is_policy() && !object.name.name.is_empty());
    for (index, object) in policies {
        match named.get(&object.name) {
            None => {
                named.insert(&object.name, object);
            }
            Some(first) => {
                repeated.insert(index);
                findings.push(repetition(first, object));
            }
        }
    }
    repeated
}

fn repetition(first: &Object, object: &Object) -> Finding {
    let at = route!["metadata", "name"];
    let (kind, name) = (&object.name.kind, &object.name.name);
    let copy = same_policy(first, object);
    let message = if copy {
        format!("the {kind} `{name}` is written twice, with the same content")
    } else {
        format!("there are two different {kind} objects `{name}`: only one of them will exist")
    };
    let help = match copy {
        true => APPLIED_TOGETHER,
        false => {
            "remove one, or give it another name: `kubectl apply` lets the last one replace the others; of what \
             is for different clusters, name only the files that are applied together"
        }
    };
    let mut finding = Site::new(object)
        .refusal(Code::DUPLICATE_POLICY_NAME, &at, message)
        .because(first.origin(&at), "the first")
        .help(help);
    if copy {
        finding.severity = Severity::Warning;
        finding.blocks_analysis = false;
    }
    finding
}

/// Whether two policies say the same.
fn same_policy(one: &Object, other: &Object) -> bool {
    match (&one.kind, &other.kind) {
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
    }
}

/// The workloads and pods that stand for theirs, and findings about those that differ from them.
pub(super) fn first_workloads<'a>(objects: &'a [Object], findings: &mut Vec<Finding>) -> Vec<&'a Object> {
    let mut first_of: HashMap<&ObjectName, &Object> = HashMap::with_capacity(objects.len());
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
            Some(first) => findings.push(left_out(first, object)),
        }
    }
    firsts
}

/// Says of each Node that differs from the first of its name that it is left out ([`ir::cluster::Cluster::new`] does it).
pub(super) fn check_nodes(objects: &[Object], findings: &mut Vec<Finding>) {
    let mut first_of: HashMap<&str, &Object> = HashMap::new();
    for object in objects {
        if !matches!(object.kind, ObjectKind::Node(_)) {
            continue;
        }
        let first = *first_of.entry(&object.name.name).or_insert(object);
        // The rest of its status is another one every few seconds.
        let told = [
            route!["metadata", "labels"],
            route!["spec"],
            route!["status", "addresses"],
        ];
        if told
            .iter()
            .any(|route| !first.place.says_the_same(&object.place, route))
        {
            findings.push(left_out(first, object));
        }
    }
}

fn left_out(first: &Object, object: &Object) -> Finding {
    let at = route!["metadata", "name"];
    let (kind, name) = (&object.name.kind, &object.name.name);
    Finding::new(
        Code::DUPLICATE_OBJECT,
        format!("there are two different {kind} objects `{name}`: only one of them will exist"),
    )
    .at(object.origin(&at), "left out of every answer")
    .because(first.origin(&at), "this one stands for it")
    .about(object.name.clone())
    .help(APPLIED_TOGETHER)
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
        (ObjectKind::Pod(first), ObjectKind::Pod(second)) => {
            first.metadata.labels == second.metadata.labels
                && one.place.says_the_same(&other.place, &route!["spec"])
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
