//! Who controls whom: Pod → ReplicaSet → Deployment, Pod → Job → CronJob.

use crate::load::{Object, ObjectKind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::collections::BTreeMap;

/// A workload by namespace, kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) kind: String,
    pub(super) name: String,
}

/// The controllers of the input.
pub(super) struct Owners<'a> {
    workloads: BTreeMap<Key, &'a Object>,
}

/// `metadata.ownerReferences` are as deep as Kubernetes' controllers make them; anything longer is a cycle.
const DEEPEST: usize = 8;

impl<'a> Owners<'a> {
    pub(super) fn of(objects: &[&'a Object]) -> Self {
        let workloads = objects
            .iter()
            .filter(|object| {
                !matches!(
                    object.kind,
                    ObjectKind::Pod(_)
                        | ObjectKind::NetworkPolicy(_)
                        | ObjectKind::ClusterNetworkPolicy(_)
                        | ObjectKind::AdminNetworkPolicy(_)
                        | ObjectKind::BaselineAdminNetworkPolicy(_)
                        | ObjectKind::Namespace(_)
                        | ObjectKind::Node(_)
                        | ObjectKind::Service(_)
                        | ObjectKind::EndpointSlice(_)
                        | ObjectKind::CiliumNetworkPolicy(_)
                        | ObjectKind::CiliumClusterwideNetworkPolicy(_)
                        | ObjectKind::CiliumCidrGroup(_)
                )
            })
            .map(|object| (key(object), *object))
            .collect();
        Self { workloads }
    }

    /// The outermost controller of an object: itself when it has none.
    ///
    /// A controller that is not in the input is taken at its reference's word, and the chain ends there.
    pub(super) fn outermost(&self, object: &Object) -> Key {
        let mut outermost = key(object);
        let mut metadata = object.kind.metadata();
        for _ in 0..DEEPEST {
            let Some(owner) = controller(metadata) else {
                break;
            };
            outermost = Key {
                namespace: outermost.namespace,
                // A reference without a kind (the API server would refuse it) still groups pods.
                kind: Some(&owner.kind)
                    .filter(|kind| !kind.is_empty())
                    .map_or_else(|| "Pod".to_owned(), Clone::clone),
                name: owner.name.clone(),
            };
            match self.workloads.get(&outermost) {
                Some(next) => metadata = next.kind.metadata(),
                None => break,
            }
        }
        outermost
    }

    /// The object behind a key, when it is in the input.
    pub(super) fn get(&self, key: &Key) -> Option<&'a Object> {
        self.workloads.get(key).copied()
    }
}

/// An object's own key.
pub(super) fn key(object: &Object) -> Key {
    Key {
        namespace: object.name.namespace.clone().unwrap_or_default(),
        kind: object.name.kind.clone(),
        name: object.name.name.clone(),
    }
}

/// The reference marked as controller. At most one may be (`ValidateOwnerReferences`).
fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata
        .owner_references
        .iter()
        .flatten()
        .find(|reference| reference.controller == Some(true) && !reference.name.is_empty())
}
