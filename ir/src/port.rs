//! Protocols and ports: what a rule says of the transport, before names are resolved.

use std::fmt;

use crate::origin::Origin;

/// An IP protocol that policies can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, protocol number 6.
    Tcp,
    /// UDP, protocol number 17.
    Udp,
    /// SCTP, protocol number 132.
    Sctp,
    /// ICMP, protocol number 1; the "port" of a flow is the message type.
    Icmp,
    /// ICMPv6, protocol number 58; the "port" of a flow is the message type.
    Icmpv6,
    /// Every other protocol; the "port" of a flow is 0. Only rules without ports match it.
    Other,
}

impl Protocol {
    /// Every protocol, in order.
    pub const ALL: [Self; 6] = [
        Self::Tcp,
        Self::Udp,
        Self::Sctp,
        Self::Icmp,
        Self::Icmpv6,
        Self::Other,
    ];
    /// The protocols that have ports.
    pub const TRANSPORT: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The highest value that the port of a flow of this protocol can have (the lowest is 0).
    #[must_use]
    pub fn highest_port(self) -> u16 {
        match self {
            Self::Tcp | Self::Udp | Self::Sctp => u16::MAX,
            Self::Icmp | Self::Icmpv6 => u8::MAX as u16,
            Self::Other => 0,
        }
    }

    /// Whether this protocol's ports are ports (and not message types).
    #[must_use]
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp | Self::Sctp)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmp => "ICMP",
            Self::Icmpv6 => "ICMPv6",
            Self::Other => "other",
        })
    }
}

/// The protocols that one port entry of a rule covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolSet {
    /// Exactly this one.
    One(Protocol),
    /// `ANY`: TCP, UDP and SCTP (the default of `cilium.io/v2`).
    AnyTransport,
}

impl ProtocolSet {
    /// Whether `protocol` is covered.
    #[must_use]
    pub fn contains(self, protocol: Protocol) -> bool {
        match self {
            Self::One(one) => one == protocol,
            Self::AnyTransport => protocol.has_ports(),
        }
    }
}

impl fmt::Display for ProtocolSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(protocol) => protocol.fmt(f),
            Self::AnyTransport => f.write_str("ANY"),
        }
    }
}

/// What one port entry of a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortMatch {
    /// Destination ports `first..=last`; `0..=65535` is every port.
    Numbers {
        /// The protocols covered.
        protocol: ProtocolSet,
        /// Lowest port.
        first: u16,
        /// Highest port, at least `first`.
        last: u16,
    },
    /// The numbers that the *destination* gives this name, each destination by itself.
    Name {
        /// The protocols covered.
        protocol: ProtocolSet,
        /// The port's name; compared without case.
        name: String,
    },
    /// One ICMP (`Protocol::Icmp`) or ICMPv6 (`Protocol::Icmpv6`) message type.
    Icmp {
        /// Which of the two.
        protocol: Protocol,
        /// The message type.
        message_type: u8,
    },
}

/// One port entry of a rule, with its place in the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// What it matches.
    pub matches: PortMatch,
    /// Where it was written.
    pub origin: Origin,
}

/// The ports of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// The rule names no ports: every protocol, with or without ports.
    Any,
    /// One of these; the empty list matches nothing.
    OneOf(Vec<Port>),
}
