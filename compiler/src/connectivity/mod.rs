//! Who can talk to whom, on what: all workloads and all addresses outside.
//!
//! Read from the verdict tables: a port is open between two ends when the source's egress table and the destination's
//! ingress table both let it through. Pods that share their tables and identities share one class, so that the
//! work grows with what policies tell apart and not with the number of pods.

mod blocks;
pub mod human;
pub mod json;
mod matrix;
mod ports;
#[cfg(test)]
mod tests;

pub use ports::{PortRange, PortSet};

use crate::resolve::Resolved;
use ipnet::IpNet;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// What may pass from one end to the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// Who opens it.
    pub source: Peer,
    /// Who receives it.
    pub destination: Peer,
    /// On which ports; never empty.
    pub ports: PortSet,
}

/// Every connection, sorted; one for each ordered pair of ends with an open port.
#[must_use]
pub fn connections(resolved: &Resolved<'_>) -> Vec<Connection> {
    let matrix = matrix::Matrix::of(resolved);
    let mut connections = Vec::new();
    for source in &matrix.peers {
        for destination in &matrix.peers {
            if source.is_same(destination) && !source.replicated {
                continue;
            }
            let ports = matrix.between(source, destination);
            if !ports.is_empty() {
                connections.push(Connection {
                    source: source.peer.clone(),
                    destination: destination.peer.clone(),
                    ports: ports.clone(),
                });
            }
        }
        for (ports, blocks) in matrix.leaving(source) {
            connections.push(Connection {
                source: source.peer.clone(),
                destination: Peer::Outside(blocks),
                ports,
            });
        }
        for (ports, blocks) in matrix.entering(source) {
            connections.push(Connection {
                source: Peer::Outside(blocks),
                destination: source.peer.clone(),
                ports,
            });
        }
    }
    connections.sort();
    connections
}
