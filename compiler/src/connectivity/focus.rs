//! Only the connections of some workloads.

use super::{Connection, Peer};
use crate::de::suggest;
use ir::cluster::Cluster;
use std::collections::BTreeSet;
use thiserror::Error;

/// Why there is nothing to focus on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no workload or pod `{name}`{}", suggest::or_those(.near))]
pub struct Unknown {
    /// What was asked for.
    pub name: String,
    /// Names that are near it.
    pub near: Vec<String>,
}

/// Workloads, and pods where a workload is told pod by pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focus {
    /// Namespace, name and kind.
    wanted: BTreeSet<(String, String, String)>,
}

impl Focus {
    /// Focuses on each of `names`: `namespace/name`, or a `name` in whatever namespace.
    ///
    /// # Errors
    /// When there is nobody of a name.
    pub fn on(names: &[String], cluster: &Cluster) -> Result<Self, Unknown> {
        let mut wanted = BTreeSet::new();
        for asked in names {
            let (namespace, name) = match asked.split_once('/') {
                Some((namespace, name)) => (Some(namespace), name),
                None => (None, asked.as_str()),
            };
            let found: Vec<_> = cluster
                .endpoints()
                .iter()
                .filter(|pod| namespace.is_none_or(|namespace| pod.namespace == namespace))
                .filter(|pod| pod.workload.name == name || pod.name == name)
                .collect();
            if found.is_empty() {
                return Err(unknown(asked, cluster));
            }
            for pod in found {
                let workload = (&pod.namespace, &pod.workload.name, pod.workload.kind.as_str());
                for (namespace, name, kind) in [workload, (&pod.namespace, &pod.name, "Pod")] {
                    // Of a workload that is told pod by pod, one pod may be asked for.
                    wanted.insert((namespace.clone(), name.clone(), kind.to_owned()));
                }
            }
        }
        Ok(Self { wanted })
    }

    /// Whether a peer is one of those in focus.
    #[must_use]
    pub fn has(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Workload {
                namespace,
                name,
                kind,
                ..
            } => self
                .wanted
                .contains(&(namespace.clone(), name.clone(), kind.clone())),
            Peer::Outside(_) => false,
        }
    }

    /// Whether a connection begins or ends in focus.
    #[must_use]
    pub fn keeps(&self, connection: &Connection) -> bool {
        self.has(&connection.source) || self.has(&connection.destination)
    }
}

fn unknown(asked: &str, cluster: &Cluster) -> Unknown {
    let known: BTreeSet<String> = cluster
        .endpoints()
        .iter()
        .map(|pod| {
            if asked.contains('/') {
                format!("{}/{}", pod.namespace, pod.workload.name)
            } else {
                pod.workload.name.clone()
            }
        })
        .collect();
    let candidates: Vec<_> = known.iter().map(String::as_str).collect();
    Unknown {
        name: asked.to_owned(),
        near: suggest::nearest(asked, &candidates)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    }
}
