//! Named ports: a name means, for each destination by itself, that destination's own numbers.
//!
//! Source: Kubernetes `NetworkPolicyPort.port`: "a numerical or named port on a pod". There is no cluster-wide number
//! behind a name, and nothing here ever makes one up.

use crate::cluster::{ContainerPort, ContainerRole, Endpoint};
use crate::port::ProtocolSet;

/// The container ports of `endpoint` that `name` stands for under these protocols, in the order written.
///
/// Several entries may carry one name; all of their numbers count. Ports of init containers that have ended before
/// the pod serves ([`ContainerRole::Init`]) do not. Names are compared without case. A host-network pod has no port
/// of its own: as a peer it is a node.
pub fn definitions<'a>(
    endpoint: &'a Endpoint,
    name: &'a str,
    protocols: ProtocolSet,
) -> impl Iterator<Item = &'a ContainerPort> {
    endpoint.ports.iter().filter(move |port| {
        !endpoint.host_network
            && port.role != ContainerRole::Init
            && protocols.contains(port.protocol)
            && port
                .name
                .as_deref()
                .is_some_and(|own| own.eq_ignore_ascii_case(name))
    })
}
