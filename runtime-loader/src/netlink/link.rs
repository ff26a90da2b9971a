//! Links: veth pairs, bridges, up, down, gone.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use super::{Netlink, NetlinkError};

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// A link as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Interface index, unique within the namespace.
    pub index: u32,
    /// Interface name, at most 15 bytes.
    pub name: String,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// Operationally up (`IFF_RUNNING`): packets can go out.
    pub running: bool,
    /// Ethernet address, where it has one.
    pub mac: Option<MacAddress>,
}

/// A veth pair to create: the near end in the client's own namespace.
#[derive(Clone, Copy, Debug)]
pub struct Veth<'a> {
    /// Name of the near end.
    pub name: &'a str,
    /// Ethernet address of the near end.
    pub mac: MacAddress,
    /// The far end.
    pub peer: VethPeer<'a>,
}

/// The far end of a veth pair.
#[derive(Clone, Copy, Debug)]
pub struct VethPeer<'a> {
    /// Name within its namespace.
    pub name: &'a str,
    /// Ethernet address.
    pub mac: MacAddress,
    /// The namespace it is created in. Created there, a pair costs half a millisecond; moved there afterwards
    /// it costs 17 ms, and for a moment the far end would stand in the wrong namespace.
    pub namespace: BorrowedFd<'a>,
}

impl Netlink {
    /// Creates a veth pair, both ends down.
    ///
    /// # Errors
    /// `EEXIST` when either name is taken.
    pub fn create_veth(&mut self, veth: &Veth<'_>) -> Result<(), NetlinkError> {
        let mut peer = LinkMessage::default();
        peer.attributes = vec![
            LinkAttribute::IfName(veth.peer.name.to_owned()),
            LinkAttribute::Address(veth.peer.mac.0.to_vec()),
            LinkAttribute::NetNsFd(veth.peer.namespace.as_raw_fd()),
        ];
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(veth.name.to_owned()),
            LinkAttribute::Address(veth.mac.0.to_vec()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        self.change(
            &|| format!("create veth pair `{}` ↔ `{}`", veth.name, veth.peer.name),
            RouteNetlinkMessage::NewLink(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Creates a bridge, down, that does not snoop multicast: neighbour discovery must not wait for queries.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken.
    pub fn create_bridge(&mut self, name: &str) -> Result<(), NetlinkError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Bridge),
                LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::MulticastSnooping(false)])),
            ]),
        ];
        self.change(
            &|| format!("create bridge `{name}`"),
            RouteNetlinkMessage::NewLink(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Makes a link a port of a bridge.
    ///
    /// # Errors
    /// When either is missing, or the kernel refuses.
    pub fn set_bridge(&mut self, link: &str, bridge: &str) -> Result<(), NetlinkError> {
        let operation = || format!("make `{link}` a port of bridge `{bridge}`");
        let controller = self.index_of(&operation, bridge)?;
        let mut message = LinkMessage::default();
        message.header.index = self.index_of(&operation, link)?;
        message.attributes = vec![LinkAttribute::Controller(controller)];
        self.change(&operation, RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Brings a link up. Doing it twice is no error.
    ///
    /// # Errors
    /// When the link is missing, or the kernel refuses.
    pub fn set_up(&mut self, link: &str) -> Result<(), NetlinkError> {
        let operation = || format!("bring `{link}` up");
        let mut message = LinkMessage::default();
        message.header.index = self.index_of(&operation, link)?;
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.change(&operation, RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Waits until packets can go out of a link that was brought up.
    ///
    /// The end of a veth pair that is brought up first has no carrier yet. When the other end follows, its carrier
    /// comes on at once, but the queue behind it only when the kernel's link watch gets to run
    /// (`linkwatch_do_dev`, net/core/link_watch.c); until then what is sent is dropped without an error. The
    /// operational state changes together with the queue.
    ///
    /// # Errors
    /// When the link is missing, or not running after `limit`.
    pub fn wait_until_running(&mut self, link: &str, limit: Duration) -> Result<(), NetlinkError> {
        let operation = || format!("wait for `{link}` to run");
        let end = Instant::now() + limit;
        loop {
            match self.link(link)? {
                Some(found) if found.running => return Ok(()),
                Some(_) if Instant::now() < end => thread::sleep(Duration::from_millis(1)),
                Some(_) => {
                    return Err(NetlinkError::NotRunning {
                        operation: operation(),
                        limit,
                    });
                }
                None => {
                    return Err(NetlinkError::NoLink {
                        operation: operation(),
                        link: link.to_owned(),
                    });
                }
            }
        }
    }

    /// Deletes a link (for a veth, both ends). One that is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn delete_link(&mut self, link: &str) -> Result<(), NetlinkError> {
        let operation = || format!("delete link `{link}`");
        let Some(found) = self.link(link)? else {
            return Ok(());
        };
        let mut message = LinkMessage::default();
        message.header.index = found.index;
        self.change(&operation, RouteNetlinkMessage::DelLink(message), 0)
    }

    /// The link of this name, if there is one.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>, NetlinkError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        match self.get(
            &|| format!("look up link `{name}`"),
            RouteNetlinkMessage::GetLink(message),
        ) {
            Ok(answers) => Ok(answers.into_iter().find_map(read_link)),
            Err(error) if error.errno() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every link of the namespace, by index.
    ///
    /// # Errors
    /// When the kernel refuses the question.
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        let message = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut links: Vec<Link> = self
            .dump(&|| "list links".into(), &message)?
            .into_iter()
            .filter_map(read_link)
            .collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// The index of a link that an operation cannot do without.
    pub(super) fn index_of(
        &mut self,
        operation: &dyn Fn() -> String,
        name: &str,
    ) -> Result<u32, NetlinkError> {
        match self.link(name)? {
            Some(link) => Ok(link.index),
            None => Err(NetlinkError::NoLink {
                operation: operation(),
                link: name.to_owned(),
            }),
        }
    }
}

fn read_link(message: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else {
        return None;
    };
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        up: message.header.flags.contains(LinkFlags::Up),
        running: message.header.flags.contains(LinkFlags::Running),
        mac: None,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(bytes) => link.mac = bytes.try_into().ok().map(MacAddress),
            _ => {}
        }
    }
    Some(link)
}
