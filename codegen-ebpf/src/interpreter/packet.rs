//! The packet and the `struct __sk_buff` through which a program sees it.

use super::fault::FaultKind;
use crate::insn::Size;

/// A packet with the metadata that `struct __sk_buff` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// All bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
    /// How many of them lie in the linear part, between `data` and `data_end`.
    pub linear_len: usize,
    /// EtherType as the kernel sees it, host byte order (`0x0800` for IPv4).
    pub protocol: u16,
    /// `skb->pkt_type`: 0 for this host.
    pub pkt_type: u32,
    /// `skb->mark`, writable.
    pub mark: u32,
    /// Device the packet came in by; 0 for one that the host sends itself.
    pub ingress_ifindex: u32,
    /// Device the program is attached to.
    pub ifindex: u32,
    /// VLAN tag held outside the bytes: (protocol, tag control information), host byte order.
    pub vlan: Option<(u16, u16)>,
    /// `skb->priority`, writable.
    pub priority: u32,
    /// `skb->hash`.
    pub hash: u32,
    /// Scratch space, writable.
    pub cb: [u32; 5],
    /// `skb->tc_index`, writable.
    pub tc_index: u32,
    /// `skb->tc_classid`, writable.
    pub tc_classid: u32,
    /// `skb->queue_mapping`, writable.
    pub queue_mapping: u32,
}

impl Packet {
    /// A fully linear Ethernet frame; `protocol` is read from the header (0 when it is cut off).
    #[must_use]
    pub fn ethernet(bytes: Vec<u8>) -> Self {
        let protocol = match bytes.get(12..14) {
            Some(&[high, low]) => u16::from_be_bytes([high, low]),
            _ => 0,
        };
        Self {
            linear_len: bytes.len(),
            bytes,
            protocol,
            pkt_type: 0,
            mark: 0,
            ingress_ifindex: 0,
            ifindex: 1,
            vlan: None,
            priority: 0,
            hash: 0,
            cb: [0; 5],
            tc_index: 0,
            tc_classid: 0,
            queue_mapping: 0,
        }
    }

    /// The same packet with only the first `len` bytes in the linear part.
    #[must_use]
    pub fn with_linear_len(mut self, len: usize) -> Self {
        self.linear_len = len.min(self.bytes.len());
        self
    }

    pub(super) fn linear(&self) -> &[u8] {
        self.bytes.get(..self.linear_len).unwrap_or(&self.bytes)
    }

    pub(super) fn linear_mut(&mut self) -> &mut [u8] {
        let len = self.linear_len.min(self.bytes.len());
        self.bytes.get_mut(..len).unwrap_or_default()
    }
}

/// What a load from the context gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// A number, already cut to the size of the load.
    Number(u64),
    /// `data`
    Data,
    /// `data_end`
    DataEnd,
}

/// Offset of `data` in `struct __sk_buff` (`include/uapi/linux/bpf.h`).
const DATA: i64 = 76;
/// Offset of `data_end`.
const DATA_END: i64 = 80;
/// Bytes of one field; those modelled here are all `__u32`.
const FIELD: i64 = 4;

/// Loads from the context: a field of four bytes, or an aligned part of one
/// (`bpf_ctx_narrow_access_ok`); the pointers only whole.
pub(super) fn load(packet: &Packet, offset: i64, size: Size) -> Result<Field, FaultKind> {
    let len = i64::from(size.bytes());
    let refused = FaultKind::Context {
        access: "load",
        offset,
        len: usize::from(size.bytes()),
    };
    if len > FIELD || offset < 0 || offset % len != 0 {
        return Err(refused);
    }
    if offset == DATA && size == Size::W {
        return Ok(Field::Data);
    }
    if offset == DATA_END && size == Size::W {
        return Ok(Field::DataEnd);
    }
    let within = offset % FIELD;
    let value = field(packet, offset - within).ok_or(refused)?;
    let bits = within.unsigned_abs() as u32 * 8;
    let value = u64::from(value) >> bits;
    Ok(Field::Number(value & (u64::MAX >> (64 - size.bits()))))
}

fn field(packet: &Packet, offset: i64) -> Option<u32> {
    // Protocol numbers are stored in network byte order, as `skb->protocol` is.
    let network = |n: u16| u32::from(n.to_be());
    Some(match offset {
        0 => u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX),
        4 => packet.pkt_type,
        8 => packet.mark,
        12 => packet.queue_mapping,
        16 => network(packet.protocol),
        20 => u32::from(packet.vlan.is_some()),
        24 => packet.vlan.map_or(0, |(_, tci)| u32::from(tci)),
        28 => packet.vlan.map_or(0, |(protocol, _)| network(protocol)),
        32 => packet.priority,
        36 => packet.ingress_ifindex,
        40 => packet.ifindex,
        44 => packet.tc_index,
        48..68 => {
            return packet
                .cb
                .get(usize::try_from((offset - 48) / FIELD).ok()?)
                .copied();
        }
        68 => packet.hash,
        72 => packet.tc_classid,
        _ => return None,
    })
}

/// Stores to the context: whole writable fields (`tc_cls_act_is_valid_access`), and the scratch
/// space `cb` in any aligned size up to four bytes is confined to whole words here.
pub(super) fn store(packet: &mut Packet, offset: i64, size: Size, value: u64) -> Result<(), FaultKind> {
    let refused = FaultKind::Context {
        access: "store",
        offset,
        len: usize::from(size.bytes()),
    };
    if size != Size::W {
        return Err(refused);
    }
    let field = match offset {
        8 => &mut packet.mark,
        12 => &mut packet.queue_mapping,
        32 => &mut packet.priority,
        44 => &mut packet.tc_index,
        72 => &mut packet.tc_classid,
        48..68 if offset % FIELD == 0 => {
            let index = usize::try_from((offset - 48) / FIELD).unwrap_or(usize::MAX);
            packet.cb.get_mut(index).ok_or(refused)?
        }
        _ => return Err(refused),
    };
    *field = value as u32;
    Ok(())
}
