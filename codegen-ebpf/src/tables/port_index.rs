//! Port index: from a port to its row by two loads, where a tree of jumps would grow large.
//!
//! | part | contents |
//! |---|---|
//! | pages | for each value of the port's upper byte, the number of a chunk, 2 bytes each |
//! | chunks | for each value of the lower byte, the row's position among the protocol's rows, 2 bytes each; equal chunks once |
//! | leaves | for each row 4 bytes: 0 denied, 1 let through, else the offset of its matrix row in `.rodata` |

use std::collections::BTreeMap;

use super::verdicts::{Entry, Leaf};
use super::{TablesError, offset};

/// From this many rows of a protocol on, there is an index instead of a tree. A tree of 64 rows is six jumps deep.
pub const MIN_ROWS: usize = 65;

/// A leaf's number for a denied row.
pub const DENIED: u32 = 0;
/// A leaf's number for a row that lets everybody through. No matrix row lies at this offset, because of the magic.
pub const ALLOWED: u32 = 1;

/// Where the parts of one protocol's index lie in `.rodata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortIndex {
    /// The pages.
    pub pages: u32,
    /// The chunks.
    pub chunks: u32,
    /// Highest number of a chunk.
    pub last_chunk: u16,
    /// The leaves.
    pub leaves: u32,
    /// Highest position of a row.
    pub last_entry: u16,
    /// Row of the verdict table at position 0; the others follow it.
    pub first_row: u32,
}

impl PortIndex {
    /// Builds the index of `entries` at the end of `rodata`; `None` where a tree is small enough.
    ///
    /// # Errors
    /// [`TablesError::TooLarge`]
    pub fn build(entries: &[Entry], rodata: &mut Vec<u8>) -> Result<Option<Self>, TablesError> {
        let (Some(first), true) = (entries.first(), entries.len() >= MIN_ROWS) else {
            return Ok(None);
        };
        let mut known: BTreeMap<Vec<u16>, u16> = BTreeMap::new();
        let mut pages = Vec::new();
        let mut chunks = Vec::new();
        let mut ports = 0..=u16::MAX;
        for _ in 0..256 {
            let chunk: Vec<u16> = ports
                .by_ref()
                .take(256)
                .map(|port| {
                    let after = entries.partition_point(|entry| entry.first <= port);
                    // At most one row for each port, so that positions fit.
                    u16::try_from(after.saturating_sub(1)).unwrap_or(u16::MAX)
                })
                .collect();
            let next = u16::try_from(known.len()).unwrap_or(u16::MAX);
            let number = *known.entry(chunk).or_insert_with_key(|chunk| {
                chunks.extend(chunk);
                next
            });
            pages.push(number);
        }
        rodata.resize(rodata.len().next_multiple_of(8), 0);
        let mut put = |numbers: &[u16]| -> Result<u32, TablesError> {
            let at = offset(rodata)?;
            rodata.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            Ok(at)
        };
        let pages = put(&pages)?;
        let chunks = put(&chunks)?;
        let leaves = offset(rodata)?;
        for entry in entries {
            let leaf = match entry.leaf {
                Leaf::Deny => DENIED,
                Leaf::Allow => ALLOWED,
                Leaf::Row(offset) => offset,
            };
            rodata.extend(leaf.to_le_bytes());
        }
        let last = |count: usize| u16::try_from(count.saturating_sub(1)).unwrap_or(u16::MAX);
        Ok(Some(Self {
            pages,
            chunks,
            last_chunk: last(known.len()),
            leaves,
            last_entry: last(entries.len()),
            first_row: first.row,
        }))
    }
}
