//! Who can talk to whom, on what: all workloads and all addresses outside.
//!
//! Read from the verdict tables: a port is open between two ends when the source's egress table and the destination's
//! ingress table both let it through. Pods that share their tables and identities share one class, so that the
//! work grows with what policies tell apart and not with the number of pods.

pub(crate) mod blocks;
pub mod dot;
pub mod exposure;
pub mod focus;
#[cfg(test)]
mod generated;
pub mod human;
pub mod json;
mod matrix;
pub mod members;
mod port_sets;
mod ports;
pub mod rows;
#[cfg(test)]
mod tests;
mod views;

pub use ports::{PortRange, PortSet};

use crate::resolve::Resolved;
use ipnet::IpNet;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// A workload, or one of its pods where they do not all have the same connections.
    Workload {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its kind.
        kind: String,
        /// Whether it shares its node's network, and so has no policy of its own.
        host_network: bool,
    },
    /// Addresses outside the cluster: blocks that are sorted, disjoint and as few as can be.
    Outside(Vec<IpNet>),
}

/// `shop/web (Deployment)`, or `outside: 10.0.0.0/8`. Not escaped.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload {
                namespace,
                name,
                kind,
                host_network,
            } => {
                let host = if *host_network { ", host network" } else { "" };
                write!(f, "{namespace}/{name} ({kind}{host})")
            }
            Self::Outside(blocks) => {
                let whole = |net: &IpNet| net.prefix_len() == 0;
                match blocks.as_slice() {
                    [one, other] if whole(one) && whole(other) => f.write_str("anywhere outside"),
                    blocks => {
                        let blocks: Vec<_> = blocks.iter().map(ToString::to_string).collect();
                        write!(f, "outside: {}", blocks.join(", "))
                    }
                }
            }
        }
    }
}

/// What may pass from one end to the other. Ends and ports are shared: there may be millions of connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// Who opens it.
    pub source: Arc<Peer>,
    /// Who receives it.
    pub destination: Arc<Peer>,
    /// On which ports; never empty.
    pub ports: Arc<PortSet>,
}

/// Every connection, sorted; one for each ordered pair of ends with an open port.
#[must_use]
pub fn connections(resolved: &Resolved<'_>) -> Vec<Connection> {
    Connectivity::of(resolved).connections(&Apart::new())
}

/// Namespace, name and kind of workloads whose pods are told one by one.
pub type Apart = BTreeSet<(String, String, String)>;

/// Who can talk to whom, before it is decided by what names that is told.
pub struct Connectivity<'r, 'm> {
    resolved: &'r Resolved<'m>,
    matrix: matrix::Matrix,
}

impl<'r, 'm> Connectivity<'r, 'm> {
    /// Reads the tables.
    #[must_use]
    pub fn of(resolved: &'r Resolved<'m>) -> Self {
        Self {
            resolved,
            matrix: matrix::Matrix::of(resolved),
        }
    }

    /// The workloads whose pods do not all have the same connections.
    #[must_use]
    pub fn apart(&self) -> Apart {
        self.matrix.apart(self.resolved)
    }

    /// Every workload, sorted; those whose pods do not all have the same connections pod by pod.
    #[must_use]
    pub fn workloads(&self) -> Vec<Peer> {
        let peers = self.matrix.peers(self.resolved, &Apart::new());
        peers.iter().map(|row| (*row.peer).clone()).collect()
    }

    /// Every connection, sorted; one for each ordered pair of ends with an open port. The pods of workloads in
    /// `apart` are ends of their own, as are those that do not all have the same connections.
    #[must_use]
    pub fn connections(&self, apart: &Apart) -> Vec<Connection> {
        let peers = self.matrix.peers(self.resolved, apart);
        let places = self.matrix.places(&peers);
        let mut blocks = HashMap::new();
        let mut outside = |nets: &Arc<[IpNet]>| -> Arc<Peer> {
            let peer = || Arc::new(Peer::Outside(nets.to_vec()));
            Arc::clone(blocks.entry(Arc::clone(nets)).or_insert_with(peer))
        };
        // Peers are sorted, and the outside comes behind them.
        let mut connections = Vec::new();
        let mut entering = Vec::new();
        for source in &peers {
            for (other, ports) in self.matrix.reached(source, &places) {
                let Some(destination) = peers.get(other) else {
                    continue;
                };
                if source.replicated || source.peer != destination.peer {
                    connections.push(Connection {
                        source: Arc::clone(&source.peer),
                        destination: Arc::clone(&destination.peer),
                        ports: Arc::clone(ports),
                    });
                }
            }
            let first = connections.len();
            for (ports, blocks) in self.matrix.leaving(source) {
                connections.push(Connection {
                    source: Arc::clone(&source.peer),
                    destination: outside(blocks),
                    ports: Arc::clone(ports),
                });
            }
            if let Some(leaving) = connections.get_mut(first..) {
                leaving.sort();
            }
            for (ports, blocks) in self.matrix.entering(source) {
                entering.push(Connection {
                    source: outside(blocks),
                    destination: Arc::clone(&source.peer),
                    ports: Arc::clone(ports),
                });
            }
        }
        entering.sort();
        connections.extend(entering);
        connections
    }
}
