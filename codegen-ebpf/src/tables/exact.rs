//! Exact addresses: a hash table with two choices of bucket for each key.
//!
//! A lookup reads both buckets and compares whole keys, so that a hit is a proof and only completeness rests on the
//! hash function. The function has no secret: a table is built for given keys, and when they do not fit, the next
//! pair of multipliers is tried, then twice the buckets.
//!
//! | family | slots | bucket |
//! |---|---|---|
//! | IPv4 | 4 | 4 addresses of 4 bytes, 4 columns of 2, padding to 32 |
//! | IPv6 | 3 | 3 addresses as two 8-byte halves (upper first), 3 columns of 2, padding to 64 |
//!
//! Numbers are little-endian, addresses in host order. An empty slot has key 0 and column 0; so the key 0 (the
//! unspecified address) cannot be stored, and a program that finds column 0 has missed.

use super::{TablesError, offset};

/// The form of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// 32-bit keys.
    V4,
    /// 128-bit keys.
    V6,
}

impl Shape {
    /// Keys in one bucket.
    #[must_use]
    pub const fn slots(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 3,
        }
    }

    /// Bytes of one key.
    #[must_use]
    pub const fn key_size(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// Base-2 logarithm of the bytes of one bucket.
    #[must_use]
    pub const fn bucket_shift(self) -> u32 {
        match self {
            Self::V4 => 5,
            Self::V6 => 6,
        }
    }

    /// Bytes from the start of a bucket to its first column.
    #[must_use]
    pub const fn columns_at(self) -> usize {
        self.slots() * self.key_size()
    }
}

/// The multipliers of one pair of hash functions; all odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multipliers {
    /// Folds the upper half of an IPv6 address into the lower.
    pub fold: u64,
    /// Of the first and second choice. IPv4 uses the lower 32 bits.
    pub choices: [u64; 2],
}

impl Multipliers {
    /// The `round`th set, from the splitmix64 sequence.
    #[must_use]
    pub fn of(round: u64) -> Self {
        let number = |index: u64| {
            let mut z = (3 * round + index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) | 1
        };
        Self {
            fold: number(0),
            choices: [number(1), number(2)],
        }
    }
}

/// A table in `.rodata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exact {
    /// Its form.
    pub shape: Shape,
    /// Keys stored; 0 means that there is no table.
    pub keys: usize,
    /// Where its first bucket lies in `.rodata`.
    pub offset: u32,
    /// Base-2 logarithm of the number of buckets.
    pub bits: u32,
    /// The hash functions.
    pub multipliers: Multipliers,
}

/// Pairs of hash functions tried before the table grows.
const ROUNDS: u64 = 16;
/// Largest table tried: 2^24 buckets.
const MAX_BITS: u32 = 24;

impl Exact {
    /// Builds the table for `entries` (distinct keys other than 0 with their columns, ascending) at the end of `rodata`.
    ///
    /// # Errors
    /// [`TablesError::NoTable`] when even the largest table does not do.
    pub fn build(shape: Shape, entries: &[(u128, u16)], rodata: &mut Vec<u8>) -> Result<Self, TablesError> {
        let mut table = Self {
            keys: entries.len(),
            ..Self::none(shape)
        };
        if entries.is_empty() {
            return Ok(table);
        }
        let bucket = 1 << shape.bucket_shift();
        rodata.resize(rodata.len().next_multiple_of(bucket), 0);
        table.offset = offset(rodata)?;
        // About 80 per cent full: two choices of such buckets hold that much almost always.
        let buckets = (entries.len() * 5)
            .div_ceil(shape.slots() * 4)
            .next_power_of_two();
        for bits in buckets.trailing_zeros()..=MAX_BITS {
            for round in 0..ROUNDS {
                table.bits = bits;
                table.multipliers = Multipliers::of(round);
                if let Some(bytes) = table.fill(entries) {
                    rodata.extend(bytes);
                    return Ok(table);
                }
            }
        }
        Err(TablesError::NoTable {
            addresses: entries.len(),
            buckets: 1 << MAX_BITS,
        })
    }

    /// No table.
    pub(super) fn none(shape: Shape) -> Self {
        Self {
            shape,
            keys: 0,
            offset: 0,
            bits: 0,
            multipliers: Multipliers::of(0),
        }
    }

    /// The two buckets of a key. The program computes the same.
    #[must_use]
    pub fn buckets(&self, key: u128) -> [usize; 2] {
        self.multipliers.choices.map(|multiplier| {
            if self.bits == 0 {
                return 0;
            }
            match self.shape {
                Shape::V4 => ((key as u32).wrapping_mul(multiplier as u32) >> (32 - self.bits)) as usize,
                Shape::V6 => {
                    let folded = ((key >> 64) as u64).wrapping_mul(self.multipliers.fold) ^ key as u64;
                    (folded.wrapping_mul(multiplier) >> (64 - self.bits)) as usize
                }
            }
        })
    }

    /// The table's bytes, or `None` when both buckets of some key are full.
    fn fill(&self, entries: &[(u128, u16)]) -> Option<Vec<u8>> {
        let mut buckets: Vec<Vec<(u128, u16)>> = vec![Vec::new(); 1 << self.bits];
        for entry in entries {
            let [first, second] = self.buckets(entry.0);
            let load = |index: usize| buckets.get(index).map(Vec::len);
            let index = if load(second)? < load(first)? {
                second
            } else {
                first
            };
            let bucket = buckets.get_mut(index)?;
            if bucket.len() == self.shape.slots() {
                return None;
            }
            bucket.push(*entry);
        }
        let size = 1 << self.shape.bucket_shift();
        let mut bytes = Vec::with_capacity(buckets.len() * size);
        for bucket in buckets {
            let end = bytes.len() + size;
            let empty = self.shape.slots() - bucket.len();
            let slots = bucket.into_iter().chain(std::iter::repeat_n((0, 0), empty));
            let mut columns = Vec::new();
            for (key, column) in slots {
                match self.shape {
                    Shape::V4 => bytes.extend((key as u32).to_le_bytes()),
                    Shape::V6 => {
                        bytes.extend(((key >> 64) as u64).to_le_bytes());
                        bytes.extend((key as u64).to_le_bytes());
                    }
                }
                columns.extend(column.to_le_bytes());
            }
            bytes.extend(columns);
            bytes.resize(end, 0);
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the program does: both buckets, whole keys, 0 is a miss.
    fn lookup(table: &Exact, rodata: &[u8], key: u128) -> u16 {
        for bucket in table.buckets(key) {
            let at = table.offset as usize + (bucket << table.shape.bucket_shift());
            for slot in 0..table.shape.slots() {
                let size = table.shape.key_size();
                let stored = &rodata[at + slot * size..at + (slot + 1) * size];
                let stored = match table.shape {
                    Shape::V4 => u128::from(u32::from_le_bytes(stored.try_into().unwrap())),
                    Shape::V6 => {
                        let upper = u64::from_le_bytes(stored[..8].try_into().unwrap());
                        let lower = u64::from_le_bytes(stored[8..].try_into().unwrap());
                        u128::from(upper) << 64 | u128::from(lower)
                    }
                };
                let column = at + table.shape.columns_at() + 2 * slot;
                if stored == key {
                    return u16::from_le_bytes(rodata[column..column + 2].try_into().unwrap());
                }
            }
        }
        0
    }

    fn check(shape: Shape, keys: impl IntoIterator<Item = u128>, absent: &[u128]) {
        let keys: std::collections::BTreeSet<u128> = keys.into_iter().filter(|key| *key != 0).collect();
        let entries: Vec<(u128, u16)> = keys.iter().copied().zip((1..=9).cycle()).collect();
        let mut rodata = vec![7; 8];
        let table = Exact::build(shape, &entries, &mut rodata).unwrap();
        for (key, column) in &entries {
            assert_eq!(lookup(&table, &rodata, *key), *column);
        }
        if !entries.is_empty() {
            for key in absent.iter().filter(|key| !keys.contains(key)) {
                assert_eq!(lookup(&table, &rodata, *key), 0);
            }
        }
    }

    proptest! {
        #[test]
        fn every_key_is_found_and_no_other(
            v4 in prop::collection::vec(any::<u32>(), 0..300),
            v6 in prop::collection::vec(any::<u128>(), 0..300),
            absent in prop::collection::vec(any::<u32>().prop_map(u128::from), 20),
        ) {
            check(Shape::V4, v4.into_iter().map(u128::from), &absent);
            check(Shape::V6, v6, &absent);
        }
    }

    /// Addresses as a cluster has them: dense in a few blocks; and asking for 0, which empty slots hold.
    #[test]
    fn dense_blocks() {
        let v4 = (0..20_000u128).map(|i| 0x0a00_0000 + ((i / 200) << 8) + i % 200);
        check(Shape::V4, v4, &[0, 1, 0x0a00_00ff]);
        check(Shape::V4, [5], &[0]);
        let v6 = (0..20_000u128).map(|i| (0xfd00_u128 << 112) | ((i / 200) << 64) | (i % 200));
        check(Shape::V6, v6, &[0, 1]);
    }
}
