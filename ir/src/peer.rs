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
    /// Every endpoint and every node of the cluster. An API server outside it is not counted here.
    Cluster,
    /// The subject's own node, its host-network pods included.
    Host,
    /// Every other node.
    RemoteNode,
    /// The API server: some nodes, or some addresses outside. Which ones is not known here.
    KubeApiServer,
    /// The proxy's own endpoint on each node. Cilium makes it; no pod, node or outside address of a model is one.
    Ingress,
    /// The health checker's own endpoint on each node; as [`Self::Ingress`].
    Health,
    /// Endpoints whose labels Cilium does not know yet. Those of a model are known.
    Init,
    /// Pods that were started before Cilium and are not managed by it. Those of a model are managed.
    Unmanaged,
    /// Nothing.
    None,
}

impl Entity {
    /// Every entity, in order.
    pub const ALL: [Self; 13] = [
        Self::All,
        Self::World,
        Self::WorldIpv4,
        Self::WorldIpv6,
        Self::Cluster,
        Self::Host,
        Self::RemoteNode,
        Self::KubeApiServer,
        Self::Ingress,
        Self::Health,
        Self::Init,
        Self::Unmanaged,
        Self::None,
    ];

    /// The entity that Cilium calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entity| entity.name() == name)
    }

    /// Cilium's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::World => "world",
            Self::WorldIpv4 => "world-ipv4",
            Self::WorldIpv6 => "world-ipv6",
            Self::Cluster => "cluster",
            Self::Host => "host",
            Self::RemoteNode => "remote-node",
            Self::KubeApiServer => "kube-apiserver",
            Self::Ingress => "ingress",
            Self::Health => "health",
            Self::Init => "init",
            Self::Unmanaged => "unmanaged",
            Self::None => "none",
        }
    }
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
    /// The same, without the subject's own node: `fromNodes` and `toNodes` of Cilium ask for `reserved:remote-node`.
    OtherNodes(Selector),
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
