//! What a register or a stack slot holds: a number, or a pointer that knows where it points.

use std::fmt;

use super::fault::FaultKind;
use super::maps::{EntryId, MapId};

/// The content of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Nothing has been written.
    Uninit,
    /// A number.
    Number(u64),
    /// An address with its provenance.
    Pointer(Pointer),
    /// A map, only good for passing to helpers.
    Map(MapId),
}

impl Value {
    /// A noun phrase for fault messages.
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::Uninit => "nothing",
            Self::Number(_) => "a number",
            Self::Pointer(_) => "a pointer",
            Self::Map(_) => "a map",
        }
    }
}

/// An address: a region and a distance from the region's start (for the stack: from `r10`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// What it points into.
    pub region: Region,
    /// Bytes from the region's origin.
    pub offset: i64,
    /// For what a helper returned: the number of that call, until the result is compared with 0.
    pub nullable: Option<u32>,
}

impl Pointer {
    pub(super) const fn new(region: Region, offset: i64) -> Self {
        Self {
            region,
            offset,
            nullable: None,
        }
    }

    /// The pointer `delta` bytes further.
    pub(super) fn moved(self, delta: i64) -> Result<Self, FaultKind> {
        /// `BPF_MAX_VAR_OFF` in the kernel's `include/linux/bpf_verifier.h`.
        const MAX_OFFSET: i64 = 1 << 29;
        match self.region {
            Region::PacketEnd { .. } => {
                return Err(FaultKind::PointerLeak {
                    what: "arithmetic on data_end",
                });
            }
            Region::Context => {
                return Err(FaultKind::PointerLeak {
                    what: "arithmetic on the context",
                });
            }
            _ => {}
        }
        let offset = self.offset.saturating_add(delta);
        if offset.saturating_abs() >= MAX_OFFSET {
            return Err(FaultKind::PointerTooFar {
                region: self.region,
                offset,
            });
        }
        Ok(Self { offset, ..self })
    }
}

/// A piece of memory. Pointers into different regions cannot be mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Region {
    /// The 512 bytes below `r10`.
    Stack,
    /// `struct __sk_buff`.
    Context,
    /// The linear part of the packet. Helpers that may move it begin a new generation.
    Packet {
        /// How many times the packet may have moved.
        generation: u32,
    },
    /// The end of the linear part, only good for comparisons.
    PacketEnd {
        /// How many times the packet may have moved.
        generation: u32,
    },
    /// The value of a map entry.
    Entry {
        /// Which map.
        map: MapId,
        /// Which entry of it.
        entry: EntryId,
    },
    /// A reserved, not yet submitted record of a ring buffer.
    Record {
        /// Which reservation of this run.
        record: u32,
    },
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack => f.write_str("the stack"),
            Self::Context => f.write_str("the context"),
            Self::Packet { .. } => f.write_str("the packet"),
            Self::PacketEnd { .. } => f.write_str("the packet's end"),
            Self::Entry { map, .. } => write!(f, "a value of map {map}"),
            Self::Record { .. } => f.write_str("a ring buffer record"),
        }
    }
}
