//! One flow out of all those that a formula speaks of, as plain values.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use ir::cluster::EndpointId;
use ir::peer::DomainPattern;
use ir::port::Protocol;
use ir::selector::Attribute;

/// What stands at the other end of the flow. The order is that of preference in witnesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A pod with a network of its own.
    Pod,
    /// An address outside the cluster.
    Outside,
    /// A node.
    Node,
    /// A host-network pod whose node is not known. Real flows never have it; the evaluator's do.
    SomeNode,
}

impl Class {
    pub(crate) const ALL: [Self; 4] = [Self::Pod, Self::Outside, Self::Node, Self::SomeNode];

    pub(crate) fn code(self) -> u64 {
        self as u64
    }
}

/// A pod: an existing one, or codes of [`super::vocabulary::Domain`]s to make one up from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodValues {
    pub(crate) existing: Option<EndpointId>,
    pub(crate) attributes: BTreeMap<Attribute, u64>,
    /// The names that this pod gives to the flow's protocol and port.
    pub(crate) names: Vec<String>,
}

/// What stands at one end of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndValues {
    pub(crate) class: Class,
    /// Of use where `class` is [`Class::Pod`].
    pub(crate) pod: PodValues,
    pub(crate) address: IpAddr,
}

/// What there is to know of a flow beside its pods and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Of use where one end is a node.
    pub(crate) node_labels: BTreeMap<String, u64>,
    /// Whether that node runs the pod at the other end.
    pub(crate) own_node: bool,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    /// The DNS patterns that the address outside answers to.
    pub(crate) resolved: Vec<DomainPattern>,
}

/// Values for everything that the formulas of one side of a flow mention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) subject: PodValues,
    pub(crate) peer: EndValues,
    pub(crate) packet: Packet,
}

/// Values for everything that the formulas of one whole flow mention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WholeAssignment {
    pub(crate) source: EndValues,
    pub(crate) destination: EndValues,
    pub(crate) packet: Packet,
    /// Whether the end that is no pod is the API server.
    pub(crate) api_server: bool,
}

/// At most this many existing pods are tried for each side of a witness before one is made up.
pub(crate) const TRIED: usize = 16;

/// Addresses that a reader recognises as made up, the best first.
///
/// Source: RFC 5737 and RFC 3849 (documentation), RFC 1918 (private use).
pub(crate) fn likely_addresses(class: Class) -> Vec<IpNet> {
    let documentation = [
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001:db8::/32",
    ];
    let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"];
    let order: Vec<_> = match class {
        Class::Outside => documentation.into_iter().chain(private).collect(),
        Class::Pod | Class::Node | Class::SomeNode => private.into_iter().chain(documentation).collect(),
    };
    order.into_iter().filter_map(|text| text.parse().ok()).collect()
}
