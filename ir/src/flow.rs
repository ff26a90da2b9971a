//! Flows, and what is decided about them.

use std::net::IpAddr;

use crate::cluster::{EndpointId, Family, NodeId};
use crate::policy::{PolicyId, RuleId};
use crate::port::Protocol;

/// Who stands at one end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A pod with a network of its own, using the address it has (unknown where manifests give none).
    Endpoint {
        /// The pod.
        id: EndpointId,
        /// Its address in this flow.
        address: Option<IpAddr>,
    },
    /// A node or a pod on its network.
    Node {
        /// The node.
        id: NodeId,
        /// Its address in this flow.
        address: Option<IpAddr>,
    },
    /// A host-network pod whose node is not known: a node as far as policies can see.
    SomeNode,
    /// An address that belongs to no pod and no node of the cluster.
    Outside(IpAddr),
}

impl Party {
    /// The address, where it is known.
    #[must_use]
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Endpoint { address, .. } | Self::Node { address, .. } => address,
            Self::SomeNode => None,
            Self::Outside(address) => Some(address),
        }
    }

    /// The address family, where it is known.
    #[must_use]
    pub fn family(self) -> Option<Family> {
        self.address().map(Family::of)
    }
}

/// One flow: the first packet's direction is from `source` to `destination`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Who opens it.
    pub source: Party,
    /// Who receives it.
    pub destination: Party,
    /// The protocol.
    pub protocol: Protocol,
    /// Destination port; the message type for ICMP; 0 for [`Protocol::Other`].
    pub port: u16,
}

/// The verdict of one side of a flow, with what decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether this side lets the flow through.
    pub allowed: bool,
    /// Why.
    pub because: Because,
}

/// What decides one side of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// This side has no policy of its own: an address outside, a node, a host-network pod.
    NotAnEndpoint,
    /// A pod reaches itself over loopback.
    Loopback,
    /// The node's own host reaches its pods (kubelet probes).
    OwnHost,
    /// No policy in force asks for default deny, and no rule matched.
    Unrestricted,
    /// These rules match, all of the deciding action, in the order of their ids.
    Rules(Vec<RuleId>),
    /// No rule matches, and these policies in force ask for default deny.
    DefaultDeny(Vec<PolicyId>),
}

/// The verdict of a whole flow: allowed when both sides allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The source's side.
    pub egress: Decision,
    /// The destination's side.
    pub ingress: Decision,
}

impl Judgement {
    /// Whether the flow is allowed.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.egress.allowed && self.ingress.allowed
    }
}
