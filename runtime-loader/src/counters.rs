//! What became of the packets, by reason.

use std::path::Path;

use aya::maps::{Map, MapData, MapError, PerCpuArray};
use codegen_ebpf::datapath::Hook;
use codegen_ebpf::datapath::records::{COUNTER_VALUE, Reason};
use ir::policy::Direction;

use crate::pins::PinsError;

/// The program that enforces a direction, in the code generator's terms.
#[must_use]
pub fn hook_of(direction: Direction) -> Hook {
    match direction {
        Direction::Ingress => Hook::ToPod,
        Direction::Egress => Hook::FromPod,
    }
}

/// Packets and their bytes, link-layer header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What one direction's program counted, for every reason in the order of [`Reason::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    counts: Vec<(Reason, Count)>,
}

/// The layout that [`Counters::read`] takes apart: packets, bytes.
const _: () = assert!(COUNTER_VALUE.size as usize == size_of::<[u64; 2]>());

impl Counters {
    /// Reads pinned counters, summed over the processors.
    ///
    /// # Errors
    /// When there is no such pin, or it is another map.
    pub fn read(pin: &Path, direction: Direction) -> Result<Self, PinsError> {
        let map_error = |source| PinsError::Map {
            path: pin.to_owned(),
            source,
        };
        let map = MapData::from_pin(pin)
            .and_then(Map::from_map_data)
            .map_err(map_error)?;
        Self::of_loaded(&map, direction).map_err(map_error)
    }

    /// Reads the counters of a program that is loaded and not pinned.
    ///
    /// # Errors
    /// When it is another map.
    pub fn of_loaded(map: &Map, direction: Direction) -> Result<Self, MapError> {
        let counters = PerCpuArray::<&MapData, [u64; 2]>::try_from(map)?;
        let hook = u32::from(hook_of(direction).number());
        let mut counts = Vec::with_capacity(Reason::ALL.len());
        for reason in Reason::ALL {
            let key = (hook << 4) | u32::from(reason.number());
            let mut count = Count::default();
            for [packets, bytes] in counters.get(&key, 0)?.iter() {
                count.packets += packets;
                count.bytes += bytes;
            }
            counts.push((reason, count));
        }
        Ok(Self { counts })
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, Count)> {
        self.counts.iter().copied()
    }

    /// One reason's count.
    #[must_use]
    pub fn of(&self, reason: Reason) -> Count {
        self.iter()
            .find(|(r, _)| *r == reason)
            .map(|(_, count)| count)
            .unwrap_or_default()
    }

    /// Packets let through.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.iter()
            .filter(|(reason, _)| reason.passes())
            .map(|(_, count)| count.packets)
            .sum()
    }

    /// Packets dropped. A lost event is no packet: the drop it belongs to is counted by its own reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.iter()
            .filter(|(reason, _)| !reason.passes() && *reason != Reason::EventLost)
            .map(|(_, count)| count.packets)
            .sum()
    }
}
