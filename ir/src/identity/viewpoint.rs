//! From where a rule looks at its peers: the node of its subject, and what counts when a question has no answer.

use crate::cluster::{Cluster, Endpoint, NodeId};

/// What is known of the node that a subject runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnNode {
    /// Nothing.
    Unknown,
    /// It has a name, but the cluster does not know that node.
    NotOfTheCluster,
    /// This one.
    Is(NodeId),
}

impl OwnNode {
    /// What is known of the node of `endpoint`.
    #[must_use]
    pub fn of(endpoint: &Endpoint, cluster: &Cluster) -> Self {
        match endpoint.node.as_deref() {
            None => Self::Unknown,
            Some(name) => cluster.node_named(name).map_or(Self::NotOfTheCluster, Self::Is),
        }
    }
}

/// From where a rule looks at its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewpoint {
    /// The node of the rule's subject.
    pub own_node: OwnNode,
    /// How a question counts that cannot be answered: as *yes* (a deny rule must not miss) or as *no* (every other
    /// rule must not open what is not known).
    pub doubt: bool,
}
