//! A small blocking rtnetlink client: links, addresses, routes and neighbours of one network namespace.
//!
//! Blocking, because its users live for milliseconds (the CNI plugin) or set up one thing after the other (the
//! lab); the agent's watch over the kernel's notifications is another matter. The socket belongs to the
//! namespace of the thread that opened it and may be used from any thread.
//!
//! Every error names the operation and its objects and carries the kernel's errno and, where the kernel gives
//! one, its extended acknowledgement ("Nexthop has invalid gateway").

mod address;
mod filter;
mod link;
mod neighbour;
mod route;

pub use filter::{ClsactSide, Filter, FilterPlace};
pub use link::{Link, MacAddress, Veth, VethPeer};
pub use route::{OUR_PROTOCOL, RouteEntry};

use std::io;

use netlink_packet_core::{
    DefaultNla, ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, Nla, NlasIterator, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// What went wrong between us and the kernel's rtnetlink.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The kernel refused an operation.
    #[error("cannot {operation}: {source}{}", detail.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
    Refused {
        /// The operation with its objects, as an infinitive: ``add address 10.0.0.1/32 to `eth0` ``.
        operation: String,
        /// The kernel's errno.
        source: io::Error,
        /// The kernel's extended acknowledgement.
        detail: Option<String>,
    },
    /// The socket itself failed.
    #[error("cannot {operation}: the rtnetlink socket failed: {source}")]
    Socket {
        /// What was under way.
        operation: String,
        /// The system call's error.
        source: io::Error,
    },
    /// The kernel's answer could not be read: a bug of ours or of the decoder.
    #[error("cannot {operation}: unreadable rtnetlink answer: {message}")]
    Answer {
        /// What was under way.
        operation: String,
        /// What could not be read.
        message: String,
    },
    /// An operation needs a link that is not there.
    #[error("cannot {operation}: no link `{link}`")]
    NoLink {
        /// What was under way.
        operation: String,
        /// The link's name.
        link: String,
    },
    /// A link has no carrier: the other end is down.
    #[error("cannot {operation}: it has no carrier after {limit:?}")]
    NotRunning {
        /// What was under way.
        operation: String,
        /// For how long it was waited.
        limit: std::time::Duration,
    },
}

impl NetlinkError {
    /// The errno with which the kernel refused, if it did.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// An rtnetlink socket.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// When the kernel refuses the socket.
    pub fn open() -> Result<Self, NetlinkError> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            // Extended acknowledgements, without our request copied back before them.
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            Ok(socket)
        };
        let socket = open().map_err(|source| NetlinkError::Socket {
            operation: "open rtnetlink".into(),
            source,
        })?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends a change and waits for its acknowledgement.
    fn change(
        &mut self,
        operation: &dyn Fn() -> String,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), NetlinkError> {
        self.exchange(operation, message, NLM_F_REQUEST | NLM_F_ACK | flags)
            .map(drop)
    }

    /// Asks for everything of a kind.
    fn dump(
        &mut self,
        operation: &dyn Fn() -> String,
        message: &RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        loop {
            let (answers, interrupted) =
                self.exchange(operation, message.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            // The kernel marks a dump that a concurrent change made inconsistent; ask again.
            if !interrupted {
                return Ok(answers);
            }
        }
    }

    /// Asks for one object.
    fn get(
        &mut self,
        operation: &dyn Fn() -> String,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        Ok(self.exchange(operation, message, NLM_F_REQUEST | NLM_F_ACK)?.0)
    }

    /// One request and all of its answers, up to the acknowledgement or the end of the dump.
    fn exchange(
        &mut self,
        operation: &dyn Fn() -> String,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(Vec<RouteNetlinkMessage>, bool), NetlinkError> {
        let broken = |source| NetlinkError::Socket {
            operation: operation(),
            source,
        };
        let unreadable = |message: String| NetlinkError::Answer {
            operation: operation(),
            message,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map_err(broken)?;

        let mut answers = Vec::new();
        let mut interrupted = false;
        loop {
            let (datagram, _) = self.socket.recv_from_full().map_err(broken)?;
            let mut rest = datagram.as_slice();
            while !rest.is_empty() {
                let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|error| unreadable(error.to_string()))?;
                // Messages are padded to four bytes within a datagram (NLMSG_ALIGN).
                let length = (answer.header.length as usize)
                    .next_multiple_of(4)
                    .min(rest.len());
                rest = rest.get(length..).unwrap_or_default();
                if length == 0 {
                    return Err(unreadable("a message of length 0".into()));
                }
                // Left over from an exchange that an error broke off.
                if answer.header.sequence_number != self.sequence {
                    continue;
                }
                interrupted |= answer.header.flags & NLM_F_DUMP_INTR != 0;
                match answer.payload {
                    NetlinkPayload::Done(_) => return Ok((answers, interrupted)),
                    NetlinkPayload::Error(error) if error.code.is_none() => {
                        return Ok((answers, interrupted));
                    }
                    NetlinkPayload::Error(error) => {
                        return Err(NetlinkError::Refused {
                            operation: operation(),
                            source: error.to_io(),
                            detail: extended_acknowledgement(&error),
                        });
                    }
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    _ => {}
                }
            }
        }
    }
}

/// The text of `NLMSGERR_ATTR_MSG` behind the request's header (include/uapi/linux/netlink.h).
fn extended_acknowledgement(error: &ErrorMessage) -> Option<String> {
    const NLMSGERR_ATTR_MSG: u16 = 1;
    const REQUEST_HEADER: usize = 16;
    let attributes = error.header.get(REQUEST_HEADER..)?;
    NlasIterator::new(attributes).flatten().find_map(|attribute| {
        let attribute = DefaultNla::parse(&attribute).ok()?;
        if attribute.kind() != NLMSGERR_ATTR_MSG {
            return None;
        }
        let mut text = vec![0; attribute.value_len()];
        attribute.emit_value(&mut text);
        let text = String::from_utf8_lossy(&text);
        Some(text.trim_end_matches('\0').to_owned())
    })
}
