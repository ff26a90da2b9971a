//! Peers: the other end of a flow, as a rule describes it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::origin::Origin;
use crate::selector::Selector;

/// Whether an address block speaks of pods and nodes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CidrScope {
    /// Every address in the block: `ipBlock` of `networking.k8s.io/v1`, as its conformance suite demands.
    Everything,
    /// Only addresses outside the cluster: Cilium's default for every kind of policy.
    OutsideCluster,
}

/// An address block with holes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CidrBlock {
    /// The block; host bits are zero.
    pub cidr: IpNet,
    /// Holes, each inside `cidr`, sorted.
    pub except: Vec<IpNet>,
    /// What the block speaks of.
    pub scope: CidrScope,
}

impl CidrBlock {
    /// Whether `address` lies in the block and in none of its holes.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.cidr.contains(&address) && !self.except.iter().any(|hole| hole.contains(&address))
    }

    /// Whether the block covers every address of its family.
    #[must_use]
    pub fn is_whole_family(&self) -> bool {
        self.cidr.prefix_len() == 0 && self.except.is_empty()
    }
}

/// A named class of peers.
///
/// Source: the Cilium documentation, "Entities Based".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// Everything, inside and outside the cluster.
    All,
    /// Every address outside the cluster.
    World,
    /// Every IPv4 address outside the cluster.
    WorldIpv4,
    /// Every IPv6 address outside the cluster.
    WorldIpv6,
    /// Every endpoint and every node of the cluster.
    Cluster,
    /// The subject's own node, its host-network pods included.
    Host,
    /// Every other node.
    RemoteNode,
    /// Nothing.
    None,
}

/// A DNS name or pattern: `*` stands for any run of characters inside one label, a leading `**.` for any depth.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainPattern(pub String);

/// What one peer entry of a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerMatch {
    /// Pods that are not on the host network and match the selector.
    Endpoints(Selector),
    /// Nodes (their host-network pods included) whose labels match the selector.
    Nodes(Selector),
    /// An address block.
    Cidr(CidrBlock),
    /// A named class.
    Entity(Entity),
    /// Whatever addresses DNS gives for a name: symbolic here, outside the cluster.
    Domain(DomainPattern),
}

/// One peer entry of a rule, with its place in the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// What it matches.
    pub matches: PeerMatch,
    /// Where it was written.
    pub origin: Origin,
}

/// The peers of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peers {
    /// The rule names no peers: every source or destination.
    Any,
    /// One of these; the empty list matches nothing.
    OneOf(Vec<Peer>),
}
