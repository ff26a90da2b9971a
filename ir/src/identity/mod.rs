//! Identities: peers that no policy can tell apart share one.
//!
//! The set of identities is the quotient of everything that can stand at the other end of a flow (pods by address,
//! nodes by address, intervals of outside addresses) by the policies of the model: same answer to every peer entry of
//! every rule, and same numbers behind every port name that an egress rule uses. It is the coarsest partition that
//! stays exact, except that every node keeps an identity of its own, because a pod's own node is always let in.

mod address_map;
mod ground;
mod id;
mod partition;
mod questions;
mod viewpoint;

pub use address_map::AddressMap;
pub use id::IdentityId;
pub use viewpoint::{OwnNode, Viewpoint};

use std::collections::BTreeMap;
use std::net::IpAddr;

use roaring::RoaringBitmap;

use crate::cluster::{EndpointId, Family, NodeId};
use crate::flow::Party;
use crate::model::Model;
use crate::peer::{Entity, PeerMatch, Peers};
use crate::port::{Protocol, ProtocolSet};
use questions::NameUse;

/// Which sort of peer an identity stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Pods with a network of their own.
    Endpoints,
    /// One node.
    Node(NodeId),
    /// Host-network pods whose node is not known.
    SomeNode,
    /// Addresses outside the cluster, of one family.
    Outside(Family),
}

/// One identity, as far as it can be described by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it stands for.
    pub class: Class,
    /// The first of its members in canonical order; any other member gets the same verdicts.
    pub example: Party,
}

/// The identities of a model.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    identities: Vec<Identity>,
    /// By [`EndpointId`]: the pod's addresses (or that none is known) with their identities.
    of_endpoint: Vec<Vec<(Option<IpAddr>, IdentityId)>>,
    addresses: AddressMap,
    endpoints: RoaringBitmap,
    nodes: BTreeMap<NodeId, RoaringBitmap>,
    some_node: RoaringBitmap,
    outside: BTreeMap<Family, RoaringBitmap>,
    matched: BTreeMap<PeerMatch, RoaringBitmap>,
    named: BTreeMap<NameUse, BTreeMap<(Protocol, u16), RoaringBitmap>>,
}

impl Identities {
    /// Partitions everything that the model's policies can meet.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        partition::of(model)
    }

    /// The identities, indexed by [`IdentityId`].
    #[must_use]
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// Every identity.
    #[must_use]
    pub fn all(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..u32::try_from(self.identities.len()).unwrap_or(u32::MAX));
        all
    }

    /// Identities by address.
    #[must_use]
    pub fn addresses(&self) -> &AddressMap {
        &self.addresses
    }

    /// The identity of a party; `None` for one that is not of this model.
    #[must_use]
    pub fn of_party(&self, party: Party) -> Option<IdentityId> {
        match party {
            Party::Endpoint { id, address } => self
                .of_endpoint(id)
                .iter()
                .find(|(own, _)| *own == address)
                .map(|(_, identity)| *identity),
            Party::Node { id, address } => {
                let own = self.nodes.get(&id)?;
                match address.and_then(|address| self.addresses.exact.get(&address)) {
                    Some(identity) if own.contains(identity.0) => Some(*identity),
                    _ => own.min().map(IdentityId),
                }
            }
            Party::SomeNode => self.some_node.min().map(IdentityId),
            Party::Outside(address) => self.addresses.identity(address),
        }
    }

    /// A pod's addresses, or that none is known, each with its identity; empty for a host-network pod.
    #[must_use]
    pub fn of_endpoint(&self, id: EndpointId) -> &[(Option<IpAddr>, IdentityId)] {
        self.of_endpoint.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// The identities of one node; empty for a node that is not of this model.
    #[must_use]
    pub fn of_node(&self, node: NodeId) -> RoaringBitmap {
        self.nodes.get(&node).cloned().unwrap_or_default()
    }

    /// The identities that `peers` matches, as `viewpoint` sees them.
    #[must_use]
    pub fn matching(&self, peers: &Peers, viewpoint: Viewpoint) -> RoaringBitmap {
        match peers {
            Peers::Any => self.all(),
            Peers::OneOf(list) => {
                let mut union = RoaringBitmap::new();
                for peer in list {
                    union |= self.matching_peer(&peer.matches, viewpoint);
                }
                union
            }
        }
    }

    /// For a port name used by an egress rule: each number that some peer gives it, with the identities that do.
    #[must_use]
    pub fn numbers(
        &self,
        name: &str,
        protocol: ProtocolSet,
    ) -> Option<&BTreeMap<(Protocol, u16), RoaringBitmap>> {
        self.named.get(&(name.to_ascii_lowercase(), protocol))
    }

    fn matching_peer(&self, matches: &PeerMatch, viewpoint: Viewpoint) -> RoaringBitmap {
        let answered = || self.matched.get(matches).cloned().unwrap_or_default();
        match matches {
            PeerMatch::Endpoints(_) | PeerMatch::Cidr(_) => answered(),
            PeerMatch::Nodes(_) if viewpoint.doubt => answered() | &self.some_node,
            PeerMatch::Nodes(_) => answered(),
            PeerMatch::OtherNodes(_) if viewpoint.doubt => {
                (answered() & self.nodes_where(viewpoint, |own| !own)) | &self.some_node
            }
            PeerMatch::OtherNodes(_) => answered() & self.nodes_where(viewpoint, |own| !own),
            PeerMatch::Entity(entity) => self.matching_entity(*entity, viewpoint),
            // Which addresses a name has is known on a node only.
            PeerMatch::Domain(_) if viewpoint.doubt => self.all_outside(),
            PeerMatch::Domain(_) => RoaringBitmap::new(),
        }
    }

    fn matching_entity(&self, entity: Entity, viewpoint: Viewpoint) -> RoaringBitmap {
        let outside = |family| self.outside.get(&family).cloned().unwrap_or_default();
        match entity {
            Entity::All => self.all(),
            Entity::World => self.all_outside(),
            Entity::WorldIpv4 => outside(Family::V4),
            Entity::WorldIpv6 => outside(Family::V6),
            Entity::Cluster => self.all() - self.all_outside(),
            Entity::Host => self.nodes_where(viewpoint, |own| own),
            Entity::RemoteNode => self.nodes_where(viewpoint, |own| !own),
            // Which node or address the API server has is not written in manifests.
            Entity::KubeApiServer if viewpoint.doubt => self.all() - &self.endpoints,
            Entity::KubeApiServer
            | Entity::Ingress
            | Entity::Health
            | Entity::Init
            | Entity::Unmanaged
            | Entity::None => RoaringBitmap::new(),
        }
    }

    fn all_outside(&self) -> RoaringBitmap {
        let mut union = RoaringBitmap::new();
        for identities in self.outside.values() {
            union |= identities;
        }
        union
    }

    /// The nodes whose being the subject's own node (`true`) or another (`false`) is `wanted`; those of which it is
    /// not known where the viewpoint doubts.
    fn nodes_where(&self, viewpoint: Viewpoint, wanted: impl Fn(bool) -> bool) -> RoaringBitmap {
        let mut union = RoaringBitmap::new();
        for (node, identities) in &self.nodes {
            let is_wanted = match viewpoint.own_node {
                OwnNode::Unknown => viewpoint.doubt,
                OwnNode::NotOfTheCluster => wanted(false),
                OwnNode::Is(own) => wanted(own == *node),
            };
            if is_wanted {
                union |= identities;
            }
        }
        if viewpoint.doubt {
            union |= &self.some_node;
        }
        union
    }
}
