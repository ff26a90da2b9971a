//! Permanent neighbour entries: an address's Ethernet address, known beforehand.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::RouteType;

use super::address::family;
use super::{MacAddress, Netlink, NetlinkError};

impl Netlink {
    /// Says once and for all which Ethernet address an IP address has on a link, so that neither ARP nor
    /// neighbour discovery is needed. Doing it twice is no error.
    ///
    /// # Errors
    /// When the link is missing, or the kernel refuses.
    pub fn add_neighbour(
        &mut self,
        link: &str,
        address: IpAddr,
        mac: MacAddress,
    ) -> Result<(), NetlinkError> {
        let operation = || format!("add permanent neighbour {address} at {mac} on `{link}`");
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = self.index_of(&operation, link)?;
        message.header.state = NeighbourState::Permanent;
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![
            NeighbourAttribute::Destination(match address {
                IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
                IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
            }),
            NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()),
        ];
        self.change(
            &operation,
            RouteNetlinkMessage::NewNeighbour(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }
}
