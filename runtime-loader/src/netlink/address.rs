//! Addresses of links.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Netlink, NetlinkError};

/// The rtnetlink family of an address.
pub(super) fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

impl Netlink {
    /// Gives a link an address, at once usable: duplicate address detection would keep an IPv6 address
    /// tentative for about two seconds (RFC 4862, 5.4). Doing it twice is no error.
    ///
    /// # Errors
    /// When the link is missing, or the kernel refuses.
    pub fn add_address(&mut self, link: &str, address: IpNet) -> Result<(), NetlinkError> {
        let operation = || format!("add address {address} to `{link}`");
        let mut message = self.address_message(&operation, link, address)?;
        if address.addr().is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
            message
                .attributes
                .push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        self.change(
            &operation,
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    /// Takes an address from a link. One that is not there is no error.
    ///
    /// # Errors
    /// When the link is missing, or the kernel refuses.
    pub fn remove_address(&mut self, link: &str, address: IpNet) -> Result<(), NetlinkError> {
        let operation = || format!("remove address {address} from `{link}`");
        let message = self.address_message(&operation, link, address)?;
        match self.change(&operation, RouteNetlinkMessage::DelAddress(message), 0) {
            Err(error) if error.errno() == Some(libc::EADDRNOTAVAIL) => Ok(()),
            other => other,
        }
    }

    /// The addresses of a link, sorted.
    ///
    /// # Errors
    /// When the link is missing, or the kernel refuses.
    pub fn addresses(&mut self, link: &str) -> Result<Vec<IpNet>, NetlinkError> {
        let operation = || format!("list addresses of `{link}`");
        let index = self.index_of(&operation, link)?;
        let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let mut found = Vec::new();
        for answer in self.dump(&operation, &question)? {
            let RouteNetlinkMessage::NewAddress(message) = answer else {
                continue;
            };
            if message.header.index != index {
                continue;
            }
            // IFA_LOCAL is the address itself; IFA_ADDRESS alone (IPv6) is it too, beside IFA_LOCAL the peer's.
            let local = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(address) => Some(*address),
                _ => None,
            });
            let address = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            });
            if let Some(address) = local.or(address)
                && let Ok(net) = IpNet::new(address, message.header.prefix_len)
            {
                found.push(net);
            }
        }
        found.sort();
        Ok(found)
    }

    fn address_message(
        &mut self,
        operation: &dyn Fn() -> String,
        link: &str,
        address: IpNet,
    ) -> Result<AddressMessage, NetlinkError> {
        let mut message = AddressMessage::default();
        message.header.family = family(address.addr());
        message.header.prefix_len = address.prefix_len();
        message.header.index = self.index_of(operation, link)?;
        message.header.scope = match address.addr() {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => AddressScope::Link,
            _ => AddressScope::Universe,
        };
        message.attributes = vec![
            AddressAttribute::Local(address.addr()),
            AddressAttribute::Address(address.addr()),
        ];
        Ok(message)
    }
}
