//! Dropped packets, one by one, from the node's ring buffer.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use aya::maps::{Map, MapData, MapError, RingBuf};
use codegen_ebpf::datapath::Hook;
use codegen_ebpf::datapath::records::{EVENT, Reason};
use ir::policy::Direction;

use crate::pins::PinsError;

/// A packet that a program dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropEvent {
    /// The endpoint's number in the bundle.
    pub endpoint: u32,
    /// Which of its policies dropped the packet.
    pub direction: Direction,
    /// Why.
    pub reason: Reason,
    /// The row of the verdict table that decided; `None` when the packet never came to a verdict.
    pub row: Option<u32>,
    /// The pod's address; `None` when the packet was dropped before its addresses were read.
    pub local: Option<IpAddr>,
    /// The other side's address, as [`Self::local`].
    pub peer: Option<IpAddr>,
    /// IP protocol number (for ICMP and ICMPv6 the ports are the identifier and 0); 0 when not parsed.
    pub protocol: u8,
    /// The pod's port.
    pub local_port: u16,
    /// The other side's port.
    pub peer_port: u16,
    /// TCP flags, or the ICMP type.
    pub detail: u8,
    /// The packet's bytes, link-layer header included.
    pub length: u32,
}

/// A record that is not one of ours: the program and this loader are of different versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not the size of an event.
    #[error("an event of {0} bytes; events have {size}", size = EVENT.size)]
    Size(usize),
    /// No such reason.
    #[error("an event with the unknown reason {0}")]
    Reason(u8),
    /// No such hook.
    #[error("an event of the unknown hook {0}")]
    Hook(u8),
    /// No such address family.
    #[error("an event of the unknown address family {0}")]
    Family(u8),
}

impl DropEvent {
    /// Decodes one record of the ring buffer; the layout is `codegen_ebpf`'s [`EVENT`].
    ///
    /// # Errors
    /// [`EventError`].
    pub fn decode(record: &[u8]) -> Result<Self, EventError> {
        if record.len() != EVENT.size as usize {
            return Err(EventError::Size(record.len()));
        }
        let mut fields = Fields {
            rest: record,
            size: record.len(),
        };
        let (local, peer) = (fields.next::<16>()?, fields.next::<16>()?);
        let (local_port, peer_port) = (fields.next()?, fields.next()?);
        let [protocol, hook, _, _] = fields.next()?;
        let endpoint = u32::from_le_bytes(fields.next()?);
        let row = u32::from_le_bytes(fields.next()?);
        let [reason, family, detail, _] = fields.next()?;
        let length = u32::from_le_bytes(fields.next()?);
        let direction = match hook {
            n if n == Hook::ToPod.number() => Direction::Ingress,
            n if n == Hook::FromPod.number() => Direction::Egress,
            other => return Err(EventError::Hook(other)),
        };
        let address = |bytes: [u8; 16]| match family {
            0 => Ok(None),
            4 | 6 => Ok(Some(Ipv6Addr::from(bytes).to_canonical())),
            other => Err(EventError::Family(other)),
        };
        Ok(Self {
            endpoint,
            direction,
            reason: Reason::from_number(reason).ok_or(EventError::Reason(reason))?,
            row: (row != u32::MAX).then_some(row),
            local: address(local)?,
            peer: address(peer)?,
            protocol,
            local_port: u16::from_be_bytes(local_port),
            peer_port: u16::from_be_bytes(peer_port),
            detail,
            length,
        })
    }
}

/// The rest of a record.
struct Fields<'a> {
    rest: &'a [u8],
    size: usize,
}

impl Fields<'_> {
    fn next<const N: usize>(&mut self) -> Result<[u8; N], EventError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(EventError::Size(self.size))?;
        self.rest = rest;
        Ok(*field)
    }
}

/// The node's ring buffer of drops. One reader at a time: readers share its position.
pub struct Events {
    ring: RingBuf<MapData>,
}

impl Events {
    /// Opens a pinned ring buffer.
    ///
    /// # Errors
    /// When there is no such pin, or it is another map.
    pub fn open(pin: &Path) -> Result<Self, PinsError> {
        let map_error = |source| PinsError::Map {
            path: pin.to_owned(),
            source,
        };
        let map = MapData::from_pin(pin)
            .and_then(Map::from_map_data)
            .map_err(map_error)?;
        Self::of_map(map).map_err(map_error)
    }

    /// Takes the ring buffer of a program that is loaded and not pinned.
    ///
    /// # Errors
    /// When it is another map.
    pub fn of_map(map: Map) -> Result<Self, MapError> {
        Ok(Self {
            ring: RingBuf::try_from(map)?,
        })
    }

    /// Takes everything out that is there now, oldest first.
    pub fn drain(&mut self) -> Vec<Result<DropEvent, EventError>> {
        let mut events = Vec::new();
        while let Some(record) = self.ring.next() {
            events.push(DropEvent::decode(&record));
        }
        events
    }
}

/// Readable when there is something to drain.
impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(family: u8, local: Ipv6Addr, peer: Ipv6Addr) -> Vec<u8> {
        let mut record = Vec::new();
        record.extend(local.octets());
        record.extend(peer.octets());
        record.extend(80_u16.to_be_bytes());
        record.extend(40_000_u16.to_be_bytes());
        record.extend([6, 1, 0, 0]);
        record.extend(7_u32.to_le_bytes());
        record.extend(3_u32.to_le_bytes());
        record.extend([Reason::Policy.number(), family, 2, 0]);
        record.extend(74_u32.to_le_bytes());
        record
    }

    #[test]
    fn an_event_is_read_field_by_field() {
        let v4 = |text: &str| text.parse::<std::net::Ipv4Addr>().unwrap();
        let bytes = record(
            4,
            v4("10.1.0.5").to_ipv6_mapped(),
            v4("10.1.0.9").to_ipv6_mapped(),
        );
        let expected = DropEvent {
            endpoint: 7,
            direction: Direction::Egress,
            reason: Reason::Policy,
            row: Some(3),
            local: Some(v4("10.1.0.5").into()),
            peer: Some(v4("10.1.0.9").into()),
            protocol: 6,
            local_port: 80,
            peer_port: 40_000,
            detail: 2,
            length: 74,
        };
        assert_eq!(DropEvent::decode(&bytes), Ok(expected));
        let early = record(0, Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
        assert_eq!(DropEvent::decode(&early).map(|event| event.local), Ok(None));
    }

    #[test]
    fn the_layout_is_the_code_generators() {
        let offset = |name: &str| {
            EVENT
                .fields
                .iter()
                .find(|field| field.name == name)
                .unwrap()
                .offset
        };
        let base = record(6, Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        let changed = |name: &str, value: u8| {
            let mut bytes = base.clone();
            bytes[offset(name) as usize] = value;
            DropEvent::decode(&bytes)
        };
        assert_eq!(changed("reason", 8).unwrap().reason, Reason::Malformed);
        assert_eq!(changed("reason", 200), Err(EventError::Reason(200)));
        assert_eq!(changed("family", 9), Err(EventError::Family(9)));
        assert_eq!(changed("direction", 0).unwrap().direction, Direction::Ingress);
        assert_eq!(changed("direction", 2), Err(EventError::Hook(2)));
        assert_eq!(changed("protocol", 17).unwrap().protocol, 17);
        assert_eq!(changed("endpoint", 9).unwrap().endpoint, 9);
        assert_eq!(changed("row", 9).unwrap().row, Some(9));
        assert_eq!(changed("length", 9).unwrap().length, 9);
        assert_eq!(changed("detail", 9).unwrap().detail, 9);
        assert_eq!(changed("local_port", 1).unwrap().local_port, 0x0150);
        assert_eq!(changed("peer_port", 0).unwrap().peer_port, 0x0040);
        assert_eq!(DropEvent::decode(&base[1..]), Err(EventError::Size(55)));
    }
}
