//! Routes of the main table.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use super::address::family;
use super::{Netlink, NetlinkError};

/// The routing protocol number in routes of ours (`rtm_protocol`), by which they are known from everybody
/// else's. None of the numbers in iproute2's `rt_protos`.
pub const OUR_PROTOCOL: u8 = 112;

/// A route of the main table by which traffic leaves through one link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteEntry {
    /// Where to; prefix length 0 is the default route.
    pub destination: IpNet,
    /// Next hop; without one the destination is on the link itself.
    pub gateway: Option<IpAddr>,
    /// The link's name.
    pub link: String,
    /// The source address that the host's own traffic prefers on this route.
    pub source: Option<IpAddr>,
}

impl std::fmt::Display for RouteEntry {
    /// As iproute2 writes it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.destination)?;
        if let Some(gateway) = self.gateway {
            write!(formatter, " via {gateway}")?;
        }
        write!(formatter, " dev {}", self.link)?;
        if let Some(source) = self.source {
            write!(formatter, " src {source}")?;
        }
        Ok(())
    }
}

impl Netlink {
    /// Adds a route, or replaces the one to the same destination. Marked as ours.
    ///
    /// # Errors
    /// When the link is missing, or the kernel refuses (`ENETUNREACH`: the gateway is not on the link).
    pub fn add_route(&mut self, route: &RouteEntry) -> Result<(), NetlinkError> {
        self.add(route, RouteProtocol::Other(OUR_PROTOCOL))
    }

    /// Adds a route that is not marked as ours, as an administrator would: [`crate::routes::apply`] leaves it alone.
    ///
    /// # Errors
    /// As [`Self::add_route`].
    pub fn add_static_route(&mut self, route: &RouteEntry) -> Result<(), NetlinkError> {
        self.add(route, RouteProtocol::Static)
    }

    fn add(&mut self, route: &RouteEntry, protocol: RouteProtocol) -> Result<(), NetlinkError> {
        let operation = || format!("add route {route}");
        let mut message = self.route_message(&operation, route)?;
        message.header.protocol = protocol;
        self.change(
            &operation,
            RouteNetlinkMessage::NewRoute(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    /// Removes a route of ours. One that is not there is no error.
    ///
    /// # Errors
    /// When the link is missing, or the kernel refuses.
    pub fn remove_route(&mut self, route: &RouteEntry) -> Result<(), NetlinkError> {
        let operation = || format!("remove route {route}");
        let message = self.route_message(&operation, route)?;
        match self.change(&operation, RouteNetlinkMessage::DelRoute(message), 0) {
            Err(error) if error.errno() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }

    /// The routes of the main table that are marked as ours, sorted.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub fn our_routes(&mut self) -> Result<Vec<RouteEntry>, NetlinkError> {
        let operation = || "list our routes".to_owned();
        let links = self.links()?;
        let question = RouteNetlinkMessage::GetRoute(RouteMessage::default());
        let mut found = Vec::new();
        for answer in self.dump(&operation, &question)? {
            let RouteNetlinkMessage::NewRoute(message) = answer else {
                continue;
            };
            let ours = message.header.protocol == RouteProtocol::Other(OUR_PROTOCOL)
                && message.header.table == RouteHeader::RT_TABLE_MAIN
                && message.header.kind == RouteType::Unicast;
            if !ours {
                continue;
            }
            let (mut gateway, mut source, mut index, mut destination) = (None, None, None, None);
            for attribute in &message.attributes {
                match attribute {
                    RouteAttribute::Gateway(address) => gateway = read_address(address),
                    RouteAttribute::PrefSource(address) => source = read_address(address),
                    RouteAttribute::Destination(address) => destination = read_address(address),
                    RouteAttribute::Oif(oif) => index = Some(*oif),
                    _ => {}
                }
            }
            let unspecified = match message.header.address_family {
                netlink_packet_route::AddressFamily::Inet => IpAddr::from([0_u8; 4]),
                _ => IpAddr::from([0_u8; 16]),
            };
            let Ok(destination) = IpNet::new(
                destination.unwrap_or(unspecified),
                message.header.destination_prefix_length,
            ) else {
                continue;
            };
            let link = links.iter().find(|link| Some(link.index) == index);
            if let Some(link) = link {
                found.push(RouteEntry {
                    destination,
                    gateway,
                    link: link.name.clone(),
                    source,
                });
            }
        }
        found.sort();
        Ok(found)
    }

    fn route_message(
        &mut self,
        operation: &dyn Fn() -> String,
        route: &RouteEntry,
    ) -> Result<RouteMessage, NetlinkError> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(route.destination.addr());
        message.header.destination_prefix_length = route.destination.prefix_len();
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Other(OUR_PROTOCOL);
        message.header.kind = RouteType::Unicast;
        message.header.scope = if route.gateway.is_some() {
            RouteScope::Universe
        } else {
            RouteScope::Link
        };
        if route.destination.prefix_len() > 0 {
            message.attributes.push(RouteAttribute::Destination(route_address(
                route.destination.addr(),
            )));
        }
        message
            .attributes
            .push(RouteAttribute::Oif(self.index_of(operation, &route.link)?));
        if let Some(gateway) = route.gateway {
            message
                .attributes
                .push(RouteAttribute::Gateway(route_address(gateway)));
        }
        if let Some(source) = route.source {
            message
                .attributes
                .push(RouteAttribute::PrefSource(route_address(source)));
        }
        Ok(message)
    }
}

fn route_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(v4) => RouteAddress::Inet(v4),
        IpAddr::V6(v6) => RouteAddress::Inet6(v6),
    }
}

fn read_address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}
