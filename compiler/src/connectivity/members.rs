//! Which pods an end of a connection stands for.

use super::{Apart, Peer};
use ir::cluster::{Cluster, EndpointId};
use std::collections::{BTreeMap, BTreeSet};

/// The pods of each workload, and each pod by its own name.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// By namespace, kind and name.
    of: BTreeMap<(String, String, String), Vec<EndpointId>>,
    /// Pods that stand for others of their workload, of which they are the only one here.
    alone: BTreeSet<EndpointId>,
}

impl Members {
    /// The members of all workloads of a cluster: of those told `apart` each pod by its own name, of the others all
    /// by the workload's.
    #[must_use]
    pub fn of(cluster: &Cluster, apart: &Apart) -> Self {
        let mut of: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut of_workload: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (id, pod) in cluster.endpoint_ids() {
            let (namespace, workload) = (pod.namespace.clone(), pod.workload.name.clone());
            let kind = pod.workload.kind.clone();
            if pod.workload.replicated {
                let name = (namespace.clone(), kind.clone(), workload.clone());
                of_workload.entry(name).or_default().push(id);
            }
            let by = if apart.contains(&(namespace.clone(), workload.clone(), kind.clone())) {
                (namespace, "Pod".to_owned(), pod.name.clone())
            } else {
                (namespace, kind, workload)
            };
            of.entry(by).or_default().push(id);
        }
        let alone = of_workload
            .into_values()
            .filter_map(|pods| match pods.as_slice() {
                [only] => Some(*only),
                _ => None,
            })
            .collect();
        Self { of, alone }
    }

    /// Whether a peer stands for several pods, which may talk to each other.
    #[must_use]
    pub fn are_several(&self, peer: &Peer) -> bool {
        match self.behind(peer) {
            [] => false,
            [only] => self.alone.contains(only),
            _ => true,
        }
    }

    /// The pods that a peer stands for; none for addresses outside.
    #[must_use]
    pub fn behind(&self, peer: &Peer) -> &[EndpointId] {
        match peer {
            Peer::Workload {
                namespace,
                name,
                kind,
                ..
            } => self
                .of
                .get(&(namespace.clone(), kind.clone(), name.clone()))
                .map_or(&[], Vec::as_slice),
            Peer::Outside(_) => &[],
        }
    }
}
