//! The C structs that programs share with user space, and the maps that hold them. Numbers are little-endian unless
//! they are said to be in network order.

use crate::maps::{Field, FieldType, MapKind, MapSpec, Record};

/// `TCX_NEXT`, and `TC_ACT_UNSPEC` to a classifier in direct-action mode: the packet goes on to what else is attached
/// at the hook. `TC_ACT_OK` would end the hook here and silence the programs behind ours.
pub const PASS: i32 = -1;
/// `TC_ACT_SHOT`, `TCX_DROP`
pub const DROP: i32 = 2;

/// What became of a packet. The number is the lower half of the key in [`COUNTERS`] and stands in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Let through by the policy.
    Allowed = 0,
    /// Let through as part of a flow that the opposite direction allows.
    Reply = 1,
    /// Let through because IP needs it: ARP, and IPv6 neighbour discovery on the link.
    Neighbour = 2,
    /// Let through by the policy, but there was no room to remember the flow; replies may be dropped.
    Untracked = 3,
    /// Denied by the policy.
    Policy = 4,
    /// From the pod, with a source address that is not the pod's; or to the pod from elsewhere, with the source address
    /// of the pod's own node.
    Spoofed = 5,
    /// To the pod, with a destination address that is not the pod's.
    Foreign = 6,
    /// A header ends behind the end of the packet.
    Truncated = 7,
    /// A header contradicts itself.
    Malformed = 8,
    /// A header that may hide the transport (an IPv6 extension header, or IPsec's authentication header in either
    /// family), or too many of them; a routing header to elsewhere; ICMP of the wrong family.
    UnknownHeader = 9,
    /// A later fragment: it has no ports to judge it by.
    Fragment = 10,
    /// Neither IPv4, IPv6 nor ARP.
    EtherType = 11,
    /// An event that found no room in the ring buffer. Counted beside the drop itself.
    EventLost = 12,
    /// A bound that only a bug can exceed.
    Internal = 13,
}

impl Reason {
    /// All, in order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Allowed,
        Self::Reply,
        Self::Neighbour,
        Self::Untracked,
        Self::Policy,
        Self::Spoofed,
        Self::Foreign,
        Self::Truncated,
        Self::Malformed,
        Self::UnknownHeader,
        Self::Fragment,
        Self::EtherType,
        Self::EventLost,
        Self::Internal,
    ];

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The name that reports print.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Reply => "reply",
            Self::Neighbour => "neighbour",
            Self::Untracked => "untracked",
            Self::Policy => "policy",
            Self::Spoofed => "spoofed",
            Self::Foreign => "foreign",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::UnknownHeader => "unknown-header",
            Self::Fragment => "fragment",
            Self::EtherType => "ethertype",
            Self::EventLost => "event-lost",
            Self::Internal => "internal",
        }
    }

    /// Whether the packet is let through.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Self::Allowed | Self::Reply | Self::Neighbour | Self::Untracked
        )
    }
}

const fn field(name: &'static str, offset: u32, field_type: FieldType) -> Field {
    Field {
        name,
        offset,
        field_type,
    }
}

/// A flow as one endpoint sees it. IPv4 addresses are v4-mapped (`::ffff:a.b.c.d`); ports are in network order. For
/// ICMP echo, `local_port` is the identifier and `peer_port` 0. `direction` is the hook ([`super::Hook::number`])
/// that let the flow's first packet through, and `padding` is 0.
pub const FLOW_KEY: Record = Record {
    name: "flow_key",
    size: 40,
    fields: &[
        field("local", 0, FieldType::Bytes(16)),
        field("peer", 16, FieldType::Bytes(16)),
        field("local_port", 32, FieldType::U16),
        field("peer_port", 34, FieldType::U16),
        field("protocol", 36, FieldType::U8),
        field("direction", 37, FieldType::U8),
        field("padding", 38, FieldType::U16),
    ],
};

/// When a packet of the flow was last let through, in nanoseconds of `CLOCK_MONOTONIC_COARSE`.
pub const FLOW_VALUE: Record = Record {
    name: "flow_value",
    size: 8,
    fields: &[field("last_seen", 0, FieldType::U64)],
};

/// `hook << 4 | reason`.
pub const COUNTER_KEY: Record = Record {
    name: "counter_key",
    size: 4,
    fields: &[field("counter_key", 0, FieldType::U32)],
};

/// Packets and their bytes, link-layer header included.
pub const COUNTER_VALUE: Record = Record {
    name: "counter",
    size: 16,
    fields: &[
        field("packets", 0, FieldType::U64),
        field("bytes", 8, FieldType::U64),
    ],
};

/// One dropped packet. Begins with the flow's [`FLOW_KEY`], where `direction` is the hook that dropped it. What was
/// not parsed is 0. `row` is the row of the verdict table (`u32::MAX` before the verdict), `detail` the TCP flags or
/// the ICMP type, `length` the packet's length.
pub const EVENT: Record = Record {
    name: "drop_event",
    size: 56,
    fields: &[
        field("local", 0, FieldType::Bytes(16)),
        field("peer", 16, FieldType::Bytes(16)),
        field("local_port", 32, FieldType::U16),
        field("peer_port", 34, FieldType::U16),
        field("protocol", 36, FieldType::U8),
        field("direction", 37, FieldType::U8),
        field("padding", 38, FieldType::U16),
        field("endpoint", 40, FieldType::U32),
        field("row", 44, FieldType::U32),
        field("reason", 48, FieldType::U8),
        field("family", 49, FieldType::U8),
        field("detail", 50, FieldType::U8),
        field("padding2", 51, FieldType::U8),
        field("length", 52, FieldType::U32),
    ],
};

/// Flows that were let through, shared by all programs of a node.
pub const CONNTRACK: MapSpec = MapSpec {
    name: "conntrack",
    kind: MapKind::LruHash,
    key: Some(FLOW_KEY),
    value: Some(FLOW_VALUE),
    max_entries: 262_144,
};

/// Packets by what became of them.
pub const COUNTERS: MapSpec = MapSpec {
    name: "counters",
    kind: MapKind::PerCpuArray,
    key: Some(COUNTER_KEY),
    value: Some(COUNTER_VALUE),
    max_entries: 32,
};

/// Dropped packets ([`EVENT`]), shared by all programs of a node.
pub const EVENTS: MapSpec = MapSpec {
    name: "events",
    kind: MapKind::RingBuffer,
    key: None,
    value: None,
    max_entries: 262_144,
};

/// Every map, in the order of their definitions in an object.
pub const MAPS: [MapSpec; 3] = [CONNTRACK, COUNTERS, EVENTS];
